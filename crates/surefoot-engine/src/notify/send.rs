//! One attempt to tell somebody. Bounded, and nothing of it is left when it is given up.

use crate::http::{Connection, Url};
use crate::load::{To, Webhook};
use crate::model::Fault;
use crate::secret::{Masks, Secret, SecretSource};
use bytes::Bytes;
use hyper::Method;
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue};
use rustix::process::{Pid, Signal, kill_process_group};
use serde_json::Value as Json;
use std::process::Stdio;
use tokio::io::AsyncWriteExt;
use tokio::process::{Child, Command};

/// The fields of a notice that a command finds in variables, each by this prefix and its name.
const VARIABLES: &[&str] = &["notice", "text", "run", "runbook", "step", "host", "outcome", "next"];

/// Somebody, with all that it takes to tell them.
#[derive(Clone)]
pub enum Recipient {
    Command(Vec<String>),
    Webhook { url: Url, token: Option<Secret> },
}

impl Recipient {
    /// Reads the secrets; they are masked from here on. May block.
    pub fn open(to: &To, masks: &Masks) -> Result<Recipient, Fault> {
        let read = |source: &SecretSource, what: &str| {
            let secret = source.read(what)?;
            masks.learn(secret.reveal());
            Ok::<_, Fault>(secret)
        };
        Ok(match to {
            To::Command(words) => Recipient::Command(words.clone()),
            To::Webhook { url, token } => Recipient::Webhook {
                url: match url {
                    Webhook::Url(url) => url.clone(),
                    Webhook::Secret(source) => {
                        let no_url = |_| Fault::value(format!("what `{source}` gives is no address"));
                        read(source, "the address of a webhook")?.reveal().parse().map_err(no_url)?
                    }
                },
                token: token.as_ref().map(|source| read(source, "the token of a webhook")).transpose()?,
            },
        })
    }

    pub async fn send(&self, notice: &Json) -> Result<(), Fault> {
        match self {
            Recipient::Command(words) => call(words, notice).await,
            Recipient::Webhook { url, token } => post(url, token.as_ref(), notice).await,
        }
    }
}

async fn post(url: &Url, token: Option<&Secret>, notice: &Json) -> Result<(), Fault> {
    let mut headers = HeaderMap::new();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    if let Some(token) = token {
        let value = HeaderValue::try_from(format!("Bearer {}", token.reveal()));
        let mut value = value.map_err(|_| Fault::value("the token cannot stand in a header"))?;
        value.set_sensitive(true);
        headers.insert(AUTHORIZATION, value);
    }
    let connection = Connection::from_here(url).await?;
    let answer = connection.ask(Method::POST, headers, Bytes::from(notice.to_string())).await?;
    match answer.status().is_success() {
        true => Ok(()),
        false => Err(Fault::refused(format!("it answers {}", answer.status().as_u16()))),
    }
}

/// A command with every process that it has started; they end with it, at the latest when it is given up.
struct ProcessGroup(Child);

impl Drop for ProcessGroup {
    fn drop(&mut self) {
        if let Some(pid) = self.0.id().and_then(|id| Pid::from_raw(id as i32)) {
            let _ = kill_process_group(pid, Signal::KILL); // it may have ended just now
        }
    }
}

async fn call(words: &[String], notice: &Json) -> Result<(), Fault> {
    let [program, arguments @ ..] = words else { return Ok(()) };
    let parts = VARIABLES.iter().filter_map(|name| Some((name, notice.get(name)?.as_str()?)));
    let failed = |error: std::io::Error| Fault::controller(error.to_string());
    let mut command = Command::new(program);
    command.args(arguments).envs(parts.map(|(name, value)| (format!("SUREFOOT_{}", name.to_uppercase()), value)));
    // A group of its own: a Ctrl-C at our terminal is not for it.
    command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).process_group(0).kill_on_drop(true);
    let mut group = ProcessGroup(command.spawn().map_err(failed)?);
    if let Some(mut input) = group.0.stdin.take() {
        // It need not read.
        let _ = input.write_all(format!("{notice}\n").as_bytes()).await;
    }
    let status = group.0.wait().await.map_err(failed)?;
    if status.success() { Ok(()) } else { Err(Fault::controller(status.to_string())) }
}
