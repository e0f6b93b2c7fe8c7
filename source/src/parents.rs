//! The records that slices hang below: few are held, many wait on local disk, so that a listing of millions of
//! parents costs no memory.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, BufWriter, Seek, Write};

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tempfile::tempfile;

/// Parents of one slice held in memory.
const MOST_HELD: usize = 10_000;

/// A record that slices hang below.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Parent {
    /// Its id.
    pub id: Value,
    /// Its fields that decide about the slices below it.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub facts: BTreeMap<String, Value>,
    /// Ids of the records inside it, by resource.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub inside: Vec<(String, Vec<Value>)>,
    /// Records of its own kind inside it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub nested: Vec<Parent>,
}

impl Parent {
    /// Visits it and those nested in it, outermost first.
    pub fn for_each(self, visit: &mut impl FnMut(Parent)) {
        let Self { id, facts, inside, nested } = self;
        visit(Self { id, facts, inside, nested: Vec::new() });
        for parent in nested {
            parent.for_each(visit);
        }
    }
}

/// Parents in the order they were listed.
#[derive(Debug, Default)]
pub struct Parents {
    held: Vec<Parent>,
    file: Option<BufWriter<std::fs::File>>,
}

impl Parents {
    /// Those of a slice walked before.
    pub fn of(held: Vec<Parent>) -> Self {
        Self { held, file: None }
    }

    /// Takes a record and those of its kind nested in it.
    ///
    /// # Errors
    /// When the local disk refuses it.
    pub fn push(&mut self, parent: Parent) -> Result<()> {
        let mut result = Ok(());
        parent.for_each(&mut |parent| {
            if result.is_ok() {
                result = self.push_one(parent);
            }
        });
        result
    }

    fn push_one(&mut self, parent: Parent) -> Result<()> {
        if self.file.is_none() && self.held.len() < MOST_HELD {
            self.held.push(parent);
            return Ok(());
        }
        let file = match &mut self.file {
            Some(file) => file,
            None => {
                self.file.insert(BufWriter::new(tempfile().context("opening a file for the parents of a listing")?))
            }
        };
        serde_json::to_writer(&mut *file, &parent).context("keeping the parents of a listing")?;
        file.write_all(b"\n").context("keeping the parents of a listing")
    }

    /// All of them, where they are few enough to be kept in the journal.
    pub fn few(&self) -> Option<&[Parent]> {
        self.file.is_none().then_some(self.held.as_slice())
    }

    /// One after the other.
    ///
    /// # Errors
    /// When the file of the many cannot be read again.
    pub fn one_by_one(self) -> Result<impl Iterator<Item = Result<Parent>> + Send> {
        let rest = match self.file {
            None => None,
            Some(file) => {
                let mut file = file.into_inner().map_err(std::io::IntoInnerError::into_error)?;
                file.rewind()?;
                Some(BufReader::new(file).lines().map(|line| Ok(serde_json::from_str(&line?)?)))
            }
        };
        Ok(self.held.into_iter().map(Ok).chain(rest.into_iter().flatten()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_parents_come_back_in_order() {
        let mut parents = Parents::default();
        let count = MOST_HELD as i64 + 5;
        for id in 0..count {
            let facts = BTreeMap::from([("n".to_owned(), Value::from(id))]);
            parents.push(Parent { id: id.into(), facts, inside: Vec::new(), nested: Vec::new() }).unwrap();
        }
        assert!(parents.few().is_none());
        let back: Vec<Parent> = parents.one_by_one().unwrap().collect::<Result<_>>().unwrap();
        assert_eq!(back.len() as i64, count);
        assert!(back.iter().enumerate().all(|(at, parent)| parent.id == at as i64 && parent.facts["n"] == at as i64));
    }
}
