//! What other terminals may ask of an engine while it lives: a socket in its run's folder, which only its owner enters.
//!
//! One request as a line of JSON, one answer as another. That the socket is there says nothing: an engine that was killed
//! leaves it behind. Only who listens on it is alive. Does not know how a request is carried out.

use serde::{Deserialize, Serialize};
use std::fs::{File, Permissions, remove_file, set_permissions};
use std::io::{self, BufRead, BufReader, ErrorKind, Write};
use std::os::fd::AsRawFd;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use surefoot_engine::model::StepId;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixListener;

const NAME: &str = "control";

/// No request is longer, in bytes.
const LONGEST: u64 = 4096;

/// A request comes at once; who connects and says nothing is left.
const SAYING: Duration = Duration::from_secs(5);

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "request", rename_all = "snake_case")]
pub enum ControlRequest {
    /// Lets an `approve` step pass that waits.
    Approve {
        step: StepId,
        /// `user@machine`.
        by: String,
    },
    /// Says no to an `approve` step that waits.
    Refuse {
        step: StepId,
        /// `user@machine`.
        by: String,
    },
    /// Has the run wait before its next step, or lets it go on.
    Pause {
        paused: bool,
        /// `user@machine`.
        by: String,
    },
    /// Lets what runs finish and starts nothing new.
    Stop {
        /// `user@machine`.
        by: String,
    },
    /// Ends what runs. The engine ends soon after its answer.
    Cancel {
        /// `user@machine`.
        by: String,
    },
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "answer", rename_all = "snake_case")]
pub enum ControlReply {
    Done,
    Refused { why: String },
}

/// The engine's end; the socket goes away with it.
pub struct Control {
    path: PathBuf,
    served: tokio::task::JoinHandle<()>,
}

impl Control {
    /// Listens in a run's folder whose journal this process holds. Each request is answered by `carry_out`.
    pub fn listen(
        folder: &Path,
        carry_out: impl Fn(ControlRequest) -> ControlReply + Send + Sync + 'static,
    ) -> io::Result<Control> {
        let path = folder.join(NAME);
        match remove_file(&path) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
            _ => {} // a dead engine's
        }
        let listener = within(folder, UnixListener::bind)?;
        set_permissions(&path, Permissions::from_mode(0o600))?;
        let carry_out = Arc::new(carry_out);
        let served = tokio::spawn(async move {
            // Where no more connections can be taken, the run goes on without them.
            while let Ok((stream, _)) = listener.accept().await {
                let carry_out = carry_out.clone();
                tokio::spawn(async move {
                    // Who went away does not hear the answer.
                    let _ = tokio::time::timeout(SAYING, serve(stream, &*carry_out)).await;
                });
            }
        });
        Ok(Control { path, served })
    }
}

impl Drop for Control {
    fn drop(&mut self) {
        self.served.abort();
        let _ = remove_file(&self.path); // one that is left behind harms nobody
    }
}

async fn serve(
    stream: tokio::net::UnixStream,
    carry_out: &(dyn Fn(ControlRequest) -> ControlReply + Sync),
) -> io::Result<()> {
    let (read, mut write) = stream.into_split();
    let mut line = String::new();
    tokio::io::BufReader::new(read.take(LONGEST)).read_line(&mut line).await?;
    let answer = match serde_json::from_str(&line) {
        Ok(request) => carry_out(request),
        Err(error) => ControlReply::Refused { why: format!("a request that this version does not know: {error}") },
    };
    write.write_all(&encoded(&answer)?).await
}

/// Whether an engine is at work on a run.
pub fn is_alive(folder: &Path) -> bool {
    within(folder, UnixStream::connect).is_ok()
}

/// Asks the engine of a run; none where no engine is alive.
pub fn ask(folder: &Path, request: &ControlRequest) -> io::Result<Option<ControlReply>> {
    let mut stream = match within(folder, UnixStream::connect) {
        Ok(stream) => stream,
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::ConnectionRefused) => return Ok(None),
        Err(error) => return Err(error),
    };
    stream.write_all(&encoded(request)?)?;
    let mut line = String::new();
    BufReader::new(stream).read_line(&mut line)?;
    // Cut off: it has just ended.
    if line.is_empty() { Ok(None) } else { Ok(Some(serde_json::from_str(&line)?)) }
}

fn encoded(value: &impl Serialize) -> io::Result<Vec<u8>> {
    Ok([serde_json::to_vec(value)?, b"\n".to_vec()].concat())
}

/// Reaches the socket through its open folder: an address has room for 108 bytes, and a path may be longer.
fn within<T>(folder: &Path, reach: impl FnOnce(PathBuf) -> io::Result<T>) -> io::Result<T> {
    let folder = File::open(folder)?;
    reach(PathBuf::from(format!("/proc/self/fd/{}/{NAME}", folder.as_raw_fd())))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request() -> ControlRequest {
        ControlRequest::Approve { step: "go".into(), by: "ana@here".into() }
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_request_is_answered_however_long_the_path() {
        let root = tempfile::tempdir().unwrap();
        let folder = root.path().join("x".repeat(200));
        std::fs::create_dir(&folder).unwrap();
        assert_eq!(ask(&folder, &request()).unwrap(), None, "nobody was ever there");
        let told = |request| ControlReply::Refused { why: format!("{request:?}") };
        let control = Control::listen(&folder, told).unwrap();
        assert_eq!(folder.join(NAME).metadata().unwrap().permissions().mode() & 0o777, 0o600);
        let asked = folder.clone();
        let answer = tokio::task::spawn_blocking(move || ask(&asked, &request())).await.unwrap().unwrap();
        assert_eq!(answer, Some(told(request())));
        drop(control);
        assert!(!folder.join(NAME).exists());
    }

    #[tokio::test]
    async fn a_dead_engines_socket_is_nobody_and_in_nobodys_way() {
        let folder = tempfile::tempdir().unwrap();
        drop(std::os::unix::net::UnixListener::bind(folder.path().join(NAME)).unwrap());
        assert_eq!(ask(folder.path(), &request()).unwrap(), None);
        Control::listen(folder.path(), |_| ControlReply::Done).unwrap();
    }
}
