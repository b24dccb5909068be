//! A headless Chromium, driven over its DevTools protocol through a pair of pipes.

use rustix::fs::FileType;
use serde_json::{Value as Json, json};
use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Command, Stdio};
use tempfile::TempDir;

/// A browser that has not ended by then hangs: it is killed, and what waits for it fails.
const PATIENCE_SECS: &str = "300";

/// What a page is waited for at most, in milliseconds.
const PATIENCE_MILLIS: u32 = 120_000;

const FLAGS: [&str; 8] = [
    "--headless=new",
    "--no-sandbox", // a browser of root has none
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--no-first-run",
    "--remote-debugging-pipe",
    "--window-size=1440,900",
];

/// One page in it.
pub struct Browser {
    process: Child,
    to: File,
    from: BufReader<File>,
    _folder: TempDir,
    session: String,
    last: u64,
    /// What the page has complained of.
    pub complaints: Vec<String>,
}

impl Browser {
    pub fn open() -> Browser {
        let folder = tempfile::tempdir().unwrap();
        let [to, from] = ["to", "from"].map(|name| folder.path().join(name));
        for pipe in [&to, &from] {
            rustix::fs::mknodat(rustix::fs::CWD, pipe, FileType::Fifo, 0o600.into(), 0).unwrap();
        }
        let mut command = Command::new("timeout");
        // It reads what it is told from its descriptor 3, and answers on 4.
        command.args(["--kill-after=5", PATIENCE_SECS, "sh", "-c", "exec chromium \"$@\" 3<\"$0/to\" 4>\"$0/from\""]);
        let profile = format!("--user-data-dir={}", folder.path().join("profile").display());
        command.arg(folder.path()).args(FLAGS).args([&profile, "about:blank"]);
        let process = command.env("HOME", folder.path()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let to = File::options().write(true).open(to).unwrap();
        let from = BufReader::new(File::open(from).unwrap());
        let (session, complaints) = (String::new(), Vec::new());
        let mut browser = Browser { process, to, from, _folder: folder, session, last: 0, complaints };
        let target = browser.tell("Target.createTarget", json!({ "url": "about:blank" }))["targetId"].clone();
        let attached = browser.tell("Target.attachToTarget", json!({ "targetId": target, "flatten": true }));
        browser.session = attached["sessionId"].as_str().unwrap().to_owned();
        for domain in ["Page", "Runtime", "Log"] {
            browser.tell(&format!("{domain}.enable"), json!({}));
        }
        browser
    }

    pub fn go(&mut self, url: &str) {
        self.tell("Page.navigate", json!({ "url": url }));
    }

    /// What an expression gives.
    pub fn eval(&mut self, expression: &str) -> Json {
        let params = json!({ "expression": expression, "awaitPromise": true, "returnByValue": true });
        let given = self.tell("Runtime.evaluate", params);
        assert!(given.get("exceptionDetails").is_none(), "{expression}: {given}");
        given["result"]["value"].clone()
    }

    /// Waits until an expression is true.
    #[track_caller]
    pub fn until(&mut self, expression: &str) {
        let holds = self.eval(&format!(
            "new Promise((tell) => {{
               const end = Date.now() + {PATIENCE_MILLIS};
               const look = () => {{
                 let holds = false;
                 try {{ holds = Boolean({expression}); }} catch {{}}
                 if (holds || Date.now() > end) tell(holds); else setTimeout(look, 50);
               }};
               look();
             }})"
        ));
        if holds != true {
            let page = self.eval("document.body.innerText");
            panic!("it never came to that: {expression}\n{}\n{:?}", page.as_str().unwrap_or_default(), self.complaints);
        }
    }

    /// Clicks with the mouse where an element is, once nothing lies over it: again where it moves away meanwhile.
    #[track_caller]
    pub fn click(&mut self, element: &str) {
        for _ in 0..20 {
            let middle = "box.x + box.width / 2, box.y + box.height / 2";
            self.until(&format!(
                "(() => {{ window.aim = {element}; aim.scrollIntoView({{ block: 'center' }}); \
                 const box = aim.getBoundingClientRect(); window.place = [{middle}]; \
                 return aim.contains(document.elementFromPoint({middle})); }})()"
            ));
            self.eval("window.hit = false; aim.addEventListener('click', () => window.hit = true, { once: true });");
            let place = self.eval("place");
            for kind in ["mousePressed", "mouseReleased"] {
                let (x, y) = (&place[0], &place[1]);
                let params = json!({ "type": kind, "x": x, "y": y, "button": "left", "clickCount": 1 });
                self.tell("Input.dispatchMouseEvent", params);
            }
            if self.eval("hit") == true {
                return;
            }
        }
        panic!("{element} is never where it was a moment ago");
    }

    /// Shows pages to somebody who likes them `light` or `dark`.
    pub fn prefer(&mut self, scheme: &str) {
        let features = json!([{ "name": "prefers-color-scheme", "value": scheme }]);
        self.tell("Emulation.setEmulatedMedia", json!({ "features": features }));
    }

    fn tell(&mut self, method: &str, params: Json) -> Json {
        self.last += 1;
        let id = self.last;
        let mut message = json!({ "id": id, "method": method, "params": params });
        if !self.session.is_empty() {
            message["sessionId"] = self.session.as_str().into();
        }
        self.to.write_all(format!("{message}\0").as_bytes()).unwrap();
        loop {
            let heard = self.hear();
            if heard["id"] == id {
                assert!(heard.get("error").is_none(), "{method}: {heard}");
                return heard["result"].clone();
            }
        }
    }

    fn hear(&mut self) -> Json {
        let mut bytes = Vec::new();
        self.from.read_until(0, &mut bytes).unwrap();
        assert_eq!(bytes.pop(), Some(0), "the browser ended; `./dev test` installs chromium");
        let heard: Json = serde_json::from_slice(&bytes).unwrap();
        let params = &heard["params"];
        match heard["method"].as_str() {
            Some("Runtime.exceptionThrown") => self.complaints.push(params["exceptionDetails"].to_string()),
            Some("Log.entryAdded") if params["entry"]["level"] == "error" => {
                self.complaints.push(params["entry"].to_string());
            }
            _ => {}
        }
        heard
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        let close = json!({ "id": 0, "method": "Browser.close" });
        let _ = self.to.write_all(format!("{close}\0").as_bytes());
        let _ = self.process.wait();
    }
}
