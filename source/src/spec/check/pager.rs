//! Pagers by themselves.

use super::super::{Pager, PagerKind, Stop};
use super::document::Path;
use super::{Mistakes, is_path_into_body};

/// Checks one pager.
pub fn check(mistakes: &mut Mistakes<'_>, name: &str, pager: &Pager) {
    let mut checker = Checker { mistakes, path: Path::to("pager").then(name), name, pager };
    checker.parameters();
    checker.first();
    checker.next_at();
    checker.field();
    checker.sizes();
    checker.stops();
    checker.total();
    checker.echoes();
    checker.paths();
}

struct Checker<'a, 'b> {
    mistakes: &'a mut Mistakes<'b>,
    path: Path,
    name: &'a str,
    pager: &'a Pager,
}

/// How a kind is written.
fn kind_name(kind: PagerKind) -> &'static str {
    match kind {
        PagerKind::Offset => "offset",
        PagerKind::Page => "page",
        PagerKind::Next => "next",
        PagerKind::Cursor => "cursor",
        PagerKind::Keyset => "keyset",
    }
}

impl Checker<'_, '_> {
    fn add(&mut self, field: &str, complaint: &str, suggestion: impl Into<String>) {
        let message = format!("pager `{}` {complaint}", self.name);
        self.mistakes.add(&self.path.then(field), message, suggestion);
    }

    /// Complains about a field that a pager of this kind does not read.
    fn useless(&mut self, field: &str, is_given: bool, kinds: &[PagerKind]) {
        if is_given && !kinds.contains(&self.pager.kind) {
            let complaint = format!("is of kind `{}`, which takes no `{field}`", kind_name(self.pager.kind));
            let kinds: Vec<&str> = kinds.iter().map(|kind| kind_name(*kind)).collect();
            self.add(field, &complaint, format!("take `{field}` out; it belongs to the kind {}", kinds.join(" or ")));
        }
    }

    fn needed(&mut self, field: &str, value: Option<&String>, kinds: &[PagerKind], suggestion: &str) {
        if !kinds.contains(&self.pager.kind) {
            return;
        }
        match value.map(|value| value.trim().is_empty()) {
            None => {
                self.add("", &format!("is of kind `{}` and has no `{field}`", kind_name(self.pager.kind)), suggestion);
            }
            Some(true) => self.add(field, &format!("has an empty `{field}`"), suggestion),
            Some(false) => {}
        }
    }

    fn parameters(&mut self) {
        let kinds = [PagerKind::Offset, PagerKind::Page, PagerKind::Cursor, PagerKind::Keyset];
        let pager = self.pager;
        let suggestion = "add `parameter = \"…\"`, the name under which the API takes where a page begins";
        self.needed("parameter", pager.parameter.as_ref(), &kinds, suggestion);
        self.useless("parameter", pager.parameter.is_some(), &kinds);
        if pager.size.as_ref().is_some_and(|size| size.trim().is_empty()) {
            self.add("size", "has an empty `size`", "name the parameter of the rows wanted, or leave `size` out");
        }
        if pager.size.is_some() && pager.size == pager.parameter {
            let suggestion =
                "name the parameter of the rows wanted in `size`, and that of the beginning in `parameter`";
            self.add("size", "uses one name for `parameter` and `size`", suggestion);
        }
    }

    fn first(&mut self) {
        let pager = self.pager;
        let kinds = [PagerKind::Page, PagerKind::Cursor, PagerKind::Keyset];
        self.useless("first", pager.first.is_some(), &kinds);
        let suggestion = "write `first = 1`, or 0 where the API counts its pages from 0";
        match (pager.kind, &pager.first) {
            (PagerKind::Page, None) => self.add("", "does not say the number of its first page", suggestion),
            (PagerKind::Page, Some(toml::Value::Integer(0 | 1))) => {}
            (PagerKind::Page, Some(_)) => self.add("first", "has a `first` that is neither 0 nor 1", suggestion),
            (PagerKind::Cursor | PagerKind::Keyset, Some(toml::Value::Integer(_) | toml::Value::String(_))) => {}
            (PagerKind::Cursor | PagerKind::Keyset, Some(_)) => {
                let suggestion = "write what the first request shall say, as text or a whole number";
                self.add("first", "has a `first` that is neither text nor a whole number", suggestion);
            }
            _ => {}
        }
    }

    fn next_at(&mut self) {
        let pager = self.pager;
        let kinds = [PagerKind::Next, PagerKind::Cursor];
        let suggestion = match pager.kind {
            PagerKind::Next => "add `next_at`: the path of the URL in the body, such as \"next\", or \"link-header\"",
            _ => "add `next_at`: the path of the cursor in the body, such as \"meta.cursor\"",
        };
        self.needed("next_at", pager.next_at.as_ref(), &kinds, suggestion);
        self.useless("next_at", pager.next_at.is_some(), &kinds);
        if pager.kind == PagerKind::Cursor && pager.next_at.as_deref() == Some("link-header") {
            let suggestion = "name the cursor's path in the body, or use the kind next, which reads the Link header";
            self.add("next_at", "is of kind `cursor` and reads the Link header", suggestion);
        }
    }

    fn field(&mut self) {
        let suggestion = "add `field = \"id\"`, the field of a record by which the listing is ordered";
        self.needed("field", self.pager.field.as_ref(), &[PagerKind::Keyset], suggestion);
        self.useless("field", self.pager.field.is_some(), &[PagerKind::Keyset]);
    }

    fn sizes(&mut self) {
        let pager = self.pager;
        let size = pager.default_size;
        if size == 0 {
            self.add("default_size", "asks for 0 rows", "write the rows of a page, such as `default_size = 100`");
        } else if let Some(largest) = pager.largest_size.filter(|largest| *largest < size) {
            let field = if self.is_given("default_size") { "default_size" } else { "largest_size" };
            let complaint = format!("asks for {size} rows and gets at most {largest}");
            self.add(field, &complaint, format!("write `default_size = {}`, or less", largest.max(1)));
        }
        if pager.overlap > 0 {
            self.useless("overlap", true, &[PagerKind::Offset]);
            if pager.kind == PagerKind::Offset && pager.overlap >= size {
                let complaint = format!("asks for {} rows again of the {size} of a page", pager.overlap);
                self.add(
                    "overlap",
                    &complaint,
                    "make `overlap` smaller than `default_size`; 1 is enough to see a move",
                );
            }
        }
        let is_guess = pager.stop.contains(&Stop::ShortPage) && pager.size.is_none() && !self.is_given("default_size");
        if is_guess {
            let suggestion = "name the parameter in `size`, or write the server's own page size as `default_size`";
            self.add("stop", "ends at a short page and does not say how long a full one is", suggestion);
        }
    }

    fn is_given(&self, field: &str) -> bool {
        self.mistakes.document.has(&self.path.then(field))
    }

    fn stops(&mut self) {
        let pager = self.pager;
        let is_endless = matches!(pager.kind, PagerKind::Offset | PagerKind::Page | PagerKind::Keyset);
        if is_endless && pager.stop.is_empty() {
            let suggestion = "add `stop = [\"short-page\"]`, or empty-page, total, { flag = \"isLast\" }, { flag-false = \"hasMore\" }";
            self.add("stop", "does not say when the listing ends", suggestion);
        }
        for (number, stop) in pager.stop.iter().enumerate() {
            let at = Path::to("pager").then(self.name).then("stop").then(number);
            let earlier = &pager.stop[..number];
            let contradicts = |other: &Stop| match (stop, other) {
                (Stop::Flag(one), Stop::FlagFalse(two)) | (Stop::FlagFalse(one), Stop::Flag(two)) => one == two,
                _ => false,
            };
            let message = if earlier.contains(stop) {
                format!("pager `{}` names a stop rule twice", self.name)
            } else if earlier.iter().any(contradicts) {
                format!("pager `{}` ends at a flag that is true and at the same flag when it is false", self.name)
            } else {
                continue;
            };
            self.mistakes.add(&at, message, "keep one of the two");
        }
    }

    fn total(&mut self) {
        let pager = self.pager;
        let suggestion = "add `total`: the path in the body of the rows of the whole listing, such as \"total\"";
        if pager.total.is_none() && pager.stop.contains(&Stop::Total) {
            self.add("stop", "ends by a total and does not say where the total is", suggestion);
        } else if pager.total.is_none() && pager.zero_total_is_unknown {
            self.add("zero_total_is_unknown", "doubts a total and does not say where the total is", suggestion);
        } else if pager.zero_total_is_unknown && pager.stop == [Stop::Total] {
            let suggestion = "add \"short-page\" or \"empty-page\" to `stop`, for listings whose total is not known";
            self.add("stop", "ends by nothing but a total that may be unknown", suggestion);
        }
    }

    fn echoes(&mut self) {
        self.useless("echo", self.pager.echo.is_some(), &[PagerKind::Offset, PagerKind::Page]);
    }

    fn paths(&mut self) {
        let pager = self.pager;
        let mut paths = vec![
            ("echo", pager.echo.as_ref()),
            ("size_echo", pager.size_echo.as_ref()),
            ("total", pager.total.as_ref()),
            ("next_at", pager.next_at.as_ref().filter(|path| !path.trim().is_empty())),
        ];
        if pager.place == super::super::Place::Body {
            paths.push(("parameter", pager.parameter.as_ref().filter(|path| !path.trim().is_empty())));
            paths.push(("size", pager.size.as_ref().filter(|path| !path.trim().is_empty())));
        }
        let flags = pager.stop.iter().filter_map(|stop| match stop {
            Stop::Flag(path) | Stop::FlagFalse(path) => Some(("stop", Some(path))),
            _ => None,
        });
        paths.extend(flags);
        for (field, path) in paths {
            if let Some(path) = path.filter(|path| !is_path_into_body(path)) {
                let complaint = format!("has `{path}` in `{field}`, a path with an empty step");
                self.add(field, &complaint, "write names with single dots between them, such as \"meta.total\"");
            }
        }
    }
}

/// The first thing of a pager that stands beside the records and not among them.
pub fn beside_records(pager: &Pager) -> Option<&'static str> {
    let is_in_body = |path: &Option<String>| path.as_deref().is_some_and(|path| path != "link-header");
    let has_flag = pager.stop.iter().any(|stop| matches!(stop, Stop::Flag(_) | Stop::FlagFalse(_)));
    let fields = [
        ("total", pager.total.is_some()),
        ("echo", pager.echo.is_some()),
        ("size_echo", pager.size_echo.is_some()),
        ("next_at", is_in_body(&pager.next_at)),
        ("stop", has_flag),
    ];
    fields.into_iter().find(|(_, is_beside)| *is_beside).map(|(field, _)| field)
}
