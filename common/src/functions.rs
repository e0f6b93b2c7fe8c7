//! What models need and plain SQL lacks: functions of Spark, under their Spark names and with Spark's results.
//!
//! `from_json` is ours ([`from_json`]), and so is `row_hash` ([`row_hash`]), which is not for models; `from_utc_timestamp`,
//! `xxhash64`, `date_diff`, `date_add` and `date_sub` come from DataFusion's own Spark crate.

pub mod from_json;
pub mod row_hash;

use datafusion::prelude::SessionContext;
use datafusion_spark::function::{datetime, hash};

/// Adds the functions to a session.
pub fn register(context: &SessionContext) {
    context.register_udf(from_json::from_json());
    context.register_udf(row_hash::row_hash());
    for function in [
        datetime::from_utc_timestamp(),
        datetime::date_diff(),
        datetime::date_add(),
        datetime::date_sub(),
        hash::xxhash64(),
    ] {
        context.register_udf(function.as_ref().clone());
    }
}
