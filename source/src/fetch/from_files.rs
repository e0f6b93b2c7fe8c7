//! A slice whose records lie in files.

use anyhow::{Context, Result};
use serde_json::value::RawValue;
use spectra_common::failure::{Exit, exit_of, one_line};
use spectra_common::run::{Run, stopped};
use tokio::sync::mpsc::Receiver;

use super::{Fetcher, Job, RECORDS_AT_A_TIME, Sink, Tally};
use crate::client::{Fault, Refusal, refuse};
use crate::files::{Files, Limits};
use crate::page::{Ids, Reader};
use crate::parents::Parents;
use crate::slice::Landing;
use crate::spec::{Incident, fill};

impl Fetcher {
    pub(super) async fn files(
        &self,
        files: &Files,
        job: &Job,
        landing: &mut Landing,
        parents: &mut Parents,
        tally: &mut Tally,
    ) -> Result<(), Refusal> {
        let resource = job.resource.as_ref();
        let reader = Reader::new(&self.spec, resource, None);
        let pattern = fill(resource.files.as_deref().unwrap_or_default(), &job.ids, Files::name);
        for (number, (path, size)) in files.list(&pattern).await?.into_iter().enumerate() {
            let number = i32::try_from(number).context("a listing has more files than can be counted")?;
            let mut sink = Sink { landing: &mut *landing, parents: &mut *parents, page: number, ordinal: 0 };
            let largest = usize::try_from(self.spec.http.largest_record_bytes).unwrap_or(usize::MAX);
            let limits = Limits { batch_rows: RECORDS_AT_A_TIME, largest_record_bytes: largest, ..Limits::default() };
            // The one who takes drops its end when it gives up, so that the one who reads does not wait for it.
            let (sender, batches) = tokio::sync::mpsc::channel(2);
            let (read, taken) = tokio::join!(
                files.records(&path, resource.records.as_deref(), limits, sender),
                take_from_file(&self.run, &reader, &job.ids, batches, &mut sink),
            );
            tally.page_count += 1;
            tally.cost.byte_count += i64::try_from(size).unwrap_or(i64::MAX);
            let fault = match (taken?, read) {
                (Some(fault), _) => Fault { reason: format!("reading {path}: {}", fault.reason), ..fault },
                (None, Ok(_)) => continue,
                (None, Err(error)) if exit_of(&error) == Exit::DataRefused => {
                    Fault::new(Incident::NotJson, one_line(&error))
                }
                (None, Err(error)) => return Err(Refusal::Run(error)),
            };
            let rule = self.spec.rule_for(Some(resource), fault.incident, &fault.reason);
            return Err(refuse(rule.at_last(), &fault, fault.reason.clone()));
        }
        Ok(())
    }
}

async fn take_from_file(
    run: &Run,
    reader: &Reader<'_>,
    ids: &Ids,
    mut batches: Receiver<Vec<Box<RawValue>>>,
    sink: &mut Sink<'_>,
) -> Result<Option<Fault>> {
    while let Some(payloads) = batches.recv().await {
        let mut records = Vec::with_capacity(payloads.len());
        for (at, payload) in payloads.into_iter().enumerate() {
            match reader.record(ids, payload) {
                Ok((record, _)) => records.push(record),
                Err(fault) => {
                    let reason = format!("record {} {}", sink.ordinal + at, fault.reason);
                    return Ok(Some(Fault { reason, ..fault }));
                }
            }
        }
        if let Some(id) = sink.take(records).await? {
            return Ok(Some(Fault::new(Incident::MovedRows, format!("record {id} is there twice"))));
        }
        if run.stop.is_cancelled() {
            return Err(stopped());
        }
    }
    Ok(None)
}
