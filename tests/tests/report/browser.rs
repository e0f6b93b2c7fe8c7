//! A real Chromium, driven over the DevTools protocol. It speaks it over two pipes, so that no port is open and no
//! client library is needed: messages are JSON, each ended by a zero byte.

use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use tempfile::TempDir;

/// An answer that takes longer fails the test.
const LONGEST_ANSWER: Duration = Duration::from_secs(90);
const PLACES: [&str; 4] =
    ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome", "/usr/bin/google-chrome-stable"];

/// One browser with one page.
pub struct Browser {
    child: Child,
    to: File,
    from: Receiver<Value>,
    asked: i64,
    session: Option<String>,
    /// What the page said, asked the network for, or could not do.
    problems: Vec<String>,
    /// Closed after the browser.
    _folder: TempDir,
}

/// Where a browser is: `SPECTRA_TEST_CHROMIUM`, or a usual place.
pub fn find() -> Option<PathBuf> {
    let named = std::env::var_os("SPECTRA_TEST_CHROMIUM").map(PathBuf::from);
    named.into_iter().chain(PLACES.map(PathBuf::from)).find(|path| path.exists())
}

impl Browser {
    /// Starts it with an empty page.
    pub fn start(program: &Path) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let [commands, answers] = ["commands", "answers"].map(|name| folder.path().join(name));
        assert!(Command::new("mkfifo").args([&commands, &answers]).status().unwrap().success());
        let child = Command::new("sh")
            .args(["-c", r#"exec "$0" "$@" 3<"$COMMANDS" 4>"$ANSWERS""#])
            .arg(program)
            // The only page is ours, and in a container there is no other way.
            .args(["--headless=new", "--no-sandbox", "--remote-debugging-pipe", "--no-first-run", "--disable-gpu"])
            .args(["--disable-background-networking", "--disable-component-update", "--disable-dev-shm-usage"])
            .arg(format!("--user-data-dir={}", folder.path().join("profile").display()))
            .arg("about:blank")
            .env("COMMANDS", &commands)
            .env("ANSWERS", &answers)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let to = OpenOptions::new().write(true).open(&commands).unwrap();
        let mut answers = BufReader::new(File::open(&answers).unwrap());
        let (sender, from) = channel();
        std::thread::spawn(move || {
            let mut message = Vec::new();
            while answers.read_until(0, &mut message).is_ok_and(|length| length > 1) {
                message.pop();
                let Ok(value) = serde_json::from_slice(&message) else { break };
                if sender.send(value).is_err() {
                    break;
                }
                message.clear();
            }
        });
        let mut browser = Self { child, to, from, asked: 0, session: None, problems: Vec::new(), _folder: folder };
        let target = browser.ask("Target.createTarget", json!({"url": "about:blank"}))["targetId"].clone();
        let attached = browser.ask("Target.attachToTarget", json!({"targetId": target, "flatten": true}));
        browser.session = attached["sessionId"].as_str().map(str::to_owned);
        for domain in ["Page", "Runtime", "Network", "Log"] {
            browser.ask(&format!("{domain}.enable"), json!({}));
        }
        browser
    }

    /// Asks for something and waits for the answer.
    #[track_caller]
    pub fn ask(&mut self, method: &str, parameters: Value) -> Value {
        self.asked += 1;
        let mut message = json!({"id": self.asked, "method": method, "params": parameters});
        if let Some(session) = &self.session {
            message["sessionId"] = json!(session);
        }
        self.to.write_all(format!("{message}\0").as_bytes()).unwrap();
        loop {
            let answer = match self.from.recv_timeout(LONGEST_ANSWER) {
                Ok(answer) => answer,
                Err(RecvTimeoutError::Timeout) => panic!("{method}: no answer within {LONGEST_ANSWER:?}"),
                Err(RecvTimeoutError::Disconnected) => panic!("{method}: the browser has gone"),
            };
            if answer["id"] == self.asked {
                assert!(answer["error"].is_null(), "{method}: {}", answer["error"]);
                return answer["result"].clone();
            }
            self.note(&answer);
        }
    }

    fn note(&mut self, event: &Value) {
        let about = &event["params"];
        match event["method"].as_str().unwrap_or_default() {
            "Runtime.consoleAPICalled" => self.problems.push(format!("console: {}", about["args"])),
            "Runtime.exceptionThrown" => self.problems.push(format!("exception: {}", about["exceptionDetails"])),
            "Log.entryAdded" => self.problems.push(format!("log: {}", about["entry"]["text"])),
            "Page.javascriptDialogOpening" => self.problems.push(format!("dialog: {}", about["message"])),
            "Network.requestWillBeSent" => {
                let url = about["request"]["url"].as_str().unwrap_or_default();
                if !url.starts_with("file:") && !url.starts_with("data:") {
                    self.problems.push(format!("request: {url}"));
                }
            }
            _ => {}
        }
    }

    /// What went wrong since the last question.
    pub fn problems(&mut self) -> Vec<String> {
        self.evaluate("new Promise((done) => setTimeout(done, 50))");
        std::mem::take(&mut self.problems)
    }

    /// Opens a file, at a place of it.
    #[track_caller]
    pub fn open(&mut self, path: &Path, hash: &str) {
        // A change of the place alone would not load the page again.
        self.ask("Page.navigate", json!({"url": "about:blank"}));
        let address = format!("file://{}{hash}", path.display());
        let opened = self.ask("Page.navigate", json!({"url": address}));
        assert!(opened["errorText"].is_null(), "{opened}");
        self.wait_for("location.protocol === 'file:' && document.readyState === 'complete'");
        self.settle();
    }

    /// What an expression gives, promises kept.
    #[track_caller]
    pub fn evaluate(&mut self, expression: &str) -> Value {
        let given = self
            .ask("Runtime.evaluate", json!({"expression": expression, "returnByValue": true, "awaitPromise": true}));
        assert!(given["exceptionDetails"].is_null(), "{expression}: {}", given["exceptionDetails"]);
        given["result"]["value"].clone()
    }

    /// What an expression gives, as text.
    #[track_caller]
    pub fn text(&mut self, expression: &str) -> String {
        match self.evaluate(expression) {
            Value::String(text) => text,
            other => other.to_string(),
        }
    }

    /// What an expression gives, as a number.
    #[track_caller]
    pub fn number(&mut self, expression: &str) -> f64 {
        let given = self.evaluate(expression);
        given.as_f64().unwrap_or_else(|| panic!("{expression} gives {given}"))
    }

    /// Waits until an expression is true.
    #[track_caller]
    pub fn wait_for(&mut self, expression: &str) {
        for _ in 0..600 {
            if self.evaluate(&format!("Boolean({expression})")) == true {
                return;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        panic!("{expression} never came true");
    }

    /// Lets the page draw.
    pub fn settle(&mut self) {
        self.evaluate("new Promise((done) => requestAnimationFrame(() => setTimeout(done, 60)))");
    }

    /// Presses a key.
    pub fn press(&mut self, key: &str) {
        let code = match key {
            "Tab" => 9,
            "Enter" => 13,
            "End" => 35,
            "Home" => 36,
            "PageDown" => 34,
            "ArrowLeft" => 37,
            "ArrowUp" => 38,
            "ArrowRight" => 39,
            "ArrowDown" => 40,
            other => panic!("no code for the key {other}"),
        };
        let mut down = json!({"type": "keyDown", "key": key, "code": key, "windowsVirtualKeyCode": code});
        if key == "Enter" {
            down["text"] = json!("\r");
        }
        self.ask("Input.dispatchKeyEvent", down);
        self.ask(
            "Input.dispatchKeyEvent",
            json!({"type": "keyUp", "key": key, "code": key, "windowsVirtualKeyCode": code}),
        );
        self.settle();
    }

    /// The size of the window, and whether it is dark.
    pub fn look(&mut self, width: u32, height: u32, is_dark: bool) {
        let size = json!({"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 500});
        self.ask("Emulation.setDeviceMetricsOverride", size);
        let scheme = if is_dark { "dark" } else { "light" };
        let features = json!({"features": [{"name": "prefers-color-scheme", "value": scheme}]});
        self.ask("Emulation.setEmulatedMedia", features);
        self.settle();
    }

    /// The window as a PNG, if a folder for pictures is named in `SPECTRA_TEST_PICTURES`.
    pub fn picture(&mut self, name: &str) {
        if let Some(folder) = std::env::var_os("SPECTRA_TEST_PICTURES") {
            let shot = self.ask("Page.captureScreenshot", json!({"format": "png"}));
            let bytes = STANDARD.decode(shot["data"].as_str().unwrap()).unwrap();
            std::fs::write(Path::new(&folder).join(format!("{name}.png")), bytes).unwrap();
        }
    }

    /// The page on paper, as a PDF.
    pub fn print(&mut self) -> Vec<u8> {
        let printed = self.ask("Page.printToPDF", json!({"preferCSSPageSize": true}));
        STANDARD.decode(printed["data"].as_str().unwrap()).unwrap()
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
