//! What a task prints: masked, kept in a file for each attempt and stream, and shown as it comes. Of a long stream the file
//! has the beginning and the end.
//!
//! The files are not synced: values that the run needs again are in the journal, and the process may die without
//! losing what it has written; only a power cut can shorten them.

use crate::model::{Fault, Observer, TaskName};
use crate::secret::{self, Masks};
use crate::world::{Sink, Stream};
use std::collections::VecDeque;
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
    kept: Mutex<StoredOutput>,
}

struct StoredOutput {
    out: OutputChannel,
    err: OutputChannel,
    failed: Option<io::Error>,
}

/// Of each stream the file has so many bytes of its beginning, and so many of its end.
const BEGINNING: u64 = 64 << 20;
const END: usize = 64 << 10;

/// One of the two outputs.
struct OutputChannel {
    masked: secret::MaskedStream,
    file: Option<File>,
    /// Bytes that may still be written to the file as they come.
    room: u64,
    /// What came after those: the end of it, and how much there was.
    end: VecDeque<u8>,
    beyond: u64,
}

impl OutputChannel {
    fn new(masks: &Masks) -> OutputChannel {
        OutputChannel { masked: masks.stream(), file: None, room: BEGINNING, end: VecDeque::new(), beyond: 0 }
    }

    /// What of it is to be written now; the rest is held until the end.
    fn take<'b>(&mut self, bytes: &'b [u8]) -> &'b [u8] {
        let now = usize::try_from(self.room).unwrap_or(usize::MAX).min(bytes.len());
        let (now, later) = bytes.split_at(now);
        self.room -= now.len() as u64;
        self.beyond += later.len() as u64;
        self.end.extend(&later[later.len().saturating_sub(END)..]);
        self.end.drain(..self.end.len().saturating_sub(END));
        now
    }

    /// What is held, below a line that says how much is not; empty where all was written.
    fn held(&mut self) -> Vec<u8> {
        let (end, beyond) = (std::mem::take(&mut self.end), std::mem::take(&mut self.beyond));
        match beyond - end.len() as u64 {
            0 => end.into(),
            gone => [format!("\n[surefoot: {gone} bytes were left out here]\n").into_bytes(), end.into()].concat(),
        }
    }
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
        let kept =
            Mutex::new(StoredOutput { out: OutputChannel::new(masks), err: OutputChannel::new(masks), failed: None });
        TaskOutput { task, attempt, folder, observers, silent, kept }
    }

    /// Whether all of it was kept.
    pub fn finish(&self) -> Result<(), Fault> {
        self.pass_on_the_rest();
        self.stored().failed.take().map_or(Ok(()), |e| {
            Err(Fault::controller(format!("it ran, and its output could not be kept: {e}"))
                .hint(format!("make room in {}", self.folder.display())))
        })
    }

    /// What was held back because a secret might have begun there.
    fn pass_on_the_rest(&self) {
        for stream in [Stream::Out, Stream::Err] {
            let rest = self.stored().channel(stream).masked.end();
            self.show(stream, &rest);
            let held = self.stored().channel(stream).held();
            self.write(stream, &held);
        }
    }

    fn show(&self, stream: Stream, shown: &[u8]) {
        if !shown.is_empty() {
            self.keep(stream, shown);
            self.observers.iter().for_each(|observer| observer.output(self.task, stream, shown));
        }
    }

    fn keep(&self, stream: Stream, bytes: &[u8]) {
        let now = self.stored().channel(stream).take(bytes);
        self.write(stream, now);
    }

    fn write(&self, stream: Stream, bytes: &[u8]) {
        let mut kept = self.stored();
        if kept.failed.is_some() || bytes.is_empty() {
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

    fn stored(&self) -> MutexGuard<'_, StoredOutput> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl StoredOutput {
    fn channel(&mut self, stream: Stream) -> &mut OutputChannel {
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
            let shown = self.stored().channel(stream).masked.push(bytes);
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
    fn of_a_long_stream_the_beginning_and_the_end_are_kept() {
        let folder = tempfile::tempdir().unwrap();
        let task = "say@a".parse().unwrap();
        let output = TaskOutput::new(&task, 1, folder.path(), &[], &Masks::default(), false);
        let piece = vec![b'x'; 1 << 20];
        output.output(Stream::Out, b"begin");
        (0..80).for_each(|_| output.output(Stream::Out, &piece));
        output.output(Stream::Out, b"end");
        output.finish().unwrap();
        let kept = std::fs::read(folder.path().join("say@a.1.out")).unwrap();
        assert!(kept.starts_with(b"begin") && kept.ends_with(b"xend"));
        let note = String::from_utf8_lossy(&kept[BEGINNING as usize..][..80]).into_owned();
        assert!(note.contains(&format!("{} bytes were left out", (80 << 20) + 8 - BEGINNING - END as u64)), "{note}");
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
