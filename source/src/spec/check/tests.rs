use std::collections::BTreeSet;

use super::*;

const HERE: &str = env!("CARGO_MANIFEST_DIR");

fn read(path: &str) -> String {
    std::fs::read_to_string(format!("{HERE}/{path}")).unwrap()
}

/// What the first lines of a file say about it.
fn said<'a>(file: &str, text: &'a str, field: &str) -> &'a str {
    let start = format!("# {field}: ");
    text.lines().find_map(|line| line.strip_prefix(start.as_str())).unwrap_or_else(|| panic!("{file} has no `{start}`"))
}

#[test]
fn every_mistake_is_refused_with_its_line_and_a_suggestion() {
    let files = std::fs::read_dir(format!("{HERE}/src/spec/mistakes")).unwrap();
    let mut files: Vec<String> = files.map(|file| file.unwrap().file_name().to_string_lossy().into_owned()).collect();
    files.sort();
    let mut wrong = Vec::new();
    for file in &files {
        let text = read(&format!("src/spec/mistakes/{file}"));
        let Err(mistake) = parse(&text) else {
            wrong.push(format!("{file} is accepted"));
            continue;
        };
        let line = mistake.line.map_or("none".to_owned(), |line| line.to_string());
        let is_right = line == said(file, &text, "line")
            && mistake.message.contains(said(file, &text, "says"))
            && mistake.suggestion.contains(said(file, &text, "hint"))
            && !mistake.message.contains(" more)")
            && !mistake.message.ends_with('.')
            && !mistake.message.starts_with(char::is_uppercase);
        if !is_right {
            wrong.push(format!("{file}:{line}: {}\n    hint: {}", mistake.message, mistake.suggestion));
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
    assert!(files.len() >= 40);
}

#[test]
fn the_first_of_many_mistakes_says_how_many_there_are() {
    let text = read("src/spec/whole.toml");
    let text = text.replace("tries = 6", "tries = 0").replace("failed_percent = 5", "failed_percent = 500");
    let text = text.replace("full_every_days = 7", "full_every_days = 0");
    let mistake = parse(&text).unwrap_err();
    assert_eq!(mistake.message, "[retry] has `tries = 0`: nothing would ever be asked (and 2 more)");
    let wrong_form = "naem = 'x'\nbase_path = 3\n[retry]\ntires = 5\n[[resource]]\nrecord_id = 'id'\nname = 'a'\n";
    let mistake = parse(wrong_form).unwrap_err();
    assert_eq!((mistake.line, mistake.suggestion.as_str()), (Some(1), "did you mean `name`?"));
    assert!(mistake.message.ends_with("(and 2 more)"), "{}", mistake.message);
}

/// Names of fields, and of what is one of several, in the types a spec is read into.
fn names() -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for file in ["src/spec.rs", "src/spec/shape.rs", "src/spec/policy.rs"] {
        let text = read(file);
        let text = text.split("#[cfg(test)]").next().unwrap();
        let mut is_in_enum = false;
        for line in text.lines() {
            is_in_enum = if line.starts_with("pub enum") { true } else { is_in_enum && line != "}" };
            let trimmed = line.trim_start();
            let word: String = trimmed.trim_start_matches("pub ").chars().take_while(|c| is_of_name(*c)).collect();
            let is_field = (line.starts_with("    pub ") || is_in_enum)
                && trimmed.trim_start_matches("pub ").starts_with(&format!("{word}: "));
            if is_field && !word.is_empty() {
                names.insert(word);
            } else if let Some((_, name)) = line.strip_suffix(',').and_then(|line| line.split_once("    (\"")) {
                names.extend(name.split('"').next().map(ToOwned::to_owned));
            } else if is_in_enum && file.ends_with("shape.rs") && trimmed.starts_with(char::is_uppercase) {
                names.insert(kebab_case(trimmed));
            }
        }
    }
    assert!(names.len() > 100, "{names:?}");
    names.remove("text");
    names
}

fn is_of_name(character: char) -> bool {
    character.is_ascii_alphanumeric() || character == '_' || character == '-'
}

fn kebab_case(variant: &str) -> String {
    let mut name = String::new();
    for character in variant.chars().take_while(|character| is_of_name(*character)) {
        if character.is_uppercase() && !name.is_empty() {
            name.push('-');
        }
        name.push(character.to_ascii_lowercase());
    }
    name
}

fn words(text: &str) -> BTreeSet<&str> {
    text.split(|character| !is_of_name(character)).collect()
}

#[test]
fn a_spec_may_say_everything() {
    let text = read("src/spec/whole.toml");
    let spec = parse(&text).unwrap_or_else(|mistake| panic!("{mistake:?}"));
    assert_eq!(spec.text, text);
    let incidents = ["no-answer", "broken-body", "too-large", "content-type", "not-json", "wrong-owner", "missing-id"];
    let more = ["wrong-id", "ignored-offset", "moved-rows", "wrong-total", "files"];
    let without: BTreeSet<&str> = incidents.into_iter().chain(more).collect();
    let words = words(&text);
    let missing: Vec<String> =
        names().into_iter().filter(|name| !words.contains(name.as_str()) && !without.contains(name.as_str())).collect();
    assert!(missing.is_empty(), "{missing:?}");
}

#[test]
fn the_page_about_specs_names_everything() {
    let page = read("../docs/spec.md");
    let words = words(&page);
    let missing: Vec<String> = names().into_iter().filter(|name| !words.contains(name.as_str())).collect();
    assert!(missing.is_empty(), "docs/spec.md says nothing of {missing:?}");
}

#[test]
fn the_examples_of_the_page_about_specs_are_sound() {
    let page = read("../docs/spec.md");
    let mut whole = String::new();
    let mut count = 0;
    for block in page.split("```toml ").skip(1) {
        let (kind, text) = block.split_once('\n').unwrap();
        let text = text.split("```").next().unwrap();
        if kind == "spec" && whole.is_empty() {
            text.clone_into(&mut whole);
        }
        // A part goes on where the first example ends.
        let text = if kind == "part" { format!("{whole}\n{text}") } else { text.to_owned() };
        parse(&text).unwrap_or_else(|mistake| panic!("{mistake:?}\nin\n{text}"));
        count += 1;
    }
    assert_eq!(count, page.matches("```toml").count(), "a block of TOML says neither `spec` nor `part`");
    assert!(count >= 5);
}

#[test]
fn no_text_makes_the_check_panic() {
    let text = read("src/spec/whole.toml");
    let lines: Vec<&str> = text.lines().collect();
    for number in (0..lines.len()).step_by(3) {
        let mut changed = lines.clone();
        let line = changed.remove(number);
        check_quietly(&changed.join("\n"));
        for (from, to) in [("\"", ""), ("{", "{{"), ("=", ""), ("[", ""), ("/", "//"), ("e", "é"), (" = ", " = [1] #")]
        {
            let line = line.replace(from, to);
            let mut changed = lines.clone();
            changed[number] = &line;
            check_quietly(&changed.join("\n"));
        }
    }
}

fn check_quietly(text: &str) {
    if let Err(mistake) = parse(text) {
        assert!(!mistake.suggestion.is_empty(), "{mistake:?}");
        assert!(mistake.line.is_none_or(|line| line <= text.lines().count() + 1), "{mistake:?}");
    }
}
