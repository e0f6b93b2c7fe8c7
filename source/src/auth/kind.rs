//! What each kind adds to a request, and how it comes by that.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use jiff::Timestamp;
use reqwest::Request;
use reqwest::header::{AUTHORIZATION, COOKIE, HeaderName, HeaderValue};
use spectra_common::failure::{Exit, failure};
use url::Url;
use url::form_urlencoded::{self, byte_serialize};

use super::choice;
use super::jwt::{self, Signer};
use super::secret::{Known, Secret, Vault, basic, basic_of, header_value};
use super::token::{self, Exchange, Got};
use crate::spec::Auth;

const LONGEST_LIFETIME: Duration = Duration::from_secs(10 * 365 * 24 * 3_600);

/// A kind of credentials, and where they come from.
pub(super) struct Kind {
    pub(super) auth: Auth,
    /// None for credentials that are not asked for.
    pub(super) endpoint: Option<Url>,
}

/// What is added to a request.
#[derive(Debug)]
pub(super) enum Ready {
    Header(HeaderName, HeaderValue),
    Query(String, Secret),
    Signer(Signer),
}

/// New credentials, and since when and how long they are good, where that is known.
pub(super) struct Fresh {
    pub(super) ready: Ready,
    pub(super) lifetime: Option<(Instant, Duration)>,
}

impl Kind {
    /// The kind as a spec has it.
    ///
    /// # Errors
    /// [`Exit::Configuration`] where it would send credentials to a place that is not safe.
    pub(super) fn new(auth: Auth, server: &Url, base: &Url) -> Result<Self> {
        let endpoint = match &auth {
            Auth::Oauth2 { token_url, .. } | Auth::TokenExchange { token_url, .. } => {
                Some(token::endpoint(token_url, server)?)
            }
            Auth::Cookie { login_path, .. } => Some(token::below(base, login_path)),
            _ => None,
        };
        Ok(Self { auth, endpoint })
    }

    /// Credentials that need nobody's answer; none for the other kinds.
    ///
    /// # Errors
    /// [`Exit::NotAuthorised`] for a secret that cannot be sent, [`Exit::Configuration`] for a mistake in the spec.
    pub(super) fn at_hand(&self, vault: &Vault, known: &Known) -> Result<Option<Ready>> {
        let ready = match &self.auth {
            Auth::Bearer { token_variable } => {
                let value = header_value(token_variable, &format!("Bearer {}", vault.get(token_variable)?))?;
                Ready::Header(AUTHORIZATION, value)
            }
            Auth::Basic { user_variable, password_variable } => {
                Ready::Header(AUTHORIZATION, basic(vault, user_variable, password_variable, known)?)
            }
            Auth::ApiKey { header, query, key_variable } => match (header, query) {
                (Some(header), None) => {
                    Ready::Header(choice::header_name(header)?, header_value(key_variable, vault.get(key_variable)?)?)
                }
                (None, Some(query)) => Ready::Query(query.clone(), Secret::new(vault.get(key_variable)?)),
                _ => {
                    return Err(failure(
                        Exit::Configuration,
                        "an api-key of the spec goes into a header or into the query, and names exactly one of them",
                        "keep either `header` or `query`",
                    ));
                }
            },
            Auth::SignedJwt {
                access_key_header,
                access_key_variable,
                secret_key_variable,
                subject_variable,
                lifetime_seconds,
            } => {
                let access_key = vault.get(access_key_variable)?;
                let subject = subject_variable.as_deref().and_then(|variable| vault.find(variable));
                Ready::Signer(Signer {
                    access_key_header: choice::header_name(access_key_header)?,
                    access_key_value: header_value(access_key_variable, access_key)?,
                    access_key: Secret::new(access_key),
                    secret_key: Secret::new(vault.get(secret_key_variable)?),
                    subject: subject.map(Secret::new),
                    lifetime_seconds: *lifetime_seconds,
                })
            }
            Auth::Cookie { .. } | Auth::Oauth2 { .. } | Auth::TokenExchange { .. } => return Ok(None),
        };
        Ok(Some(ready))
    }

    /// Credentials that a server gives for the secrets.
    ///
    /// # Errors
    /// [`Exit::NotAuthorised`] where it refuses, [`Exit::ApiUnavailable`] where it gives no usable answer.
    pub(super) async fn ask(&self, http: &reqwest::Client, vault: &Vault, known: &Known) -> Result<Fresh> {
        let url = self.endpoint.as_ref().context("credentials to be asked for, and nowhere to ask")?;
        let variables: Vec<&str> = choice::needs(&self.auth).iter().map(|need| need.variable).collect();
        let exchange = Exchange { http, known, url, hint: format!("check {}", variables.join(", ")) };
        let Got { text, lifetime, asked_at } = match &self.auth {
            Auth::Cookie { user_variable, password_variable, .. } => {
                exchange.log_in(basic(vault, user_variable, password_variable, known)?).await?
            }
            Auth::Oauth2 { client_id_variable, client_secret_variable, scope, .. } => {
                // RFC 6749 has both form-encoded first, so that an id may hold a colon.
                let [id, secret] = [client_id_variable, client_secret_variable].map(|variable| {
                    vault.get(variable).map(|text| byte_serialize(text.as_bytes()).collect::<String>())
                });
                exchange.client_credentials(basic_of(&id?, &secret?, known)?, scope.as_deref()).await?
            }
            Auth::TokenExchange { body_variables, token_at, lifetime_seconds, .. } => {
                let mut fields = serde_json::Map::new();
                for (field, variable) in body_variables {
                    fields.insert(field.clone(), vault.get(variable)?.into());
                }
                exchange.exchange(&fields.into(), token_at, lifetime_seconds.map(Duration::from_secs)).await?
            }
            other => anyhow::bail!("credentials of kind {} are not asked for", choice::name_of(other)),
        };
        let ready = match &self.auth {
            Auth::Cookie { .. } => Ready::Header(COOKIE, header_value("a cookie of the login", &text)?),
            _ => Ready::Header(AUTHORIZATION, header_value("the token received", &format!("Bearer {text}"))?),
        };
        // Some write 0 for a token that never ends, and others more seconds than a clock can hold.
        let lifetime = lifetime.filter(|lifetime| !lifetime.is_zero()).map(|lifetime| lifetime.min(LONGEST_LIFETIME));
        Ok(Fresh { ready, lifetime: lifetime.map(|lifetime| (asked_at, lifetime)) })
    }
}

impl Ready {
    /// Adds it to a request to a server whose root is `server`; what an earlier try added is replaced.
    ///
    /// # Errors
    /// Never: what a header cannot hold was refused before.
    pub(super) fn apply(&self, request: &mut Request, server: &Url) -> Result<()> {
        match self {
            Self::Header(name, value) => {
                request.headers_mut().insert(name, value.clone());
            }
            Self::Query(name, key) => set_parameter(request.url_mut(), name, key.text()),
            Self::Signer(signer) => {
                let token = signer.token(request.method(), request.url(), server, Timestamp::now());
                let value = header_value("the signed token", &format!("JWT {}", token.text()))?;
                request.headers_mut().insert(AUTHORIZATION, value);
                request.headers_mut().insert(&signer.access_key_header, signer.access_key_value.clone());
            }
        }
        Ok(())
    }
}

/// Sets a parameter of the query and leaves the others exactly as they are written.
fn set_parameter(url: &mut Url, name: &str, value: &str) {
    let is_other = |pair: &&str| form_urlencoded::parse(pair.as_bytes()).all(|(other, _)| other != name);
    let query = url.query().unwrap_or_default();
    let mut pairs: Vec<String> =
        query.split('&').filter(|pair| !pair.is_empty()).filter(is_other).map(ToOwned::to_owned).collect();
    pairs.push(format!("{}={}", jwt::encode(name), jwt::encode(value)));
    url.set_query(Some(&pairs.join("&")));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_in_the_query_replaces_the_one_that_is_there() {
        let mut url = Url::parse("https://a.example/x?key=old&b=1+2&k%65y=older").unwrap();
        set_parameter(&mut url, "key", "a&b");
        assert_eq!(url.query(), Some("b=1+2&key=a%26b"));
    }
}
