//! What a task prints: masked, kept in full in a file for each attempt and stream, and shown as it comes.
//!
//! The files are not synced: values that the run needs again are in the journal, and the process may die without
//! losing what it has written; only a power cut can shorten them.

use crate::model::{Fault, Observer, TaskName};
use crate::secret::{self, Masks};
use crate::world::{Sink, Stream};
use std::fmt::Write as _;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The name of the file that keeps one stream of one attempt: `STEP@HOST.ATTEMPT.out` or `.err`.
/// There is no such file where nothing was printed.
pub fn file_name(task: &TaskName, attempt: u32, stream: Stream) -> String {
    let mut name = String::new();
    for c in task.to_string().chars() {
        match c {
            'a'..='z' | 'A'..='Z' | '0'..='9' | '-' | '_' | '.' | ':' | '@' | '[' | ']' => name.push(c),
            _ => c.encode_utf8(&mut [0; 4]).bytes().for_each(|b| {
                let _ = write!(name, "%{b:02x}"); // writing to a String cannot fail
            }),
        }
    }
    let end = match stream {
        Stream::Out => "out",
        Stream::Err => "err",
    };
    format!("{name}.{attempt}.{end}")
}

/// The sink of one attempt.
pub(super) struct TaskOutput<'a> {
    pub task: &'a TaskName,
    pub attempt: u32,
    pub folder: &'a Path,
    pub observers: &'a [Arc<dyn Observer>],
    /// None of it is kept or shown: all of it is secret, or it is only looked at.
    silent: bool,
    kept: Mutex<Kept>,
}

struct Kept {
    out: Channel,
    err: Channel,
    failed: Option<io::Error>,
}

/// One of the two outputs.
struct Channel {
    masked: secret::Stream,
    file: Option<File>,
}

impl<'a> TaskOutput<'a> {
    pub fn new(
        task: &'a TaskName,
        attempt: u32,
        folder: &'a Path,
        observers: &'a [Arc<dyn Observer>],
        masks: &Masks,
        silent: bool,
    ) -> Self {
        let channel = || Channel { masked: masks.stream(), file: None };
        let kept = Mutex::new(Kept { out: channel(), err: channel(), failed: None });
        TaskOutput { task, attempt, folder, observers, silent, kept }
    }

    /// Whether all of it was kept.
    pub fn finish(&self) -> Result<(), Fault> {
        self.pass_on_the_rest();
        self.kept().failed.take().map_or(Ok(()), |e| {
            Err(Fault::controller(format!("it ran, and its output could not be kept: {e}"))
                .hint(format!("make room in {}", self.folder.display())))
        })
    }

    /// What was held back because a secret might have begun there.
    fn pass_on_the_rest(&self) {
        for stream in [Stream::Out, Stream::Err] {
            let rest = self.kept().channel(stream).masked.end();
            self.show(stream, &rest);
        }
    }

    fn show(&self, stream: Stream, shown: &[u8]) {
        if !shown.is_empty() {
            self.keep(stream, shown);
            self.observers.iter().for_each(|observer| observer.output(self.task, stream, shown));
        }
    }

    fn keep(&self, stream: Stream, bytes: &[u8]) {
        let mut kept = self.kept();
        if kept.failed.is_some() {
            return;
        }
        let file = &mut kept.channel(stream).file;
        let written = match file {
            Some(file) => file.write_all(bytes),
            None => self.create(stream).and_then(|new| file.insert(new).write_all(bytes)),
        };
        kept.failed = written.err();
    }

    /// Anew: what is taken up after a crash comes again from its beginning.
    fn create(&self, stream: Stream) -> io::Result<File> {
        let path = self.folder.join(file_name(self.task, self.attempt, stream));
        OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Kept {
    fn channel(&mut self, stream: Stream) -> &mut Channel {
        match stream {
            Stream::Out => &mut self.out,
            Stream::Err => &mut self.err,
        }
    }
}

/// An attempt that fails or is cut off has printed something, too.
impl Drop for TaskOutput<'_> {
    fn drop(&mut self) {
        self.pass_on_the_rest();
    }
}

impl Sink for TaskOutput<'_> {
    fn output(&self, stream: Stream, bytes: &[u8]) {
        if !self.silent {
            let shown = self.kept().channel(stream).masked.push(bytes);
            self.show(stream, &shown);
        }
    }

    fn progress(&self, done: u64, total: Option<u64>) {
        self.observers.iter().for_each(|observer| observer.progress(self.task, done, total));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_name_leads_nowhere_else() {
        let name = |task: &str| file_name(&task.parse().unwrap(), 2, Stream::Err);
        assert_eq!(name("push@etcd-1"), "push@etcd-1.2.err");
        assert_eq!(name("push@etcd-1[7]"), "push@etcd-1[7].2.err");
        assert_eq!(name("push@../ä"), "push@..%2f%c3%a4.2.err");
    }

    #[test]
    fn each_stream_has_its_file_once_it_prints() {
        let folder = tempfile::tempdir().unwrap();
        let task = "say@a".parse().unwrap();
        let output = TaskOutput::new(&task, 1, folder.path(), &[], &Masks::default(), false);
        output.output(Stream::Out, b"one\n");
        output.output(Stream::Out, b"two\n");
        output.finish().unwrap();
        assert_eq!(std::fs::read(folder.path().join("say@a.1.out")).unwrap(), b"one\ntwo\n");
        assert!(!folder.path().join("say@a.1.err").exists());
    }

    #[test]
    fn secrets_are_masked_in_pieces_and_what_fails_is_kept_to_its_end() {
        let folder = tempfile::tempdir().unwrap();
        let (task, masks) = ("say@a".parse().unwrap(), Masks::default());
        masks.learn("hunter2");
        let output = TaskOutput::new(&task, 1, folder.path(), &[], &masks, false);
        ["it is hun", "ter", "2, hunt"].iter().for_each(|piece| output.output(Stream::Out, piece.as_bytes()));
        drop(output);
        assert_eq!(std::fs::read(folder.path().join("say@a.1.out")).unwrap(), b"it is ***, hunt");
    }

    #[test]
    fn of_a_secret_step_nothing_is_kept() {
        let folder = tempfile::tempdir().unwrap();
        let task = "say@a".parse().unwrap();
        let output = TaskOutput::new(&task, 1, folder.path(), &[], &Masks::default(), true);
        output.output(Stream::Out, b"hunter2");
        output.finish().unwrap();
        assert!(std::fs::read_dir(folder.path()).unwrap().next().is_none());
    }

    #[test]
    fn output_that_cannot_be_kept_is_a_fault() {
        let task = "say@a".parse().unwrap();
        let output = TaskOutput::new(&task, 1, Path::new("/dev/null/none"), &[], &Masks::default(), false);
        output.output(Stream::Out, b"one\n");
        assert_eq!(output.finish().unwrap_err().kind, crate::model::FaultKind::Controller);
    }
}
