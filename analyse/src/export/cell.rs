//! Values on their way into a cell of a spreadsheet.

use std::fmt::Write as _;

use datafusion::arrow::array::{Array, AsArray};
use datafusion::arrow::datatypes::DataType;

/// The most characters a cell holds, counted as Excel counts them.
const LONGEST_TEXT: usize = 32_767;

/// Text as XML, cut to what a cell holds. Says whether it was cut.
pub fn escape(text: &str, into: &mut String) -> bool {
    let mut length = 0;
    for (at, letter) in text.char_indices() {
        length += letter.len_utf16();
        if length >= LONGEST_TEXT && at + letter.len_utf8() < text.len() {
            into.push('…');
            return true;
        }
        match letter {
            '&' => into.push_str("&amp;"),
            '<' => into.push_str("&lt;"),
            '>' => into.push_str("&gt;"),
            '"' => into.push_str("&quot;"),
            '\t' | '\n' => into.push(letter),
            // What XML cannot hold, a workbook spells out; a text that looks spelt out must not be read as such.
            '\u{0}'..='\u{1f}' => {
                let _ = write!(into, "_x{:04X}_", u32::from(letter));
            }
            '_' if is_spelt_out(&text[at..]) => into.push_str("_x005F_"),
            '\u{fffe}' | '\u{ffff}' => into.push('\u{fffd}'),
            _ => into.push(letter),
        }
    }
    false
}

fn is_spelt_out(text: &str) -> bool {
    let bytes = text.as_bytes();
    bytes.len() >= 7 && bytes[1] == b'x' && bytes[6] == b'_' && bytes[2..6].iter().all(u8::is_ascii_hexdigit)
}

/// The letters of a column, from 0.
pub fn letters(column: usize) -> String {
    let mut letters = String::new();
    let mut left = column + 1;
    while left > 0 {
        letters.insert(0, char::from(b'A' + ((left - 1) % 26) as u8));
        left = (left - 1) / 26;
    }
    letters
}

/// Whether a column of whole numbers must be text in a workbook, whose numbers have 53 bits.
pub fn is_too_wide(name: &str, column: &dyn Array) -> bool {
    if column.data_type() != &DataType::Int64 {
        return false;
    }
    let numbers = column.as_primitive::<datafusion::arrow::datatypes::Int64Type>();
    name.ends_with("Key") || numbers.iter().flatten().any(|number| number.unsigned_abs() > 1 << 53)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn escaped(text: &str) -> (String, bool) {
        let mut into = String::new();
        let is_cut = escape(text, &mut into);
        (into, is_cut)
    }

    #[test]
    fn any_text_becomes_xml_that_reads_back_as_it() {
        assert_eq!(escaped("<a & \"b\">\n").0, "&lt;a &amp; &quot;b&quot;&gt;\n");
        assert_eq!(escaped("\u{1}\r_x0041_").0, "_x0001__x000D__x005F_x0041_");
        let (whole, cut) = (escaped(&"é".repeat(32_767)), escaped(&"é".repeat(32_768)));
        assert!(!whole.1 && cut.1);
        assert_eq!(cut.0.chars().count(), 32_767);
        assert!(cut.0.ends_with('…'));
    }

    #[test]
    fn columns_are_named_as_in_a_spreadsheet() {
        assert_eq!([0, 25, 26, 701, 702].map(letters), ["A", "Z", "AA", "ZZ", "AAA"]);
    }
}
