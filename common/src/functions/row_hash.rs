//! `row_hash(a, b, …)`: one number for the values of a row, to compare the rows of two versions of a table in one run.
//!
//! It is many times as fast as a hash of texts. Its values are not kept anywhere: another version of the engine may give
//! others. Models use `xxhash64`, whose values are Spark's.

use std::hash::BuildHasher;
use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, Int64Array};
use datafusion::arrow::datatypes::DataType;
use datafusion::common::Result;
use datafusion::common::hash_utils::{QualityRandomState, create_hashes};
use datafusion::logical_expr::{ColumnarValue, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility};

/// The function, ready to be registered.
pub fn row_hash() -> ScalarUDF {
    ScalarUDF::from(RowHash { signature: Signature::variadic_any(Volatility::Immutable) })
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct RowHash {
    signature: Signature,
}

impl ScalarUDFImpl for RowHash {
    fn name(&self) -> &str {
        "row_hash"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _types: &[DataType]) -> Result<DataType> {
        Ok(DataType::Int64)
    }

    fn invoke_with_args(&self, arguments: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let arrays: Vec<ArrayRef> = ColumnarValue::values_to_arrays(&arguments.args)?;
        let mut hashes: Vec<u64> = vec![0; arguments.number_rows];
        for (place, array) in arrays.iter().enumerate() {
            // Nulls leave no trace in a hash over several columns: each has one of its own, in its place.
            let state = QualityRandomState::with_seed(place as u64);
            let mut own: Vec<u64> = vec![0; array.len()];
            create_hashes([array], &state, &mut own)?;
            // A scalar among arrays stands for every row.
            for (row, hash) in hashes.iter_mut().enumerate() {
                *hash = state.hash_one((*hash, own.get(row).or(own.first())));
            }
        }
        Ok(ColumnarValue::Array(Arc::new(Int64Array::from_iter_values(hashes.into_iter().map(u64::cast_signed)))))
    }
}

#[cfg(test)]
mod tests {
    use crate::session;

    async fn sum(rows: &str) -> i64 {
        let context = session::new(64 << 20, 1).unwrap();
        let sql = format!("select sum(row_hash(a, b)) from (values {rows}) as x(a, b)");
        session::number(&context, &sql).await.unwrap()
    }

    #[tokio::test]
    async fn the_order_of_rows_is_all_that_does_not_count() {
        let one = sum("(1, 'x'), (2, 'y')").await;
        assert_eq!(one, sum("(2, 'y'), (1, 'x')").await);
        for other in [
            "(1, 'y'), (2, 'x')",
            "(1, 'x'), (2, 'z')",
            "(1, 'x'), (2, null)",
            "(1, 'x'), (1, 'x')",
            "(1, 'x'), (2, '')",
            "(1, 'x')",
        ] {
            assert_ne!(one, sum(other).await, "{other}");
        }
        assert_ne!(sum("(null, 'x')").await, sum("('x', null)").await);
        assert_ne!(sum("(null, 'x'), (null, 'x')").await, 0, "equal rows do not cancel out");
    }
}
