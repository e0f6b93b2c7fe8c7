//! Ways to show who we are, without a secret in the spec.

use std::collections::{BTreeMap, BTreeSet};

use super::super::{Auth, Spec};
use super::document::Path;
use super::settings::{is_token, path_flaw};
use super::{Mistakes, is_path_into_body};

/// Checks all kinds of credentials.
pub fn check(mistakes: &mut Mistakes<'_>, spec: &Spec) {
    let mut kinds = BTreeSet::new();
    for (number, auth) in spec.auth.iter().enumerate() {
        let kind = kind_name(auth);
        let at = Path::to("auth").then(number);
        if !kinds.insert(kind) {
            let suggestion = "keep one of each kind: `--auth` and the variables choose between kinds";
            mistakes.add(&at.then("kind"), format!("auth `{kind}` is there twice"), suggestion);
        }
        Checker { mistakes, at, kind, variables: BTreeSet::new(), headers: &spec.http.headers }.check(auth);
    }
}

fn kind_name(auth: &Auth) -> &'static str {
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

struct Checker<'a, 'b> {
    mistakes: &'a mut Mistakes<'b>,
    at: Path,
    kind: &'static str,
    variables: BTreeSet<&'a str>,
    headers: &'a BTreeMap<String, String>,
}

impl<'a> Checker<'a, '_> {
    fn add(&mut self, path: &Path, complaint: &str, suggestion: impl Into<String>) {
        self.mistakes.add(path, format!("auth `{}` {complaint}", self.kind), suggestion);
    }

    fn check(mut self, auth: &'a Auth) {
        match auth {
            Auth::Bearer { token_variable } => self.variable("token_variable", token_variable),
            Auth::Basic { user_variable, password_variable } => {
                self.variable("user_variable", user_variable);
                self.variable("password_variable", password_variable);
            }
            Auth::Cookie { login_path, user_variable, password_variable } => {
                let shown = login_path.split('?').next().unwrap_or_default();
                if let Some((flaw, suggestion)) = path_flaw(shown, false) {
                    let at = self.at.then("login_path");
                    self.add(&at, &format!("has login_path `{shown}`, which {flaw}"), suggestion);
                }
                self.variable("user_variable", user_variable);
                self.variable("password_variable", password_variable);
            }
            Auth::ApiKey { header, query, key_variable } => {
                self.api_key(header.as_deref(), query.as_deref());
                self.variable("key_variable", key_variable);
            }
            Auth::Oauth2 { token_url, client_id_variable, client_secret_variable, scope: _ } => {
                self.token_url(token_url);
                self.variable("client_id_variable", client_id_variable);
                self.variable("client_secret_variable", client_secret_variable);
            }
            Auth::TokenExchange { token_url, body_variables, token_at, lifetime_seconds } => {
                self.token_url(token_url);
                self.exchange(body_variables, token_at);
                self.lifetime(*lifetime_seconds);
            }
            Auth::SignedJwt {
                access_key_header,
                access_key_variable,
                secret_key_variable,
                subject_variable,
                lifetime_seconds,
            } => {
                self.header("access_key_header", access_key_header);
                self.variable("access_key_variable", access_key_variable);
                self.variable("secret_key_variable", secret_key_variable);
                if let Some(subject_variable) = subject_variable {
                    self.variable("subject_variable", subject_variable);
                }
                self.lifetime(Some(*lifetime_seconds));
            }
        }
    }

    fn variable(&mut self, field: &str, variable: &'a str) {
        self.variable_at(&self.at.then(field), field, variable);
    }

    fn variable_at(&mut self, at: &Path, field: &str, variable: &'a str) {
        let name = variable.strip_prefix("SPECTRA_API_").unwrap_or_default();
        let is_ours = !name.is_empty()
            && name.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_');
        if !is_ours {
            // The value may be the secret itself, put where its variable's name belongs.
            let complaint = format!("has a `{field}` that is no name of a variable of ours");
            let suggestion =
                "write the name of an environment variable such as SPECTRA_API_TOKEN, never the secret itself";
            self.add(at, &complaint, suggestion);
        } else if name.ends_with("_FILE") {
            let suggestion = "write the name without _FILE: whoever runs it sets either of the two";
            self.add(at, &format!("has `{variable}` as its `{field}`"), suggestion);
        } else if !self.variables.insert(variable) {
            let suggestion = "give each secret a variable of its own";
            self.add(at, &format!("takes two secrets from `{variable}`"), suggestion);
        }
    }

    fn api_key(&mut self, header: Option<&str>, query: Option<&str>) {
        let at = self.at.clone();
        match (header, query) {
            (None, None) => {
                let suggestion = "add `header = \"X-Api-Key\"` or `query = \"api_key\"`";
                self.add(
                    &at,
                    "says neither in which `header` nor in which `query` parameter the key is sent",
                    suggestion,
                );
            }
            (Some(_), Some(_)) => {
                let suggestion = "keep one of the two; a key in a header stays out of the logs on the way";
                self.add(&at.then("query"), "has both `header` and `query`", suggestion);
            }
            (Some(header), None) => self.header("header", header),
            (None, Some(query)) => {
                if query.trim().is_empty() {
                    self.add(&at.then("query"), "has an empty `query`", "write the name of the parameter");
                }
            }
        }
    }

    fn header(&mut self, field: &str, header: &str) {
        let at = self.at.then(field);
        if !is_token(header) {
            self.add(
                &at,
                &format!("has `{header}` as its `{field}`, which is no header"),
                "write a name such as X-Api-Key",
            );
        } else if self.headers.keys().any(|other| other.eq_ignore_ascii_case(header)) {
            let suggestion = format!("take `{header}` out of [http.headers]");
            self.add(&at, &format!("sends `{header}`, which [http.headers] sets too"), suggestion);
        }
    }

    fn token_url(&mut self, text: &str) {
        let at = self.at.then("token_url");
        let suggestion = "write a path such as \"/oauth/token\", or a URL that starts with https://";
        // What stands behind the path may be secret.
        let shown = text.split(['?', '#']).next().unwrap_or_default();
        if text.starts_with('/') {
            if let Some((flaw, suggestion)) = path_flaw(shown, false) {
                self.add(&at, &format!("has token_url `{shown}`, which {flaw}"), suggestion);
            }
            return;
        }
        let Ok(url) = url::Url::parse(text) else {
            self.add(&at, &format!("has token_url `{shown}`, which is neither a path nor a URL"), suggestion);
            return;
        };
        let is_loopback = match url.host() {
            Some(url::Host::Domain(name)) => name == "localhost",
            Some(url::Host::Ipv4(address)) => address.is_loopback(),
            Some(url::Host::Ipv6(address)) => address.is_loopback(),
            None => false,
        };
        if !url.username().is_empty() || url.password().is_some() {
            self.add(&at, "has credentials in its token_url", "take them out, and name variables that hold them");
        } else if url.scheme() != "https" && !(url.scheme() == "http" && is_loopback) {
            self.add(&at, &format!("has token_url `{shown}`, where secrets would travel unencrypted"), suggestion);
        }
    }

    fn exchange(&mut self, body_variables: &'a BTreeMap<String, String>, token_at: &str) {
        let at = self.at.clone();
        if body_variables.is_empty() {
            let suggestion =
                "write { client_id = \"SPECTRA_API_CLIENT_ID\", client_secret = \"SPECTRA_API_CLIENT_SECRET\" }";
            self.add(&at.then("body_variables"), "sends no credentials", suggestion);
        }
        for (field, variable) in body_variables {
            self.variable_at(&at.then("body_variables").then(field), field, variable);
        }
        if token_at != "." && !is_path_into_body(token_at) {
            let suggestion =
                "write the path of the token, such as \"data.token\", or \".\" where the answer is the token";
            self.add(
                &at.then("token_at"),
                &format!("has `{token_at}` as its `token_at`, a path with an empty step"),
                suggestion,
            );
        }
    }

    fn lifetime(&mut self, seconds: Option<u64>) {
        if seconds == Some(0) {
            let at = self.at.then("lifetime_seconds");
            self.add(&at, "has tokens that live 0 seconds", "write the seconds a token lives, such as 3600");
        }
    }
}
