//! The first question of a run.

use anyhow::Result;
use serde::de::IgnoredAny;
use spectra_common::failure::{Exit, failure};

use super::Fetcher;
use crate::client::{Ask, Client, Cost, Fault, Patience, Refusal};
use crate::spec::Incident;

impl Fetcher {
    /// Asks one path of no resource, to see whether the credentials are good and the server is the right one.
    ///
    /// # Errors
    /// [`Exit::Configuration`] for another kind of server, [`Exit::NotAuthorised`], [`Exit::ApiUnavailable`].
    pub async fn probe(&self, client: &Client, path: &str) -> Result<()> {
        let ask = Ask { method: reqwest::Method::GET, url: client.url(None, path, &[]), body: None };
        let hint = format!("check --api-url: it must be the root of a {} server", self.spec.name);
        let mut cost = Cost::default();
        let mut patience = Patience::new(&self.spec, None);
        loop {
            let fault = match client.once(&self.run, &ask, &mut cost).await? {
                Ok(answer) if serde_json::from_slice::<IgnoredAny>(&answer.body.beginning(1 << 20)).is_ok() => {
                    return Ok(());
                }
                Ok(_) => Fault::new(Incident::NotJson, "the answer is not JSON but a web page or empty"),
                Err(fault) => fault,
            };
            let is_another = matches!(
                fault.incident,
                Incident::WebPage | Incident::NotJson | Incident::ContentType | Incident::Status(300..=399 | 404 | 405)
            );
            if is_another {
                return Err(failure(Exit::Configuration, format!("asking {}: {}", ask.url, fault.reason), hint));
            }
            let is_trouble = matches!(fault.incident, Incident::Status(500..) | Incident::BrokenBody);
            match patience.after(&self.run, client, &ask, fault).await {
                Ok(()) => {}
                Err(Refusal::Run(error)) => return Err(error),
                Err(Refusal::Empty) => return Ok(()),
                Err(Refusal::Forbidden(reason)) => {
                    return Err(failure(
                        Exit::NotAuthorised,
                        format!("{reason}: the credentials are not allowed to use this API"),
                        "check the rights of the user the credentials belong to",
                    ));
                }
                Err(Refusal::Skip(reason) | Refusal::Again(Fault { reason, .. })) if is_trouble => {
                    return Err(failure(
                        Exit::ApiUnavailable,
                        reason,
                        "check the server; run again to go on where this run stopped",
                    ));
                }
                Err(Refusal::Skip(reason) | Refusal::Again(Fault { reason, .. })) => {
                    return Err(failure(Exit::Configuration, reason, hint));
                }
            }
        }
    }
}
