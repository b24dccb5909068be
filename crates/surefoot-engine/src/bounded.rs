//! Files that people name, read whole: never more than a bound, and never for ever.
//!
//! A path may lead to a fifo, a terminal or `/dev/zero`. What `<(command)` makes is a fifo, too, so none of them is
//! refused by its kind.

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::OFlags;
use std::fs::{File, OpenOptions};
use std::io::{Error, ErrorKind, Read, Result};
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};
use std::path::Path;
use std::time::Duration;

/// How long a fifo may have nobody who writes to it.
const NO_WRITER: Duration = Duration::from_secs(10);

/// How long nothing may come from who writes: somebody may have to type a passphrase for it.
const SILENCE: Duration = Duration::from_secs(60);

/// The content of a file of at most `most` bytes. `FileTooLarge` above that, `TimedOut` where nothing comes.
pub fn read(path: &Path, most: u64) -> Result<Vec<u8>> {
    let mut file = open(path)?;
    let mut awaited = !file.metadata()?.file_type().is_fifo();
    let (mut bytes, mut buffer) = (Vec::new(), [0; 16 << 10]);
    loop {
        match file.read(&mut buffer) {
            Ok(0) if !awaited && bytes.is_empty() => {
                awaited = true;
                wait(&file, NO_WRITER)?;
            }
            Ok(0) => return Ok(bytes),
            Ok(n) => bytes.extend_from_slice(&buffer[..n]),
            Err(error) if error.kind() == ErrorKind::WouldBlock => wait(&file, SILENCE)?,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
        if bytes.len() as u64 > most {
            return Err(Error::new(ErrorKind::FileTooLarge, format!("it is larger than {most} bytes")));
        }
    }
}

/// The same as text.
pub fn read_text(path: &Path, most: u64) -> Result<String> {
    String::from_utf8(read(path, most)?).map_err(|_| Error::new(ErrorKind::InvalidData, "it is not UTF-8"))
}

/// A regular file, open for reading; `InvalidInput` for anything else that is no directory.
pub fn regular(path: &Path) -> Result<File> {
    let file = open(path)?;
    let kind = file.metadata()?.file_type();
    match () {
        () if kind.is_file() => Ok(file),
        () if kind.is_dir() => Err(ErrorKind::IsADirectory.into()),
        () => Err(Error::new(ErrorKind::InvalidInput, "it is not a regular file")),
    }
}

/// Does not wait for a fifo's other end.
fn open(path: &Path) -> Result<File> {
    let flags = OFlags::NONBLOCK | OFlags::NOCTTY;
    OpenOptions::new().read(true).custom_flags(flags.bits() as i32).open(path)
}

fn wait(file: &File, silence: Duration) -> Result<()> {
    let seconds = silence.as_secs();
    let timeout = Timespec { tv_sec: seconds as i64, tv_nsec: 0 };
    match poll(&mut [PollFd::new(file, PollFlags::IN)], Some(&timeout))? {
        0 => Err(Error::new(ErrorKind::TimedOut, format!("nothing came from it for {seconds} s"))),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

    #[test]
    fn a_device_without_end_is_too_large_and_an_empty_one_is_empty() {
        assert_eq!(read(Path::new("/dev/zero"), 1 << 20).unwrap_err().kind(), ErrorKind::FileTooLarge);
        assert_eq!(read(Path::new("/dev/null"), 1).unwrap(), b"");
        assert_eq!(regular(Path::new("/dev/null")).unwrap_err().kind(), ErrorKind::InvalidInput);
        assert_eq!(regular(Path::new("/")).unwrap_err().kind(), ErrorKind::IsADirectory);
    }

    #[test]
    fn a_fifo_gives_what_is_written_and_a_silent_one_times_out() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("fifo");
        assert!(Command::new("mkfifo").arg(&path).status().unwrap().success());
        let script = "sleep 0.2; printf abc >\"$0\"";
        let mut writer = Command::new("sh").args(["-c", script]).arg(&path).spawn().unwrap();
        assert_eq!(read(&path, 10).unwrap(), b"abc");
        writer.wait().unwrap();
        assert_eq!(read(&path, 10).unwrap_err().kind(), ErrorKind::TimedOut);
        assert_eq!(regular(&path).unwrap_err().kind(), ErrorKind::InvalidInput);
    }
}
