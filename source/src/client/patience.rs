//! How long a request is tried, and what the policy makes of it in the end.

use std::time::Duration;

use spectra_common::failure::{Exit, failure};
use spectra_common::run::{Run, stopped};
use tracing::warn;

use super::{Ask, Client, Fault, Line, Refusal};
use crate::spec::{Incident, Resource, Retry, Spec, Then};

/// How long a request is tried, and what is done in the end.
pub struct Patience<'a> {
    spec: &'a Spec,
    resource: Option<&'a Resource>,
    tries: u32,
}

impl<'a> Patience<'a> {
    /// For a request of a resource, or of none.
    pub fn new(spec: &'a Spec, resource: Option<&'a Resource>) -> Self {
        Self { spec, resource, tries: 0 }
    }

    /// Returns when it is time to try again.
    ///
    /// # Errors
    /// What the policy says in the end.
    pub async fn after(
        &mut self,
        run: &Run,
        client: &Client,
        ask: &Ask,
        fault: Fault,
    ) -> std::result::Result<(), Refusal> {
        self.tries += 1;
        let rule = self.spec.rule_for(self.resource, fault.incident, &fault.reason);
        if rule.then == Then::Retry && fault.incident.spoils_slice() {
            return Err(Refusal::Again(Fault { reason: format!("asking {}: {}", ask.url, fault.reason), ..fault }));
        }
        let retry = &self.spec.retry;
        let mut last = fault.reason.clone();
        if rule.then == Then::Retry && self.tries < retry.tries && !client.pace.is_hopeless() {
            match wait(retry, self.tries, fault.retry_after) {
                Some(wait) => {
                    // Where the server asks for a pause, everybody waits for their turn until it is over.
                    let is_paused =
                        fault.retry_after.is_some() && matches!(fault.incident, Incident::Status(429 | 503));
                    if is_paused || matches!(client.line, Line::Replay(_)) {
                        return Ok(());
                    }
                    warn!(attempt = self.tries, wait_ms = wait.as_millis() as u64, "{last}: trying again");
                    tokio::select! {
                        () = tokio::time::sleep(wait) => return Ok(()),
                        () = run.stop.cancelled() => return Err(Refusal::Run(stopped())),
                    }
                }
                None => last.push_str(", and asks to come back later than this run will wait"),
            }
        }
        let is_bad = rule.then == Then::Retry && fault.incident.is_about_server();
        client.pace.exchange_ended(!is_bad);
        let tries = if self.tries > 1 { format!(" ({} tries)", self.tries) } else { String::new() };
        let message = format!("asking {}: {last}{tries}", ask.url);
        // A server that stays away fails one slice after the other: no policy is meant for that.
        let then = if client.pace.is_hopeless() { Then::Fail } else { rule.at_last() };
        Err(refuse(then, &fault, message))
    }
}

/// What the policy says, as the end of an exchange or of a slice.
pub fn refuse(then: Then, fault: &Fault, message: String) -> Refusal {
    match then {
        Then::Forbidden => Refusal::Forbidden(message),
        Then::Empty => Refusal::Empty,
        Then::Skip | Then::Retry => Refusal::Skip(message),
        Then::Fail => Refusal::Run(match fault.incident {
            Incident::Status(401 | 403) => {
                failure(Exit::NotAuthorised, message, "check the rights of the user the credentials belong to")
            }
            Incident::NoAnswer if fault.reason.contains("peer certificate") => failure(
                Exit::ApiUnavailable,
                message,
                "if the server is the right one, trust its authority with --ca-file; certificates are always checked",
            ),
            Incident::Status(408 | 425 | 429 | 500..) | Incident::NoAnswer | Incident::Timeout => failure(
                Exit::ApiUnavailable,
                message,
                "check --api-url and the server; run again to go on where this run stopped",
            ),
            _ => failure(
                Exit::DataRefused,
                message,
                "the spec's policy ends the run here; what was walked is kept for the next run",
            ),
        }),
    }
}

/// Full jitter: anything between nothing and the doubled bound, unless the server asked for a time of its own.
fn wait(retry: &Retry, tries: u32, asked: Option<Duration>) -> Option<Duration> {
    if let Some(asked) = asked {
        let longest = Duration::from_millis(retry.longest_retry_after_ms);
        return (asked <= longest).then_some(asked);
    }
    let doubled = retry.first_wait_ms.saturating_mul(1 << (tries - 1).min(20));
    let bound = doubled.min(retry.longest_wait_ms);
    Some(Duration::from_millis(rand::random_range(0..=bound)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_a_bound_and_obey_the_server_within_reason() {
        let retry =
            Retry { first_wait_ms: 100, longest_wait_ms: 250, longest_retry_after_ms: 5_000, ..Retry::default() };
        for (tries, bound_ms) in [(1, 100), (2, 200), (3, 250), (30, 250)] {
            assert!(wait(&retry, tries, None).unwrap() <= Duration::from_millis(bound_ms));
        }
        assert_eq!(wait(&retry, 1, Some(Duration::from_secs(4))), Some(Duration::from_secs(4)));
        assert_eq!(wait(&retry, 1, Some(Duration::from_secs(6))), None);
    }
}
