//! Credentials: which of the spec's kinds is used, what a request needs of them, and what happens when they are refused.
//!
//! Whatever the kind, there is one set of credentials at a time, with a number: its generation. A request is signed with
//! the newest; a 401 is reported with the generation it was signed with, so that many requests refused at once cost one
//! login. Credentials are replaced ahead of their end by one task, while the others go on with what still works.

mod choice;
mod jwt;
mod kind;
mod secret;
#[cfg(test)]
mod tests;
mod token;

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::{Duration, Instant};

use anyhow::Result;
use reqwest::Request;
use spectra_common::failure::{Exit, Failure, failure};
use tracing::{debug, warn};
use url::Url;

use crate::spec::Auth;
use kind::{Fresh, Kind, Ready};
use secret::{Known, Lookup, Vault};

/// Files are looked at no more often than this.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// New credentials are got at least this long before the old ones end, where they live twice as long.
const LEAST_MARGIN: Duration = Duration::from_secs(30);
/// How long old credentials that still work are used before new ones are tried for again.
const PAUSE: Duration = Duration::from_secs(10);

/// Shows an API who we are.
pub struct Authenticator {
    /// None where the spec asks for no credentials.
    kind: Option<Kind>,
    server: Url,
    http: reqwest::Client,
    current: RwLock<Option<Arc<Credentials>>>,
    /// Newest generation that the API is known to have accepted.
    accepted: AtomicU64,
    next_look: Mutex<Instant>,
    /// Held by the one task that gets new credentials.
    flight: tokio::sync::Mutex<Flight>,
    known: Known,
}

#[derive(Default)]
struct Flight {
    vault: Vault,
    /// Why the secrets of the vault were refused: asking again with the same could lock the account.
    refused: Option<(String, Option<String>)>,
    retry_at: Option<Instant>,
}

#[derive(Debug)]
struct Credentials {
    generation: u64,
    ready: Ready,
    renew_at: Option<Instant>,
    expires_at: Option<Instant>,
    /// Whether they were got because the last ones were refused, and those never accepted in between.
    is_last_hope: bool,
}

impl Authenticator {
    /// Picks the kind `chosen`, or the first whose secrets are all there; none where the spec has no kinds. `server` is
    /// the root of the server, `base` has the base path too, and `http` follows no redirects.
    ///
    /// # Errors
    /// [`Exit::NotAuthorised`] naming every variable that would do, or the one that is of no use;
    /// [`Exit::Configuration`] where the spec has no kind `chosen`, or sends credentials where they are not safe.
    pub fn new(kinds: &[Auth], chosen: Option<&str>, server: &Url, base: &Url, http: reqwest::Client) -> Result<Self> {
        Self::with(kinds, chosen, server, base, http, &|variable| std::env::var_os(variable))
    }

    fn with(
        kinds: &[Auth],
        chosen: Option<&str>,
        server: &Url,
        base: &Url,
        http: reqwest::Client,
        lookup: Lookup<'_>,
    ) -> Result<Self> {
        let mut authenticator = Self {
            kind: None,
            server: server.clone(),
            http,
            current: RwLock::default(),
            accepted: AtomicU64::new(0),
            next_look: Mutex::new(Instant::now() + LOOK_EVERY),
            flight: tokio::sync::Mutex::default(),
            known: Known::default(),
        };
        if let Some((auth, vault)) = choice::choose(kinds, chosen, lookup)? {
            let kind = Kind::new(auth, server, base)?;
            vault.tell(&authenticator.known);
            // Now rather than at the first request: a secret that no header can hold is a mistake to be told early.
            if let Some(ready) = kind.at_hand(&vault, &authenticator.known)? {
                authenticator.publish(Fresh { ready, lifetime: None }, false);
            }
            authenticator.kind = Some(kind);
            authenticator.flight = tokio::sync::Mutex::new(Flight { vault, ..Flight::default() });
        }
        Ok(authenticator)
    }

    /// The kind in use, by its name in a spec; `none` where the API asks for no credentials.
    pub fn kind(&self) -> &'static str {
        self.kind.as_ref().map_or("none", |kind| choice::name_of(&kind.auth))
    }

    /// Adds what this request needs, and gets credentials first where there are none or they are about to end. Returns
    /// the generation of the credentials used.
    ///
    /// # Errors
    /// [`Exit::NotAuthorised`] where no credentials are given, [`Exit::ApiUnavailable`] where nobody answers who could
    /// give them, [`Exit::Configuration`] for a request that would carry them to another server.
    pub async fn sign(&self, request: &mut Request) -> Result<u64> {
        let Some(kind) = &self.kind else { return Ok(0) };
        if request.url().origin() != self.server.origin() {
            return Err(failure(
                Exit::Configuration,
                format!("{} would get the credentials of {}", token::shown(request.url()), token::shown(&self.server)),
                "give the server in --api-url the name that it gives itself in its links",
            ));
        }
        let credentials = self.credentials(kind).await?;
        credentials.ready.apply(request, &self.server)?;
        Ok(credentials.generation)
    }

    /// Says that the API took these credentials, so that a later 401 is their end and not a second refusal in a row.
    pub fn accepted(&self, generation: u64) {
        self.accepted.fetch_max(generation, Ordering::Relaxed);
    }

    /// Whether the API is known to have taken the credentials of that generation.
    pub fn has_accepted(&self, generation: u64) -> bool {
        self.accepted.load(Ordering::Relaxed) >= generation
    }

    /// After a 401 on a request signed with `generation`: gets new credentials, unless another task already has. False
    /// where there is nothing new to try: the secrets are what they were, or what they gave last was refused at once.
    ///
    /// # Errors
    /// As [`Self::sign`].
    pub async fn refresh(&self, generation: u64) -> Result<bool> {
        let Some(kind) = &self.kind else { return Ok(false) };
        let mut flight = self.flight.lock().await;
        let Some(refused) = self.peek() else { return Ok(false) };
        if refused.generation != generation {
            return Ok(true);
        }
        flight.vault.reread(true);
        let is_hopeless = kind.endpoint.is_none() || (refused.is_last_hope && !self.is_accepted(&refused));
        if is_hopeless && !flight.vault.is_changed {
            return Ok(false);
        }
        debug!(generation, "the credentials were refused: getting new ones");
        let fresh = self.obtain(kind, &mut flight).await?;
        self.publish(fresh, true);
        Ok(true)
    }

    /// Every text known so far that must not be shown, the longest first: secrets as given, as sent and as encoded, and
    /// tokens. Users, ids of OAuth2 clients and tokens signed for one request are not among them.
    pub fn secrets(&self) -> Vec<String> {
        self.known.list()
    }

    async fn credentials(&self, kind: &Kind) -> Result<Arc<Credentials>> {
        let is_look_due = self.is_look_due();
        let mut flight = match self.peek() {
            Some(current) if !is_look_due && !current.is_due() => return Ok(current),
            // What there is still works, so nobody waits for the task that is already at it.
            Some(current) if !current.is_over() => match self.flight.try_lock() {
                Ok(flight) => flight,
                Err(_) => return Ok(current),
            },
            _ => self.flight.lock().await,
        };
        if is_look_due {
            flight.vault.reread(false);
        }
        // Once more, for what another task got while this one waited.
        let last = self.peek();
        let good = last.clone().filter(|last| !last.is_over());
        let is_wanted = flight.vault.is_changed || good.as_ref().is_none_or(|good| good.is_due());
        let is_pause = flight.retry_at.is_some_and(|at| Instant::now() < at);
        match good {
            Some(good) if !is_wanted || is_pause => Ok(good),
            good => match (self.obtain(kind, &mut flight).await, good) {
                (Ok(fresh), _) => {
                    flight.retry_at = None;
                    let is_last_hope = last.is_some_and(|last| last.is_last_hope && !self.is_accepted(&last));
                    Ok(self.publish(fresh, is_last_hope))
                }
                (Err(error), Some(good)) => {
                    warn!("getting new credentials while the old ones still work: {error:#}");
                    flight.retry_at = Some(Instant::now() + PAUSE);
                    Ok(good)
                }
                (Err(error), None) => Err(error),
            },
        }
    }

    async fn obtain(&self, kind: &Kind, flight: &mut Flight) -> Result<Fresh> {
        if flight.vault.is_changed {
            flight.vault.tell(&self.known);
            flight.refused = None;
        }
        if let Some((message, hint)) = &flight.refused {
            return Err(Failure { exit: Exit::NotAuthorised, message: message.clone(), hint: hint.clone() }.into());
        }
        let outcome = match kind.at_hand(&flight.vault, &self.known) {
            Ok(Some(ready)) => Ok(Fresh { ready, lifetime: None }),
            Ok(None) => kind.ask(&self.http, &flight.vault, &self.known).await,
            Err(error) => Err(error),
        };
        let refused = outcome.as_ref().err().and_then(|error| error.downcast_ref::<Failure>());
        let refused = refused.filter(|failure| failure.exit == Exit::NotAuthorised);
        flight.refused = refused.map(|failure| (failure.message.clone(), failure.hint.clone()));
        // Kept where nobody answered: these secrets are still to be tried.
        flight.vault.is_changed &= outcome.is_err() && flight.refused.is_none();
        outcome
    }

    fn publish(&self, fresh: Fresh, is_last_hope: bool) -> Arc<Credentials> {
        let mut current = self.current.write().unwrap_or_else(PoisonError::into_inner);
        let credentials = Arc::new(Credentials {
            generation: current.as_ref().map_or(1, |last| last.generation + 1),
            ready: fresh.ready,
            renew_at: fresh.lifetime.map(|(since, lifetime)| since + lifetime - margin(lifetime)),
            expires_at: fresh.lifetime.map(|(since, lifetime)| since + lifetime),
            is_last_hope,
        });
        *current = Some(credentials.clone());
        credentials
    }

    fn peek(&self) -> Option<Arc<Credentials>> {
        self.current.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn is_accepted(&self, credentials: &Credentials) -> bool {
        self.has_accepted(credentials.generation)
    }

    fn is_look_due(&self) -> bool {
        let mut next = self.next_look.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        let is_due = now >= *next;
        if is_due {
            *next = now + LOOK_EVERY;
        }
        is_due
    }
}

impl Credentials {
    fn is_due(&self) -> bool {
        self.renew_at.is_some_and(|at| Instant::now() >= at)
    }

    fn is_over(&self) -> bool {
        self.expires_at.is_some_and(|at| Instant::now() >= at)
    }
}

// Not derived: the HTTP client would show the headers it was built with.
impl fmt::Debug for Authenticator {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Authenticator").field("kind", &self.kind()).finish_non_exhaustive()
    }
}

/// How long before their end credentials are replaced.
fn margin(lifetime: Duration) -> Duration {
    (lifetime / 10).max(LEAST_MARGIN.min(lifetime / 2))
}
