//! What a command says on its standard output.

use std::fmt::Arguments;
use std::io::{ErrorKind, Write};

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

/// `print!` of [`write`].
macro_rules! say {
    ($($text:tt)*) => { crate::cli::out::write(format_args!($($text)*)) };
}
pub(super) use say;
