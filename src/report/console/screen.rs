//! A terminal: lines that scroll up for good, and below them a picture that is drawn over.
//!
//! Each frame is one write, of what has changed only, and never blanks what it is about to draw. Invariant: whatever was
//! changed on the terminal is put back by [`Screen::leave`]. Does not know what it shows.

use super::Size;
use super::line::StyledLine;
use rustix::event::{PollFd, PollFlags, poll};
use rustix::termios::{
    LocalModes, OptionalActions, SpecialCodeIndex, Termios, tcgetattr, tcgetpgrp, tcgetwinsize, tcsetattr,
};
use std::fmt::Write as _;
use std::io::{self, IsTerminal, PipeReader, Write};
use std::sync::{Arc, Mutex, PoisonError};

/// A terminal draws what stands between these at once, where it can; where not, it ignores them.
const BEGIN: &str = "\x1b[?2026h";
const END: &str = "\x1b[?2026l";
const TO_LINE_END: &str = "\x1b[K";

pub struct Screen {
    /// Whether keys are read.
    keys: bool,
    /// Whether colours are wanted.
    styled: bool,
    /// Whether the terminal is ours.
    is_ours: bool,
    before: Before,
    size: Size,
    /// What stands below the lines, as it was written, and the columns of each line.
    region: Vec<(String, usize)>,
    /// The other screen's lines, where that one is shown.
    page: Option<Vec<String>>,
    /// Nothing is drawn any more.
    is_over: bool,
}

/// The terminal's modes as they were, while they are ours.
#[derive(Clone, Default)]
pub struct Before(Arc<Mutex<Option<Termios>>>);

impl Before {
    /// Also while the screen is held by who draws on a terminal that takes nothing.
    pub fn put_back(&self) {
        if let Some(before) = self.0.lock().unwrap_or_else(PoisonError::into_inner).take() {
            // A terminal that is gone needs nothing.
            let _ = tcsetattr(io::stdin(), OptionalActions::Now, &before);
        }
    }

    fn set(&self, before: Option<Termios>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = before;
    }
}

/// Standard error, where it is a terminal that can be drawn on.
pub fn can_draw() -> bool {
    let term = std::env::var("TERM").unwrap_or_default();
    io::stderr().is_terminal() && !term.is_empty() && term != "dumb" && is_in_front()
}

/// Whether the terminal is ours to read and to set: it is not while the shell has us in the background.
fn is_in_front() -> bool {
    tcgetpgrp(io::stderr()).is_ok_and(|front| front == rustix::process::getpgrp())
}

impl Screen {
    pub fn new() -> Screen {
        let styled = anstream::AutoStream::choice(&io::stderr()) != anstream::ColorChoice::Never;
        let (keys, size) = (io::stdin().is_terminal(), Size::default());
        let before = Before::default();
        Screen { keys, styled, is_ours: false, before, size, region: Vec::new(), page: None, is_over: false }
    }

    pub fn before(&self) -> Before {
        self.before.clone()
    }

    pub fn has_keys(&self) -> bool {
        self.keys
    }

    /// Nobody presses keys any more.
    pub fn without_keys(&mut self) {
        self.keys = false;
    }

    /// How many lines the region has.
    pub fn height(&self) -> usize {
        self.region.len()
    }

    /// The terminal's size now; none where it is not ours to draw on.
    pub fn ready(&mut self) -> Option<Size> {
        if self.is_over || !is_in_front() {
            return None;
        }
        let size = tcgetwinsize(io::stderr()).ok()?;
        if !std::mem::replace(&mut self.is_ours, true) {
            self.before.set(self.keys.then(without_echo).flatten());
            self.write("\x1b[?25l");
        }
        // One that does not know its size is taken for an old one.
        let [columns, rows] = [(size.ws_col, 80, 20), (size.ws_row, 24, 4)]
            .map(|(known, old, least)| if known == 0 { old } else { usize::from(known).max(least) });
        Some(Size { columns, rows })
    }

    /// Lines above, and a region below them.
    pub fn draw(&mut self, above: &str, region: &[StyledLine], size: Size, anew: bool) {
        let mut out = String::new();
        if self.page.take().is_some() {
            out += "\x1b[?1049l";
        }
        let new: Vec<_> = region.iter().map(|line| (line.render(self.styled), line.width())).collect();
        let same_place = above.is_empty() && new.len() == self.region.len() && size == self.size && !anew;
        if same_place {
            self.change(&new, &mut out);
        } else {
            self.to_top(size, &mut out);
            self.lines(above, &mut out);
            let lines: Vec<String> = new.iter().map(|(line, _)| format!("{line}{TO_LINE_END}")).collect();
            let _ = write!(out, "{}\x1b[J", lines.join("\r\n"));
        }
        (self.region, self.size) = (new, size);
        self.frame(&out);
    }

    /// The lines of the region that are others now; the cursor stays in its last line.
    fn change(&self, new: &[(String, usize)], out: &mut String) {
        let last = new.len().saturating_sub(1);
        for (place, (line, _)) in new.iter().enumerate().filter(|(place, line)| self.region[*place] != **line) {
            let (up, down) = (vertical(last - place, 'A'), vertical(last - place, 'B'));
            let _ = write!(out, "{up}\r{line}{TO_LINE_END}{down}\r");
        }
    }

    /// To the region's first line. A terminal that was made narrower has broken lines in two.
    fn to_top(&self, size: Size, out: &mut String) {
        let rows: usize = self.region.iter().map(|(_, width)| width.div_ceil(size.columns).max(1)).sum();
        let _ = write!(out, "{}\r", vertical(rows.saturating_sub(1), 'A'));
    }

    fn lines(&self, above: &str, out: &mut String) {
        let plain = (!self.styled).then(|| anstream::adapter::strip_str(above).to_string());
        for line in plain.as_deref().unwrap_or(above).lines() {
            let _ = write!(out, "{line}{TO_LINE_END}\r\n");
        }
    }

    /// A whole screen; what stands on the other one waits.
    pub fn draw_page(&mut self, page: &[StyledLine], anew: bool) {
        let new: Vec<String> = page.iter().map(|line| line.render(self.styled)).collect();
        let mut out = String::new();
        let old = self.page.take().filter(|old| old.len() == new.len() && !anew);
        if old.is_none() {
            out += "\x1b[?1049h\x1b[2J";
        }
        let old = old.unwrap_or_default();
        for (row, line) in new.iter().enumerate().filter(|(row, line)| old.get(*row) != Some(*line)) {
            let _ = write!(out, "\x1b[{};1H{line}{TO_LINE_END}", row + 1);
        }
        self.page = Some(new);
        self.frame(&out);
    }

    /// Lines while the terminal is not ours.
    pub fn print(&mut self, above: &str) {
        let mut out = String::new();
        self.lines(above, &mut out);
        self.write(&out);
    }

    /// Takes the region away, with last lines in its place, and puts back what was changed. It may be drawn on again.
    pub fn leave(&mut self, above: &str) {
        let mut out = String::new();
        if self.page.take().is_some() {
            out += "\x1b[?1049l";
        }
        if std::mem::take(&mut self.is_ours) {
            self.to_top(self.size, &mut out);
            out += "\x1b[J\x1b[?25h";
            self.before.put_back();
        }
        self.region.clear();
        self.lines(above, &mut out);
        self.write(&out);
    }

    /// The same for good.
    pub fn close(&mut self, above: &str) {
        self.is_over = true;
        self.leave(above);
    }

    fn frame(&self, out: &str) {
        if !out.is_empty() {
            self.write(&format!("{BEGIN}{out}{END}"));
        }
    }

    /// A display that is gone must not end the run.
    fn write(&self, out: &str) {
        let mut to = io::stderr().lock();
        let _ = to.write_all(out.as_bytes()).and_then(|()| to.flush());
    }
}

fn vertical(rows: usize, way: char) -> String {
    if rows == 0 { String::new() } else { format!("\x1b[{rows}{way}") }
}

/// Keys come as they are pressed, and are not shown. Ctrl-C and its kin stay signals. Gives what was before.
fn without_echo() -> Option<Termios> {
    let before = tcgetattr(io::stdin()).ok()?;
    let mut ours = before.clone();
    ours.local_modes.remove(LocalModes::ICANON | LocalModes::ECHO);
    ours.special_codes[SpecialCodeIndex::VMIN] = 1;
    ours.special_codes[SpecialCodeIndex::VTIME] = 0;
    tcsetattr(io::stdin(), OptionalActions::Drain, &ours).ok()?;
    Some(before)
}

/// What came within the time of a frame.
pub enum Came {
    Bytes(Vec<u8>),
    Nothing,
    /// There are no keys any more.
    NoMore,
    /// The console is to close.
    End,
}

/// Waits for keys, for the end, or for the time of a frame.
pub fn wait(keys: bool, end: &PipeReader) -> Came {
    const FRAME: rustix::event::Timespec = rustix::event::Timespec { tv_sec: 0, tv_nsec: 100_000_000 };
    let stdin = io::stdin();
    let mut fds = vec![PollFd::new(end, PollFlags::IN)];
    if keys && is_in_front() {
        fds.push(PollFd::new(&stdin, PollFlags::IN));
    }
    // Interrupted by a signal: a frame earlier.
    let _ = poll(&mut fds, Some(&FRAME));
    if !fds[0].revents().is_empty() {
        return Came::End;
    }
    if fds.get(1).is_none_or(|fd| fd.revents().is_empty()) {
        return Came::Nothing;
    }
    let mut bytes = [0; 256];
    match rustix::io::read(&stdin, &mut bytes) {
        Ok(count @ 1..) => Came::Bytes(bytes[..count].to_vec()),
        Err(rustix::io::Errno::INTR) => Came::Nothing,
        _ => Came::NoMore,
    }
}
