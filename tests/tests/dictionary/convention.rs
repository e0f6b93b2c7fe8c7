//! What the house's rules for names say of a column by themselves, where nobody said more.

use spectra_common::dictionary::Pointer;

/// The meaning of a column, as far as its name says it.
pub fn meaning(name: &str, key: &[String], references: &[Pointer]) -> Option<String> {
    let whole = match name {
        "duplicateNumber" => "1 for the row that is kept of those with the same id, 2 and up for those set aside",
        "hasUnreadableInstant" => "whether one of its times lies outside the years 1 to 9999",
        "isStale" => "whether it could not be read when last asked for, so that it is as old as its last good walk",
        "recordKey" => "surrogate key of the record as it was landed: run, slice, page and place on it",
        "description" => "the description somebody typed",
        _ => "",
    };
    if !whole.is_empty() {
        return Some(whole.to_owned());
    }
    if let Some(pointer) = references.iter().find(|pointer| pointer.column == name && name.ends_with("Key")) {
        let table = pointer.target.rsplit_once('.').map_or(pointer.target.as_str(), |(table, _)| table);
        return Some(format!("the row of {table} this one belongs to, -1 where it is unknown"));
    }
    let is = |end: &str| name.strip_suffix(end).filter(|stem| !stem.is_empty()).map(spaced);
    let between = |begin: &str, end: &str| -> Option<String> {
        Some(spaced(name.strip_prefix(begin)?.strip_suffix(end)?).trim().to_owned())
    };
    if let Some(words) = between("is", "Agreed") {
        return Some(format!("whether both forms in which the API sends the {words} say the same"));
    }
    if let Some(words) = between("is", "Known") {
        return Some(format!("whether the {words} it names is there"));
    }
    if let Some(words) = between("is", "Readable") {
        return Some(format!("whether the {words} could be read"));
    }
    if let Some(words) = is("VersionKey") {
        return Some(format!("surrogate key of one version of the {words}"));
    }
    if let Some(words) = is("Key") {
        let place = if key == [name.to_owned()] { "" } else { " this row belongs to" };
        return Some(format!("surrogate key of the {words}{place}: the same in every release, -1 stands for Unknown"));
    }
    if let Some(words) = is("DateId") {
        return Some(format!("the {words} date as a number, yyyymmdd, -1 where it is unknown"));
    }
    if let Some(words) = is("DateText") {
        return Some(format!("the {words} date as the API writes it in text"));
    }
    if let Some(words) = is("DateTime") {
        return Some(format!("the {words} time as an instant, UTC"));
    }
    if let Some(words) = is("Date") {
        return Some(format!("the {words} date, a day of the tenant's time zone"));
    }
    if let Some(words) = is("Id") {
        return Some(format!("id of the {words} in the test-management system"));
    }
    is("Name").map(|words| format!("name of the {words}"))
}

fn spaced(name: &str) -> String {
    name.chars().fold(String::new(), |mut words, letter| {
        if letter.is_ascii_uppercase() && !words.is_empty() {
            words.push(' ');
        }
        words.push(letter.to_ascii_lowercase());
        words
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_says_what_it_can() {
        let of = |name: &str| meaning(name, &["cycleKey".to_owned()], &[]);
        assert_eq!(of("cyclePhaseId").unwrap(), "id of the cycle phase in the test-management system");
        assert_eq!(of("createdDateTime").unwrap(), "the created time as an instant, UTC");
        assert_eq!(of("isCycleKnown").unwrap(), "whether the cycle it names is there");
        assert!(of("cycleKey").unwrap().starts_with("surrogate key of the cycle: "));
        assert!(of("releaseKey").unwrap().contains("this row belongs to"));
        assert_eq!(of("severity"), None);
    }
}
