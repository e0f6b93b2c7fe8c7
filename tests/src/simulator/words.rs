//! Invented names: no project, release, test case or person here exists.

use super::noise::{Kind, Noise};

const PLACES: &[&str] = &[
    "Harbour", "Lantern", "Quarry", "Meadow", "Copper", "Orchard", "Beacon", "Timber", "Willow", "Granite", "Saffron",
    "Juniper", "Marble", "Heron", "Cobalt", "Thistle", "Amber", "Falcon", "Velvet", "Pebble",
];
const PRODUCTS: &[&str] = &[
    "Billing",
    "Claims",
    "Ledger",
    "Intake",
    "Portal",
    "Archive",
    "Pricing",
    "Treasury",
    "Payments",
    "Broker Desk",
    "Onboarding",
    "Reporting",
    "Settlement",
    "Policy Hub",
];
const RELEASES: &[&str] = &[
    "Release 1.0",
    "Release 1.0",
    "Cycle 1",
    "Cycle 1",
    "Cycle 1",
    "Release 14.1",
    "Autumn Wave",
    "Hotfix Train",
    "Vendor Acceptance",
    "Ad-hoc Checks",
    "Spring Wave",
    "Pilot",
];
const CYCLES: &[&str] = &[
    "Cycle 1",
    "Cycle 2",
    "Cycle 3",
    "UAT - Cycle 1",
    "UAT - Cycle 2",
    "Regression",
    "Smoke",
    "Defect Retests",
    "Dress Rehearsal",
    "End to End",
];
const PHASES: &[&str] = &[
    "Claims",
    "Party",
    "Archive",
    "Policy",
    "Payments",
    "Invoices",
    "Documents",
    "Interfaces",
    "Reports",
    "User Access",
    "Claims - Additions",
    "Batch Jobs",
];
const VERBS: &[&str] = &[
    "Reject",
    "Accept",
    "Show",
    "Export",
    "Reopen",
    "Archive",
    "Search",
    "Approve",
    "Cancel",
    "Recalculate",
    "Print",
    "Assign",
    "Merge",
    "Validate",
];
const QUALITIES: &[&str] = &[
    "unsigned",
    "overdue",
    "duplicate",
    "partial",
    "backdated",
    "foreign",
    "empty",
    "oversized",
    "expired",
    "draft",
    "shared",
    "locked",
];
const THINGS: &[&str] = &[
    "invoice",
    "claim",
    "policy",
    "payment",
    "endorsement",
    "document",
    "party record",
    "reserve",
    "quote",
    "task",
    "statement",
    "bordereau",
];
const OCCASIONS: &[&str] = &[
    "at month end",
    "after a rollback",
    "by a read-only user",
    "across time zones",
    "with two approvers",
    "during the nightly batch",
    "from the mobile view",
    "on a leap day",
    "without a currency",
    "after a merge",
];
const SYLLABLES: &[&str] =
    &["ve", "lo", "tra", "min", "ka", "ru", "sel", "dor", "pha", "quin", "bri", "ost", "wen", "zal", "ith", "mo"];
const ENVIRONMENTS: &[&str] = &["UAT-1", "UAT-7", "SIT-3", "PRE-2", "Vendor"];

/// The name of a project.
pub fn project(noise: &mut Noise) -> String {
    let name = format!("{} {}", noise.pick(PLACES), noise.pick(PRODUCTS));
    seldom_odd(noise, name, 40)
}

/// The name of a release.
pub fn release(noise: &mut Noise) -> String {
    let name = noise.pick(RELEASES).to_owned();
    seldom_odd(noise, name, 60)
}

/// The name of a cycle.
pub fn cycle(noise: &mut Noise) -> String {
    let name = noise.pick(CYCLES).to_owned();
    seldom_odd(noise, name, 70)
}

/// The name of a phase: the area of the product it covers.
pub fn phase(noise: &mut Noise, position: usize) -> String {
    let name = PHASES.get(position % PHASES.len()).copied().unwrap_or("Claims");
    seldom_odd(noise, name.to_owned(), 60)
}

/// The environment a cycle ran on.
pub fn environment(noise: &mut Noise) -> String {
    noise.pick(ENVIRONMENTS).to_owned()
}

/// The name of a logical test case, written into a buffer that is used again and again.
pub fn testcase(seed: u64, testcase_id: i64, name: &mut String) {
    let mut noise = Noise::of(seed, Kind::Testcase, testcase_id);
    name.clear();
    for (words, gap) in [(VERBS, " "), (QUALITIES, " "), (THINGS, " "), (OCCASIONS, "")] {
        name.push_str(noise.pick(words));
        name.push_str(gap);
    }
    if noise.chance(45) {
        *name = odd(&mut noise, name);
    }
}

/// Free text of a person: descriptions and comments.
pub fn sentence(noise: &mut Noise) -> String {
    let text = format!(
        "{} the {} {} {}.",
        noise.pick(VERBS),
        noise.pick(QUALITIES),
        noise.pick(THINGS),
        noise.pick(OCCASIONS)
    );
    seldom_odd(noise, text, 250)
}

/// First and last name of a person who does not exist.
pub fn person(noise: &mut Noise) -> (String, String) {
    let mut first = format!("{}{}", noise.pick(SYLLABLES), noise.pick(SYLLABLES));
    let mut last = format!("{}{}{}", noise.pick(SYLLABLES), noise.pick(SYLLABLES), noise.pick(SYLLABLES));
    capitalise(&mut first);
    capitalise(&mut last);
    match noise.below(40) {
        0 => last = format!("O'{last}"),
        1 => last = format!("{last}-Ünal"),
        2 => first = format!("Ž{}é", first.to_lowercase()),
        3 => last.push('\u{a0}'),
        4 => first = "\u{5d1}\u{5d3}\u{5d9}\u{5e7}\u{5d4}".to_owned(),
        5 => last = format!("\"{last}\" Jr."),
        _ => {}
    }
    (first, last)
}

fn capitalise(word: &mut String) {
    if let Some(first) = word.chars().next() {
        let upper = first.to_ascii_uppercase();
        word.replace_range(..first.len_utf8(), upper.encode_utf8(&mut [0; 4]));
    }
}

fn seldom_odd(noise: &mut Noise, text: String, permille: u64) -> String {
    if noise.chance(permille) { odd(noise, &text) } else { text }
}

/// What people and rich-text editors do to text.
fn odd(noise: &mut Noise, text: &str) -> String {
    match noise.below(11) {
        0 => format!("<b>{text}</b>"),
        1 => format!("<script>alert('{text}')</script>"),
        2 => text.replacen(' ', "\u{a0}", 1) + "\u{a0}",
        3 => format!("{text} 🚀✅"),
        4 => format!("\u{5d1}\u{5d3}\u{5d9}\u{5e7}\u{5d4} {text} \u{627}\u{62e}\u{62a}\u{628}\u{627}\u{631}"),
        5 => {
            let mut long = String::new();
            while long.chars().count() < 255 {
                long.push_str(text);
                long.push(' ');
            }
            long.chars().take(255).collect()
        }
        6 => format!("{text}\nsecond line\r\n\tthird line\n"),
        7 => format!("\"{text}\" it's 'quoted' \\ slashed"),
        8 => format!("  {text}  "),
        9 => format!("=1+1 {text}"),
        _ => format!("{text} &amp; <p>more</p>"),
    }
}
