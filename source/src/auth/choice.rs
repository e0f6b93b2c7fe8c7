//! Which of a spec's kinds of credentials is used.

use anyhow::Result;
use reqwest::header::HeaderName;
use spectra_common::failure::{Exit, failure};

use super::secret::{Lookup, Need, Vault};
use crate::spec::Auth;

/// The name of a kind in a spec.
pub(super) fn name_of(auth: &Auth) -> &'static str {
    match auth {
        Auth::Bearer { .. } => "bearer",
        Auth::Basic { .. } => "basic",
        Auth::Cookie { .. } => "cookie",
        Auth::ApiKey { .. } => "api-key",
        Auth::Oauth2 { .. } => "oauth2",
        Auth::TokenExchange { .. } => "token-exchange",
        Auth::SignedJwt { .. } => "signed-jwt",
    }
}

/// The variables of a kind.
pub(super) fn needs(auth: &Auth) -> Vec<Need<'_>> {
    let secret = |variable| Need { variable, is_required: true, is_secret: true };
    let public = |variable| Need { variable, is_required: true, is_secret: false };
    match auth {
        Auth::Bearer { token_variable } => vec![secret(token_variable)],
        Auth::Basic { user_variable, password_variable } | Auth::Cookie { user_variable, password_variable, .. } => {
            vec![public(user_variable), secret(password_variable)]
        }
        Auth::ApiKey { key_variable, .. } => vec![secret(key_variable)],
        Auth::Oauth2 { client_id_variable, client_secret_variable, .. } => {
            vec![public(client_id_variable), secret(client_secret_variable)]
        }
        Auth::TokenExchange { body_variables, .. } => {
            body_variables.values().map(|variable| secret(variable.as_str())).collect()
        }
        Auth::SignedJwt { access_key_variable, secret_key_variable, subject_variable, .. } => {
            let mut needs = vec![secret(access_key_variable.as_str()), secret(secret_key_variable.as_str())];
            needs.extend(subject_variable.as_deref().map(|variable| Need { is_required: false, ..public(variable) }));
            needs
        }
    }
}

/// The kind to use and its secrets; none where there are no kinds.
///
/// # Errors
/// See [`super::Authenticator::new`].
pub(super) fn choose(kinds: &[Auth], chosen: Option<&str>, lookup: Lookup<'_>) -> Result<Option<(Auth, Vault)>> {
    if let Some(chosen) = chosen
        && !kinds.iter().any(|auth| name_of(auth) == chosen)
    {
        let mut names: Vec<&str> = kinds.iter().map(name_of).collect();
        names.dedup();
        let hint = match (nearest(chosen, &names), names.is_empty()) {
            (Some(name), _) => format!("did you mean `{name}`? the spec has {}", names.join(", ")),
            (None, true) => "leave --auth out: the spec asks for no credentials".to_owned(),
            (None, false) => format!("the spec has {}", names.join(", ")),
        };
        return Err(failure(Exit::Configuration, format!("the spec has no credentials of kind `{chosen}`"), hint));
    }
    let mut ways = Vec::new();
    for auth in kinds.iter().filter(|auth| chosen.is_none_or(|chosen| name_of(auth) == chosen)) {
        match Vault::open(&needs(auth), lookup)? {
            Ok(vault) => return Ok(Some((auth.clone(), vault))),
            Err(missing) => {
                let each: Vec<String> = missing.iter().map(|name| format!("{name} (or {name}_FILE)")).collect();
                ways.push(format!("{} lacks {}", name_of(auth), each.join(" and ")));
            }
        }
    }
    if ways.is_empty() {
        return Ok(None);
    }
    Err(failure(
        Exit::NotAuthorised,
        format!("there are no credentials for the API: {}", ways.join("; ")),
        "export what one of them lacks, or the path of a file that holds it under the name with _FILE",
    ))
}

/// The name that was probably meant: one at most three edits away, and not all of it.
fn nearest<'a>(word: &str, names: &[&'a str]) -> Option<&'a str> {
    let near = names.iter().map(|name| (distance(word, name), *name)).min()?;
    (near.0 <= 3 && near.0 < near.1.len().min(word.len())).then_some(near.1)
}

/// Letters to insert, remove or replace.
fn distance(left: &str, right: &str) -> usize {
    let mut row: Vec<usize> = (0..=right.chars().count()).collect();
    for (above, one) in left.chars().enumerate() {
        let mut diagonal = above;
        row[0] = above + 1;
        for (column, other) in right.chars().enumerate() {
            let replaced = diagonal + usize::from(one != other);
            diagonal = row[column + 1];
            row[column + 1] = replaced.min(diagonal + 1).min(row[column] + 1);
        }
    }
    row[right.chars().count()]
}

/// The name of a header that a spec gives.
///
/// # Errors
/// [`Exit::Configuration`] for one that no header can have.
pub(super) fn header_name(name: &str) -> Result<HeaderName> {
    HeaderName::from_bytes(name.as_bytes()).map_err(|_| {
        failure(
            Exit::Configuration,
            format!("`{name}` is not the name of an HTTP header"),
            "take letters, digits and dashes, such as X-Api-Key",
        )
    })
}
