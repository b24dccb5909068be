//! A `surefoot serve`, and who visits it: HTTP as plainly as it goes, so that a test can say anything.

use super::program::Program;
use serde_json::Value as Json;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

/// Whoever hears nothing for so long will not hear anything.
const PATIENCE: Duration = Duration::from_secs(120);

pub struct Page {
    process: Child,
    /// `127.0.0.1:PORT`
    pub address: String,
    pub token: String,
    /// What else its visitor sends with each request, such as what a proxy adds.
    pub headers: Vec<String>,
}

#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    /// In lower case, one on each line.
    pub head: String,
    pub body: String,
}

impl Page {
    /// Serves a program's runs on any free port. Where nobody comes in by the token of all, `token` is empty.
    pub fn serve(program: &Program, words: &[&str]) -> Page {
        let mut command = program.command(["serve", "--listen", "127.0.0.1:0"]);
        let mut process = command.args(words).stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(process.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let (address, rest) = line.trim().strip_prefix("http://").unwrap().split_once('/').unwrap();
        let token = rest.strip_prefix("#token=").unwrap_or_default();
        Page { address: address.to_owned(), token: token.to_owned(), headers: Vec::new(), process }
    }

    fn send(&self, method: &str, path: &str, headers: &[&str], body: &str) -> TcpStream {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let host = format!("Host: {}", self.address);
        let own = headers.iter().any(|header| header.starts_with("Host:"));
        let more = self.headers.iter().map(String::as_str).chain((!own).then_some(host.as_str()));
        let headers: Vec<&str> = headers.iter().copied().chain(more).collect();
        let length = body.len();
        let head = headers.join("\r\n");
        write!(
            stream,
            "{method} {path} HTTP/1.1\r\n{head}\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n{body}"
        )
        .unwrap();
        stream
    }

    pub fn ask(&self, method: &str, path: &str, headers: &[&str], body: &str) -> Answer {
        answer(self.send(method, path, headers, body))
    }

    /// As somebody who has the token.
    pub fn get(&self, path: &str) -> Answer {
        self.ask("GET", path, &[&self.bearer()], "")
    }

    pub fn json(&self, path: &str) -> Json {
        let answer = self.get(path);
        assert_eq!(answer.status, 200, "{path}: {answer:?}");
        serde_json::from_str(&answer.body).unwrap()
    }

    /// As the page itself does.
    pub fn post(&self, path: &str, body: &Json) -> Answer {
        let csrf = format!("X-CSRF-Token: {}", self.json("/api/session")["csrf"].as_str().unwrap());
        self.ask("POST", path, &[&self.bearer(), &csrf], &body.to_string())
    }

    pub fn bearer(&self) -> String {
        format!("Authorization: Bearer {}", self.token)
    }

    /// Reads a stream's events until one is as wanted; gives them all.
    pub fn events(&self, path: &str, until: impl FnMut(&Json) -> bool) -> Vec<Json> {
        self.watch(path).until(until)
    }

    /// A stream that stays open.
    pub fn watch(&self, path: &str) -> Watcher {
        Watcher(BufReader::new(self.send("GET", path, &[&self.bearer()], "")))
    }
}

/// Somebody who watches, until dropped.
pub struct Watcher(BufReader<TcpStream>);

impl Watcher {
    /// Reads on until an event is as wanted; gives those that came.
    pub fn until(&mut self, mut fits: impl FnMut(&Json) -> bool) -> Vec<Json> {
        let (mut events, began) = (Vec::new(), Instant::now());
        loop {
            let mut line = String::new();
            assert_ne!(self.0.read_line(&mut line).unwrap(), 0, "the stream ended: {events:#?}");
            // A connection that is quiet is kept alive by lines without data.
            assert!(began.elapsed() < PATIENCE, "nothing like that came: {events:#?}");
            let Some(data) = line.strip_prefix("data: ") else { continue };
            events.push(serde_json::from_str(data).unwrap());
            if fits(&events[events.len() - 1]) {
                return events;
            }
        }
    }
}

/// Reads an answer to its end.
pub fn answer(mut stream: impl Read) -> Answer {
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    Answer { status, head: head.to_lowercase(), body: body.to_owned() }
}

impl Drop for Page {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
