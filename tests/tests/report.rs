//! The report in a real Chromium: it works from a file, without network, with a keyboard, in the dark, on a phone, on
//! paper, with names that are no names, and with a hundred cycles by a thousand requirements.
//!
//! Without a browser these tests say so and do nothing; `SPECTRA_TEST_CHROMIUM` names one in another place,
//! `SPECTRA_TEST_PICTURES` a folder for what it looks like, and `SPECTRA_TEST_REPORT` a report there is already, to be
//! looked at without a run of the stages.

pub mod browser;

use std::path::{Path, PathBuf};
use std::time::Instant;

use serde_json::{Value, json};
use spectra_common::lake::Lake;
use spectra_tests::simulator::Profile;

use crate::support::{Lab, repository};
use browser::Browser;

const DATA: &str = r#"<script type="application/json" id="report-data">"#;
const SECTIONS: [&str; 10] =
    ["overview", "progress", "burn-down", "results", "matrix", "coverage", "tests", "hygiene", "quality", "dictionary"];

#[tokio::test(flavor = "multi_thread")]
async fn the_report_in_a_real_browser() {
    let folder = tempfile::tempdir().unwrap();
    let page = folder.path().join("report.html");
    if let Some(made) = std::env::var_os("SPECTRA_TEST_REPORT") {
        std::fs::copy(made, &page).unwrap();
    } else {
        let lab = Lab::new(Profile::Small).await;
        lab.run_all();
        std::fs::copy(lab.lake_path().join("Files/analyse/report.html"), &page).unwrap();
        nothing_is_missing(&lab, &data_of(&page)).await;
    }
    let data = data_of(&page);

    let Some(program) = browser::find() else {
        println!("skipped: there is no chromium here; SPECTRA_TEST_CHROMIUM may name one");
        return;
    };
    let mut browser = Browser::start(&program);
    browser.look(1280, 900, false);
    every_section_says_something(&mut browser, &page);
    a_choice_is_in_the_address(&mut browser, &page, &data);
    the_matrix_is_read_with_the_keyboard(&mut browser, &page, &data);
    everything_has_a_name(&mut browser, &page);
    it_is_dark_in_the_dark_and_fits_a_phone(&mut browser, &page);
    it_goes_on_paper(&mut browser, &page, &data);
    names_stay_names(&mut browser, &page, folder.path());
    an_empty_lake_says_so(&mut browser, &page, folder.path());
    a_large_matrix_is_fast(&mut browser, &page, folder.path());
}

/// What the page holds.
fn data_of(page: &Path) -> Value {
    let text = std::fs::read_to_string(page).unwrap();
    let (_, after) = text.split_once(DATA).unwrap();
    serde_json::from_str(after.split_once("</script>").unwrap().0).unwrap()
}

/// The same page with other data, which no hash of its policy covers.
fn with_data(page: &Path, folder: &Path, name: &str, data: &Value) -> PathBuf {
    let text = std::fs::read_to_string(page).unwrap();
    let (before, after) = text.split_once(DATA).unwrap();
    let (_, after) = after.split_once("</script>").unwrap();
    let data = data.to_string().replace('<', "\\u003c");
    let path = folder.join(name);
    std::fs::write(&path, format!("{before}{DATA}{data}</script>{after}")).unwrap();
    path
}

/// The page asks for nothing that the built-in models do not make.
async fn nothing_is_missing(lab: &Lab, data: &Value) {
    assert_eq!(data["missing"], json!({}), "tables the page does without");
    let list = std::fs::read_to_string(repository("analyse/assets/report/tables.json")).unwrap();
    let list: Vec<Value> = serde_json::from_str(&list).unwrap();
    let lake = Lake::new(&lab.variables["SPECTRA_LAKE"]).unwrap();
    let mut lost = Vec::new();
    for wanted in &list {
        let table = wanted["table"].as_str().unwrap();
        let delta = lake.open("analyse", table, None).await.unwrap().unwrap();
        let schema = delta.snapshot().unwrap().schema();
        for column in wanted["columns"].as_array().unwrap().iter().filter_map(Value::as_str) {
            if !column.contains(" as ") && schema.fields().all(|field| field.name() != column) {
                lost.push(format!("analyse.{table}.{column}"));
            }
        }
    }
    assert!(lost.is_empty(), "columns the page asks for and no model makes: {lost:?}");
}

#[track_caller]
fn assert_calm(browser: &mut Browser) {
    let problems = browser.problems();
    assert!(problems.is_empty(), "{problems:#?}");
}

/// Scrolls through the page, as a reader would, so that all of it is filled.
fn read_through(browser: &mut Browser) {
    for section in SECTIONS {
        browser.evaluate(&format!("document.getElementById('{section}').scrollIntoView({{behavior: 'instant'}})"));
        browser.wait_for(&format!("document.getElementById('{section}-body').childElementCount > 0"));
    }
    browser.settle();
}

fn every_section_says_something(browser: &mut Browser, page: &Path) {
    browser.open(page, "");
    read_through(browser);
    for section in SECTIONS {
        let text = browser.text(&format!("document.getElementById('{section}-body').innerText"));
        assert!(text.trim().len() > 40, "{section} says only: {text}");
        assert!(!text.contains("undefined") && !text.contains("NaN"), "{section}: {text}");
    }
    assert!(browser.text("document.getElementById('as-of').textContent").contains("5 January 2026"));
    assert_calm(browser);
}

/// The ids of a project, its release and its cycle that have lights in the matrix.
fn an_interesting_cycle(data: &Value) -> (String, String, String) {
    let cycles = decoded(&data["tables"]["requirementCycleMatrix"]["columns"]["cycleId"]);
    let columns = &data["tables"]["cycleProgress"]["columns"];
    let [projects, releases, ids] = ["projectId", "releaseId", "cycleId"].map(|name| decoded(&columns[name]));
    let burned = decoded(&data["tables"]["burndown"]["columns"]["cycleId"]);
    let at = (0..ids.len()).find(|&at| cycles.contains(&ids[at]) && burned.contains(&ids[at]));
    let at = at.expect("a cycle with requirements and a burn-down");
    (projects[at].to_string(), releases[at].to_string(), ids[at].to_string())
}

/// A column of the page's data, written out.
fn decoded(column: &Value) -> Vec<Value> {
    let runs = |pairs: &Value| -> Vec<Value> {
        let pairs = pairs.as_array().unwrap();
        let runs = pairs.chunks(2).map(|pair| vec![pair[0].clone(); pair[1].as_u64().unwrap() as usize]);
        runs.flatten().collect()
    };
    if let Some(values) = column.as_array() {
        values.clone()
    } else if column["d"].is_array() {
        let positions = decoded(&column["c"]);
        positions.iter().map(|position| column["d"][position.as_u64().unwrap() as usize].clone()).collect()
    } else if column["r"].is_array() {
        runs(&column["r"])
    } else {
        let mut total = 0;
        let steps = runs(&column["s"]);
        steps
            .iter()
            .map(|step| {
                total += step.as_i64().unwrap();
                json!(total)
            })
            .collect()
    }
}

fn choose(browser: &mut Browser, list: &str, value: &str) {
    browser.evaluate(&format!(
        "(() => {{ const list = document.getElementById('choose-{list}'); list.value = '{value}'; \
         list.dispatchEvent(new Event('change')); }})()"
    ));
    browser.settle();
}

fn a_choice_is_in_the_address(browser: &mut Browser, page: &Path, data: &Value) {
    let (project, release, cycle) = an_interesting_cycle(data);
    browser.open(page, "");
    assert_eq!(browser.evaluate("document.getElementById('choose-cycle').disabled"), true, "no project, no cycle");
    choose(browser, "project", &project);
    assert_eq!(browser.text("location.hash"), format!("#project={project}"));
    assert!(browser.number("document.getElementById('choose-release').options.length") > 1.0);
    choose(browser, "release", &release);
    choose(browser, "cycle", &cycle);
    assert_eq!(browser.text("location.hash"), format!("#project={project}&release={release}&cycle={cycle}"));
    let overview = browser.text("document.getElementById('overview-body').innerText");
    assert!(overview.contains("Test cases burned"), "{overview}");

    // Back leads back, and a copied address leads to the same place.
    browser.evaluate("history.back()");
    browser.wait_for(&format!("location.hash === '#project={project}&release={release}'"));
    browser.wait_for("document.getElementById('choose-cycle').value === ''");
    browser.open(page, &format!("#cycle={cycle}&at=burn-down"));
    assert_eq!(browser.text("document.getElementById('choose-project').value"), project);
    assert_eq!(browser.text("document.getElementById('choose-cycle').value"), cycle);
    assert_eq!(browser.text("document.activeElement.id"), "burn-down-title");
    assert!(browser.number("document.querySelectorAll('#burn-down canvas').length") >= 1.0);

    // Both policies, by the keyboard; the slider reads the chart day by day.
    let before = browser.text("document.querySelector('#burn-down .chart').getAttribute('aria-label')");
    browser.evaluate("document.querySelector('[name=policy]:checked').focus()");
    browser.press("ArrowRight");
    assert!(browser.text("location.hash").contains("policy="), "{}", browser.text("location.hash"));
    assert!(before.contains("Burn-down chart of"), "{before}");
    browser.evaluate("document.querySelector('#burn-down input[type=range]').focus()");
    browser.press("Home");
    browser.press("ArrowRight");
    let day = browser.text("document.querySelector('#burn-down input[type=range]').getAttribute('aria-valuetext')");
    assert!(day.contains("Remaining") && day.contains("202"), "{day}");
    browser.picture("burn-down");

    // What is not in the data chooses nothing and breaks nothing.
    browser.open(page, "#project=%E0%A4%A&cycle=0&at=nowhere&policy=x");
    assert_eq!(browser.text("document.getElementById('choose-project').value"), "");
    assert_calm(browser);
}

fn the_matrix_is_read_with_the_keyboard(browser: &mut Browser, page: &Path, data: &Value) {
    let (project, ..) = an_interesting_cycle(data);
    browser.open(page, &format!("#project={project}&at=matrix"));
    browser.wait_for("document.querySelector('#matrix .grid')");
    browser.evaluate("document.querySelector('#matrix .grid').focus()");
    let active =
        "document.getElementById(document.querySelector('#matrix .grid').getAttribute('aria-activedescendant'))";
    browser.press("Home");
    assert_eq!(browser.text(&format!("{active}.getAttribute('role')")), "rowheader");
    browser.press("ArrowRight");
    browser.press("ArrowRight");
    let light = browser.text(&format!("{active}.getAttribute('aria-label')"));
    assert!(["green", "amber", "red", "grey"].iter().any(|name| light.contains(name)), "{light}");
    assert!(browser.text("document.querySelector('#matrix .picked').innerText").len() > 30);
    // The letter says what the colour says.
    let letters = "[...new Set([...document.querySelectorAll('#matrix .grid-cell .light')]\
        .map((light) => light.className + ' ' + light.textContent))].sort().join()";
    for pair in browser.text(letters).split(',') {
        assert!(["light green G", "light amber A", "light red R", "light grey \u{2013}"].contains(&pair), "{pair}");
    }
    browser.picture("matrix");
    assert_calm(browser);
}

/// What a screen reader needs: a name for every control, picture, table and region; headings without gaps; unique ids.
fn everything_has_a_name(browser: &mut Browser, page: &Path) {
    browser.open(page, "");
    read_through(browser);
    let nameless = "JSON.stringify([...document.querySelectorAll('input, select, button, a[href], summary, \
        [role=img], [role=grid], [role=region], section, table')].filter((one) => {\
        const label = one.getAttribute('aria-label') || one.textContent \
          || (one.labels && [...one.labels].map((label) => label.textContent).join(''))\
          || (one.getAttribute('aria-labelledby') && document.getElementById(one.getAttribute('aria-labelledby')));\
        return !label || (one.tagName === 'TABLE' && !one.caption) }).map((one) => one.outerHTML.slice(0, 120)))";
    assert_eq!(browser.text(nameless), "[]");
    let doubled = "(() => { const ids = [...document.querySelectorAll('[id]')].map((one) => one.id);\
        return JSON.stringify(ids.filter((id, at) => ids.indexOf(id) !== at)) })()";
    assert_eq!(browser.text(doubled), "[]");
    let levels = "[...document.querySelectorAll('h1, h2, h3')].map((one) => one.tagName[1]).join('')";
    let levels = browser.text(levels);
    assert!(levels.starts_with("12") && !levels.contains("13") && levels.matches('1').count() == 1, "{levels}");
    for landmark in ["header", "nav", "main", "footer", "search"] {
        assert_eq!(browser.number(&format!("document.querySelectorAll('{landmark}').length")), 1.0, "{landmark}");
    }
    // The first stop leads past the head, and focus can be seen.
    browser.evaluate("scrollTo(0, 0); document.activeElement.blur()");
    browser.open(page, "");
    browser.press("Tab");
    assert_eq!(browser.text("document.activeElement.className"), "skip");
    assert!(browser.text("getComputedStyle(document.activeElement).outlineStyle") != "none");
    browser.press("Enter");
    assert_eq!(browser.text("document.activeElement.id"), "content");
    assert_calm(browser);
}

fn it_is_dark_in_the_dark_and_fits_a_phone(browser: &mut Browser, page: &Path) {
    let ground = "getComputedStyle(document.body).backgroundColor.match(/\\d+/g).slice(0, 3).reduce((a, b) => +a + +b)";
    browser.open(page, "");
    assert!(browser.number(ground) > 600.0, "light in the light");
    browser.look(1280, 900, true);
    assert!(browser.number(ground) < 120.0, "dark in the dark");
    browser.picture("dark");
    for width in [360, 768, 1280] {
        browser.look(width, 780, false);
        browser.open(page, "");
        read_through(browser);
        let over = "document.documentElement.scrollWidth - document.documentElement.clientWidth";
        assert_eq!(browser.number(over), 0.0, "the page scrolls sideways at {width}");
        browser.evaluate("scrollTo({top: 0, behavior: 'instant'})");
        browser.settle();
        browser.picture(&format!("wide-{width}"));
    }
    browser.look(1280, 900, false);
    assert_calm(browser);
}

fn it_goes_on_paper(browser: &mut Browser, page: &Path, data: &Value) {
    let (project, ..) = an_interesting_cycle(data);
    // Dark is for screens: ink on paper is dark, whatever the screen.
    browser.look(1280, 900, true);
    browser.open(page, &format!("#project={project}"));
    let printed = browser.print();
    assert!(printed.starts_with(b"%PDF") && printed.len() > 20_000, "{} bytes", printed.len());
    if let Some(folder) = std::env::var_os("SPECTRA_TEST_PICTURES") {
        std::fs::write(Path::new(&folder).join("paper.pdf"), &printed).unwrap();
    }
    browser.settle();
    assert_eq!(browser.number("document.querySelectorAll('.paper').length"), 0.0, "what is for paper has gone again");
    browser.look(1280, 900, false);
    assert_calm(browser);
}

/// Names that would be markup, a script, or turn the writing around.
fn names_stay_names(browser: &mut Browser, page: &Path, folder: &Path) {
    let hostile = "</script><script>alert(1)</script><img src=x onerror=alert(2)>\u{202e}'\"--><svg onload=alert(3)>";
    let mut data = data_of(page);
    for table in data["tables"].as_object_mut().unwrap().values_mut() {
        let rows = table["rows"].as_u64().unwrap();
        for (name, column) in table["columns"].as_object_mut().unwrap() {
            if name.ends_with("Name") || ["folderPath", "detail", "reason", "examples"].contains(&name.as_str()) {
                *column = json!({"r": [hostile, rows]});
            }
        }
    }
    let path = with_data(page, folder, "hostile.html", &data);
    let (project, ..) = an_interesting_cycle(&data);
    for hash in [String::new(), format!("#project={project}")] {
        browser.open(&path, &hash);
        read_through(browser);
        assert_eq!(browser.number("document.querySelectorAll('main img, main svg[onload], main script').length"), 0.0);
        assert!(browser.text("document.getElementById('progress-body').textContent").contains("onerror=alert(2)"));
    }
    assert_calm(browser);
}

fn an_empty_lake_says_so(browser: &mut Browser, page: &Path, folder: &Path) {
    let why = "There is no table of that name in this lake.";
    let missing: serde_json::Map<String, Value> =
        data_of(page)["tables"].as_object().unwrap().keys().map(|name| (name.clone(), json!(why))).collect();
    let data = json!({"asOf": null, "tables": {}, "missing": missing, "dictionary": []});
    let path = with_data(page, folder, "empty.html", &data);
    browser.open(&path, "#project=1&at=matrix");
    read_through(browser);
    for section in ["progress", "burn-down", "results", "matrix", "coverage", "tests", "hygiene", "quality"] {
        let text = browser.text(&format!("document.getElementById('{section}-body').textContent"));
        assert!(text.contains(why), "{section}: {text}");
    }
    assert_calm(browser);
}

/// A page of a hundred cycles by a thousand requirements, each with its light.
fn a_large_matrix_is_fast(browser: &mut Browser, page: &Path, folder: &Path) {
    let mut data = data_of(page);
    let (cycles, requirements) = (100, 1000);
    let cells = cycles * requirements;
    let each = |value: &dyn Fn(i64) -> Value| json!((0..requirements).map(value).collect::<Vec<_>>());
    let lights = ["Green", "Amber", "Red", "Green", "Green"];
    data["tables"]["cycleProgress"] = json!({"rows": cycles, "left": 0, "columns": {
        "projectId": {"r": [1, cycles]}, "releaseId": {"r": [2, cycles]}, "cycleId": {"s": [1, cycles]},
        "projectName": {"r": ["Large", cycles]}, "releaseName": {"r": ["R", cycles]},
        "cycleName": (1..=cycles).map(|at| json!(format!("Cycle {at} of a hundred"))).collect::<Vec<_>>(),
        "cycleStartDate": {"s": [20000, 1, 7, cycles - 1]}, "totalTestcases": {"r": [10, cycles]},
    }});
    data["tables"]["requirementVerdict"] = json!({"rows": requirements, "left": 0, "columns": {
        "projectId": {"r": [1, requirements]}, "requirementId": {"s": [1, requirements]},
        "requirementName": each(&|at| json!(format!("Requirement {at} shall be met"))),
        "verdict": each(&|at| json!(["Met", "Not met", "In progress"][at as usize % 3])),
        "linkedTestcaseCount": {"r": [4, requirements]}, "cycleCount": {"r": [cycles, requirements]},
    }});
    data["tables"]["requirementCycleMatrix"] = json!({"rows": cells, "left": 0, "columns": {
        "requirementId": (0..cells).map(|at| json!(at / cycles + 1)).collect::<Vec<_>>(),
        "cycleId": (0..cells).map(|at| json!(at % cycles + 1)).collect::<Vec<_>>(),
        "executionCount": {"r": [4, cells]},
        "light": {"d": lights, "c": (0..cells).map(|at| json!(at * 7 % 5)).collect::<Vec<_>>()},
    }});
    let path = with_data(page, folder, "large.html", &data);
    let started = Instant::now();
    browser.open(&path, "#project=1&at=matrix");
    browser.wait_for("document.querySelector('#matrix .grid-cell')");
    let loaded = started.elapsed();
    assert_eq!(browser.text("document.querySelector('#matrix .grid').getAttribute('aria-rowcount')"), "1001");
    let elements = browser.number("document.querySelectorAll('#matrix .grid *').length");
    let timed = |what: &str| {
        format!(
            "(() => {{ const from = performance.now(); {what}; document.body.offsetHeight; \
        return performance.now() - from }})()"
        )
    };
    let scrolled = browser.number(&timed(
        "const grid = document.querySelector('#matrix .grid'); grid.focus(); \
        grid.dispatchEvent(new KeyboardEvent('keydown', {key: 'End', ctrlKey: true, bubbles: true}))",
    ));
    let shown = browser.text("document.querySelector('#matrix .grid-rows').textContent");
    assert!(shown.contains("shall be met"), "{shown}");
    let found = browser.number(&timed(
        "const box = document.getElementById('matrix-text'); \
        box.value = 'requirement 77'; box.dispatchEvent(new Event('input'))",
    ));
    let told = browser.text("document.querySelector('#matrix [role=status]').textContent");
    // 77, 177 to 977 and 770 to 779.
    assert!(told.starts_with("19 of 1,000"), "{told}");
    println!(
        "100 cycles x 1,000 requirements: on screen after {} ms, {elements} elements, to the far corner in \
         {scrolled:.0} ms, search in {found:.0} ms",
        loaded.as_millis()
    );
    assert!(elements < 6000.0, "{elements} elements for {cells} lights");
    // A loaded machine is slow, but not as slow as a page that holds every light.
    assert!(loaded.as_secs() < 20 && scrolled < 2000.0 && found < 2000.0, "{loaded:?} {scrolled} {found}");
    assert_calm(browser);
}
