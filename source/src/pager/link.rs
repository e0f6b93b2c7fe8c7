//! The `Link` header of HTTP.

/// The URL a `Link` header gives for `rel="next"` (RFC 8288).
pub(super) fn next_link(header: &str) -> Option<String> {
    let mut rest = header;
    while let Some(start) = rest.find('<') {
        let after = &rest[start + 1..];
        let end = after.find('>')?;
        let (target, behind) = (&after[..end], &after[end + 1..]);
        let stop = behind.find('<').unwrap_or(behind.len());
        let is_next = behind[..stop].split([';', ',']).any(|parameter| {
            let Some((name, value)) = parameter.split_once('=') else { return false };
            let relations = value.trim().trim_matches('"');
            name.trim().eq_ignore_ascii_case("rel")
                && relations.split(' ').any(|each| each.eq_ignore_ascii_case("next"))
        });
        if is_next {
            return Some(target.to_owned());
        }
        rest = &behind[stop..];
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_header_is_read_as_its_rfc_says() {
        let header =
            r#"<https://api.example/a?x=1,2>; rel="prev first", <https://api.example/b>; title="x"; rel="next""#;
        assert_eq!(next_link(header).as_deref(), Some("https://api.example/b"));
        assert_eq!(next_link("<https://api.example/a>; rel=last"), None);
        assert_eq!(next_link("<a>; rel=next").as_deref(), Some("a"));
    }
}
