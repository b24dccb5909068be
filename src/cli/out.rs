//! What a command says on its standard output, or in a file that its operator names.

use std::fmt::Arguments;
use std::fs::{OpenOptions, Permissions};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;
use std::sync::mpsc;
use std::time::Duration;

/// Writes text, in colours where a terminal shows them. Where nobody reads on (`| head`), the rest is let go; any other
/// fault ends the program, lest half a file pass for a whole one.
pub fn write(text: Arguments<'_>) {
    let mut out = anstream::stdout().lock();
    match out.write_fmt(text).and_then(|()| out.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            eprintln!("error: the standard output takes no more: {error}");
            std::process::exit(1);
        }
        _ => {}
    }
}

/// How long standard error may take to take something.
const PATIENCE: Duration = Duration::from_secs(2);

/// Says a line on standard error. Where nobody takes it, as at a terminal that was stopped, it is let go after a moment:
/// hosts may be held meanwhile.
pub fn tell(text: Arguments<'_>) {
    let text = text.to_string();
    let (told, heard) = mpsc::channel();
    let work = move || {
        let mut err = anstream::stderr().lock();
        // Where nothing can be written nobody is left to tell.
        let _ = writeln!(err, "{text}").and_then(|()| err.flush());
        let _ = told.send(());
    };
    if std::thread::Builder::new().spawn(work).is_ok() {
        let _ = heard.recv_timeout(PATIENCE);
    }
}

/// To a file that only its operator may read, also where it was there before.
pub fn to_file(path: &Path, text: &[u8]) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)?;
    // What is no file, such as /dev/stdout, keeps its mode.
    if file.metadata()?.is_file() {
        file.set_permissions(Permissions::from_mode(0o600))?;
    }
    file.write_all(text)
}

/// `print!` of [`write`].
macro_rules! say {
    ($($text:tt)*) => { crate::cli::out::write(format_args!($($text)*)) };
}
pub(super) use say;
