//! yaml-language-server from npm, spoken to over LSP. It is installed once, into the user's cache.

use serde_json::{Value as Json, json};
use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

/// The newest that runs on the Node.js of Debian 12.
const VERSION: &str = "1.25.0";

pub struct Server {
    process: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
    last: i64,
    versions: HashMap<String, i64>,
    /// The newest diagnostics of each document, with the document's version.
    diagnostics: HashMap<String, Vec<Json>>,
}

/// Where the server's program is, installed if it is not there yet.
fn program() -> PathBuf {
    let cache = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
    let cache = cache.unwrap_or_else(|| std::env::home_dir().expect("a home").join(".cache"));
    let folder = cache.join(format!("surefoot-dev/yaml-language-server-{VERSION}"));
    let program = folder.join("node_modules/.bin/yaml-language-server");
    if program.exists() {
        return program;
    }
    std::fs::create_dir_all(&cache).unwrap();
    let fresh = tempfile::tempdir_in(&cache).unwrap();
    let package = format!("yaml-language-server@{VERSION}");
    let npm = Command::new("npm")
        .args(["install", "--no-audit", "--no-fund", "--silent", "--prefix"])
        .arg(fresh.path())
        .arg(package)
        .output();
    let npm = npm.expect("`./dev test` installs npm");
    assert!(npm.status.success(), "npm: {}", String::from_utf8_lossy(&npm.stderr));
    std::fs::create_dir_all(folder.parent().unwrap()).unwrap();
    // Another test may have been faster: then its copy stays.
    let _ = std::fs::rename(fresh.path(), &folder);
    program
}

impl Server {
    pub fn start() -> Self {
        let mut process = Command::new(program())
            .arg("--stdio")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("`./dev test` installs nodejs");
        let (input, output) = (process.stdin.take().unwrap(), BufReader::new(process.stdout.take().unwrap()));
        let mut server =
            Server { process, input, output, last: 0, versions: HashMap::new(), diagnostics: HashMap::new() };
        let capabilities = json!({ "workspace": { "configuration": true }, "textDocument": {
            "hover": { "contentFormat": ["markdown"] }, "publishDiagnostics": { "versionSupport": true } } });
        server.ask("initialize", json!({ "processId": null, "rootUri": null, "capabilities": capabilities }));
        server.tell("initialized", json!({}));
        server
    }

    /// Opens a document, or gives it another text.
    pub fn open(&mut self, uri: &str, text: &str) {
        let version = self.versions.get(uri).map_or(1, |version| version + 1);
        self.diagnostics.remove(uri);
        if version == 1 {
            let document = json!({ "uri": uri, "languageId": "yaml", "version": 1, "text": text });
            self.tell("textDocument/didOpen", json!({ "textDocument": document }));
        } else {
            let document = json!({ "uri": uri, "version": version });
            let changes = json!([{ "text": text }]);
            self.tell("textDocument/didChange", json!({ "textDocument": document, "contentChanges": changes }));
        }
        self.versions.insert(uri.to_owned(), version);
    }

    /// Asks about a place, line and column from 0.
    pub fn at(&mut self, method: &str, uri: &str, line: usize, column: usize) -> Json {
        let position = json!({ "line": line, "character": column });
        self.ask(method, json!({ "textDocument": { "uri": uri }, "position": position }))
    }

    /// What the server says of the document as it is now.
    pub fn diagnostics(&mut self, uri: &str) -> Vec<Json> {
        loop {
            if let Some(found) = self.diagnostics.remove(uri) {
                return found;
            }
            let message = self.read();
            self.take(message);
        }
    }

    fn ask(&mut self, method: &str, params: Json) -> Json {
        self.last += 1;
        let id = self.last;
        self.write(&json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params }));
        loop {
            let message = self.read();
            if message["id"] == id && message.get("method").is_none() {
                assert!(message.get("error").is_none(), "{method}: {message}");
                return message["result"].clone();
            }
            self.take(message);
        }
    }

    fn tell(&mut self, method: &str, params: Json) {
        self.write(&json!({ "jsonrpc": "2.0", "method": method, "params": params }));
    }

    /// Answers what the server asks, keeps what it tells.
    fn take(&mut self, message: Json) {
        match (message["method"].as_str(), message.get("id")) {
            (Some("workspace/configuration"), Some(id)) => {
                let items = message["params"]["items"].as_array().cloned().unwrap_or_default();
                let all: Vec<Json> = items.iter().map(|item| settings(item["section"].as_str())).collect();
                self.write(&json!({ "jsonrpc": "2.0", "id": id, "result": all }));
            }
            (Some(_), Some(id)) => self.write(&json!({ "jsonrpc": "2.0", "id": id, "result": null })),
            (Some("textDocument/publishDiagnostics"), None) => {
                let params = &message["params"];
                let uri = params["uri"].as_str().unwrap_or_default().to_owned();
                let all = params["diagnostics"].as_array().cloned().unwrap_or_default();
                self.diagnostics.insert(uri, all);
            }
            _ => {}
        }
    }

    fn write(&mut self, message: &Json) {
        let text = message.to_string();
        write!(self.input, "Content-Length: {}\r\n\r\n{text}", text.len()).unwrap();
        self.input.flush().unwrap();
    }

    fn read(&mut self) -> Json {
        let mut length = 0;
        loop {
            let mut line = String::new();
            assert!(self.output.read_line(&mut line).unwrap() > 0, "the server ended");
            match line.trim().strip_prefix("Content-Length: ") {
                Some(number) => length = number.parse().unwrap(),
                None if line.trim().is_empty() => break,
                None => {}
            }
        }
        let mut text = vec![0; length];
        self.output.read_exact(&mut text).unwrap();
        serde_json::from_slice(&text).unwrap()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// No schema but the one that a document names itself.
fn settings(section: Option<&str>) -> Json {
    match section {
        Some("yaml") => {
            json!({ "validate": true, "hover": true, "completion": true, "schemaStore": { "enable": false } })
        }
        _ => json!({}),
    }
}
