//! The calls to `host.sh` and the frames that come back, as text and bytes. Knows no process and no socket.

use super::lease::Takeover;
use super::quote::{quote, quote_bytes};
use super::script::{Script, fits};
use crate::model::Fault;
use bytes::{Buf, Bytes, BytesMut};
use std::time::Duration;

/// The host's side, in POSIX sh.
const PROGRAM: &str = include_str!("host.sh");

/// Blocks of this many bytes are what `poll` counts in.
pub(super) const BLOCK: u64 = 4096;

/// Above this a script's standard input is a file's job ([`super::host::Host::put`]).
const MAX_STDIN: usize = 4 << 20;

/// The disk is full, and something that was kept back was given up: there is room to ask again.
pub(super) const SPARED: &str = "refused spared";

/// No part of a reply is longer: `host.sh` sends that much of a probe's output, and one byte more where there was more.
pub(super) const MAX_PART: usize = (16 << 20) + 1;

/// No first line of a reply is longer: it names the processes that would not end.
const MAX_HEAD: usize = 64 << 10;

/// What a login shell may say where a reply should come.
const MAX_NOISE: usize = 1 << 20;

/// Names a call and its reply within one channel. 0 is the greeting's.
pub(super) type Tag = u64;

/// What makes a shell the host's side.
pub(super) struct Prologue<'a> {
    /// Marks frames; what runs on the host must not be able to know it.
    pub nonce: &'a str,
    /// Names the scratch folder.
    pub scratch: &'a str,
    pub run: &'a str,
    /// Where the rule of `host.sh` does not apply.
    pub run_dir: Option<&'a str>,
    /// Whether the shell is the login user's own.
    pub own: bool,
    /// What every start is checked against.
    pub fence: Option<&'a Fence>,
}

/// The lease that a shell acts under.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Fence {
    /// The folder of leases on the host.
    pub place: String,
    pub number: u64,
    /// Nobody else's.
    pub token: String,
}

impl Fence {
    /// As further arguments of a call.
    pub fn words(&self) -> [String; 3] {
        [self.place.clone(), self.number.to_string(), self.token.clone()]
    }
}

impl Prologue<'_> {
    pub fn text(&self) -> String {
        let [place, number, token] = self.fence.map(Fence::words).unwrap_or_default();
        format!(
            "N={} X={} RUN={} R={} own={} L={} F={number} C={token}\n{PROGRAM}",
            quote(self.nonce),
            quote(self.scratch),
            quote(self.run),
            quote(self.run_dir.unwrap_or_default()),
            u8::from(self.own),
            quote(&place),
        )
    }
}

pub(super) fn probe(tag: Tag, script: &Script) -> Result<String, Fault> {
    Ok(format!("probe {tag} {}\n", words(script)?))
}

pub(super) fn start(tag: Tag, id: &str, script: &Script) -> Result<String, Fault> {
    Ok(format!("start {tag} {} {}\n", quote(id), words(script)?))
}

/// Asks for an act's state and for at most `blocks` of each output from the given blocks on. With `take`, what was
/// claimed under an earlier lease and not started is not started any more.
pub(super) fn poll(tag: Tag, id: &str, [out, err]: [u64; 2], blocks: u64, take: bool) -> String {
    format!("poll {tag} {} {out} {err} {blocks} {}\n", quote(id), u8::from(take))
}

/// From here on every start is checked. No reply.
pub(super) fn fence(fence: &Fence) -> String {
    let [place, number, token] = fence.words();
    format!("fence {} {number} {token}\n", quote(&place))
}

/// Whose shell acts under a lease that another's shell keeps, and the folder of that one's runs.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct User {
    pub name: String,
    /// Empty: by the rule of `host.sh`.
    pub folder: String,
}

/// Asks for the lease. `claim` is one line. `login`: who logged in, where the shell that is asked is another's.
pub(super) fn hold(
    tag: Tag,
    token: &str,
    ttl: Duration,
    over: Option<Takeover>,
    claim: &str,
    login: Option<&User>,
) -> Result<String, Fault> {
    let (number, dead) = match over {
        None => (0, 0),
        Some(Takeover::RunOut(number)) => (number, 0),
        Some(Takeover::Dead(number)) => (number, 1),
    };
    let (name, folder) = login.map_or(("", ""), |login| (&login.name, &login.folder));
    let (name, folder) = (quote(name), quote(folder));
    Ok(format!("hold {tag} {token} {} {number} {dead} {} {name} {folder}\n", ttl.as_secs(), word(claim)?))
}

/// Says that a user's shell is about to act under the lease.
pub(super) fn enlist(tag: Tag, user: &str) -> String {
    format!("enlist {tag} {}\n", quote(user))
}

pub(super) fn renew(tag: Tag) -> String {
    format!("renew {tag}\n")
}

pub(super) fn release(tag: Tag) -> String {
    format!("release {tag}\n")
}

/// Ends what other runs still do under this lease as the shell's user, of whom `folder` may have runs too.
pub(super) fn evict(tag: Tag, folder: &str) -> String {
    format!("evict {tag} {}\n", quote(folder))
}

pub(super) fn end_act(tag: Tag, id: &str, grace: Duration) -> String {
    format!("end_act {tag} {} {}\n", quote(id), grace.as_secs())
}

/// Ends the probe that has the tag. No reply.
pub(super) fn end_probe(probe: Tag) -> String {
    format!("end_probe {probe}\n")
}

/// A script as `host.sh` takes it: limit, folder, environment, input, text, arguments.
fn words(script: &Script) -> Result<String, Fault> {
    let env = script.env.iter().map(|(name, value)| assignment(name, value)).collect::<Result<Vec<_>, _>>()?;
    let limit = script.timeout.map_or("0".to_owned(), seconds);
    let stdin = script.stdin.as_deref().unwrap_or_default();
    if stdin.len() > MAX_STDIN {
        return Err(Fault::value(format!("standard input of {} bytes is too long", stdin.len()))
            .hint("copy it to a file on the host, and read that"));
    }
    let feed = if stdin.is_empty() { quote("") } else { quote_bytes(stdin) };
    let mut words = vec![limit, word(script.cwd.as_deref().unwrap_or_default())?, quote(&env.join(" ")), feed];
    fits("the command's text", script.text.len())?;
    words.push(word(&script.text)?);
    for arg in &script.args {
        fits("an argument", arg.len())?;
        words.push(word(arg)?);
    }
    Ok(words.join(" "))
}

fn word(text: &str) -> Result<String, Fault> {
    if text.contains('\0') {
        return Err(Fault::value("a command, its arguments and its environment cannot hold a NUL byte"));
    }
    Ok(quote(text))
}

fn assignment(name: &str, value: &str) -> Result<String, Fault> {
    let mut bytes = name.bytes();
    let starts_well = bytes.next().is_some_and(|b| b.is_ascii_alphabetic() || b == b'_');
    if !starts_well || !bytes.all(|b| b.is_ascii_alphanumeric() || b == b'_') {
        return Err(Fault::value(format!("`{name}` is not a name for an environment variable")));
    }
    fits(&format!("the variable `{name}`"), name.len() + 1 + value.len())?;
    Ok(format!("export {name}={};", word(value)?))
}

/// As `sleep` takes it; never 0, which means no limit.
fn seconds(limit: Duration) -> String {
    let millis = limit.as_millis().max(1);
    if millis.is_multiple_of(1000) {
        (millis / 1000).to_string()
    } else {
        format!("{}.{:03}", millis / 1000, millis % 1000)
    }
}

/// One reply.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Frame {
    pub tag: Tag,
    /// Such as `rc=0`, `refused space`.
    pub words: String,
    pub out: Bytes,
    pub err: Bytes,
}

/// Cuts a byte stream into frames. What stands between frames (a login shell's greeting) is dropped.
///
/// Invariant: whatever comes, no more of it is kept than two parts of a reply, once [`Decoder::is_flooded`] is asked after
/// every piece.
pub(super) struct FrameDecoder {
    nonce: Vec<u8>,
    buffer: BytesMut,
    /// Bytes of the buffer that are known not to begin a nonce.
    searched: usize,
    /// Bytes that were dropped since the last frame.
    noise: usize,
    part: FramePart,
}

/// What the decoder is in the middle of.
enum FramePart {
    Between,
    Head,
    Out { tag: Tag, words: String },
    Err { tag: Tag, words: String, out: Bytes },
}

impl FrameDecoder {
    pub fn new(nonce: &str) -> Self {
        FrameDecoder {
            nonce: nonce.as_bytes().to_vec(),
            buffer: BytesMut::new(),
            searched: 0,
            noise: 0,
            part: FramePart::Between,
        }
    }

    /// Whether more has come than any reply holds: nothing that follows can be one.
    pub fn is_flooded(&self) -> bool {
        match self.part {
            FramePart::Between => self.noise > MAX_NOISE,
            FramePart::Head => self.buffer.len() > MAX_HEAD,
            FramePart::Out { .. } | FramePart::Err { .. } => self.buffer.len() > MAX_PART + self.nonce.len(),
        }
    }

    /// Where the next bytes of the stream are to be put.
    pub fn buffer(&mut self) -> &mut BytesMut {
        &mut self.buffer
    }

    /// The next whole frame of what has come.
    pub fn next(&mut self) -> Option<Frame> {
        loop {
            match std::mem::replace(&mut self.part, FramePart::Between) {
                FramePart::Between => {
                    let Some(noise) = self.until_nonce(0) else {
                        self.noise += self.searched;
                        self.buffer.advance(std::mem::take(&mut self.searched));
                        return None;
                    };
                    self.noise += noise.len();
                    self.part = FramePart::Head;
                }
                FramePart::Head => {
                    let Some(line) = self.buffer.iter().position(|byte| *byte == b'\n') else {
                        self.part = FramePart::Head;
                        return None;
                    };
                    let head = self.buffer.split_to(line + 1);
                    // A head that is none of ours is dropped with its line.
                    if let Some((tag, words)) = parse_head(&head) {
                        self.part = FramePart::Out { tag, words };
                    }
                }
                FramePart::Out { tag, words } => match self.until_nonce(1) {
                    Some(out) => self.part = FramePart::Err { tag, words, out },
                    None => {
                        self.part = FramePart::Out { tag, words };
                        return None;
                    }
                },
                FramePart::Err { tag, words, out } => match self.until_nonce(1) {
                    Some(err) => {
                        self.noise = 0;
                        return Some(Frame { tag, words, out, err });
                    }
                    None => {
                        self.part = FramePart::Err { tag, words, out };
                        return None;
                    }
                },
            }
        }
    }

    /// Takes what stands before the next nonce, the nonce, and `after` bytes more.
    fn until_nonce(&mut self, after: usize) -> Option<Bytes> {
        let nonce = &self.nonce;
        let found = self.buffer[self.searched..].windows(nonce.len()).position(|window| window == nonce);
        let at = match found {
            Some(offset) if self.searched + offset + nonce.len() + after <= self.buffer.len() => self.searched + offset,
            Some(offset) => {
                self.searched += offset;
                return None;
            }
            None => {
                self.searched = self.buffer.len().saturating_sub(nonce.len() - 1);
                return None;
            }
        };
        self.searched = 0;
        let before = self.buffer.split_to(at).freeze();
        self.buffer.advance(nonce.len() + after);
        Some(before)
    }
}

/// ` TAG WORDS LF`
fn parse_head(line: &[u8]) -> Option<(Tag, String)> {
    let line = std::str::from_utf8(line).ok()?.strip_suffix('\n')?.strip_prefix(' ')?;
    let (tag, words) = line.split_once(' ')?;
    Some((tag.parse().ok()?, words.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const NONCE: &str = "0123456789abcdef";

    fn encode(frame: &Frame) -> Vec<u8> {
        let mut bytes = format!("{NONCE} {} {}\n", frame.tag, frame.words).into_bytes();
        for part in [&frame.out, &frame.err] {
            bytes.extend_from_slice(part);
            bytes.extend_from_slice(format!("{NONCE}\n").as_bytes());
        }
        bytes
    }

    fn frames() -> impl Strategy<Value = Vec<Frame>> {
        // Digits and line breaks, so that beginnings of a nonce are frequent.
        let part = prop::collection::vec(prop_oneof![Just(b'0'), Just(b'1'), Just(b'\n'), any::<u8>()], 0..80);
        let frame = (any::<u64>(), "[a-z=0-9 ]{1,20}", part.clone(), part).prop_map(|(tag, words, out, err)| Frame {
            tag,
            words,
            out: out.into(),
            err: err.into(),
        });
        prop::collection::vec(frame, 0..5)
    }

    proptest! {
        #[test]
        fn frames_come_out_however_the_stream_is_cut(frames in frames(), noise in "[a-z\n]{0,20}", cut in 1usize..40) {
            let mut stream = noise.into_bytes();
            frames.iter().for_each(|frame| stream.extend(encode(frame)));
            let mut decoder = FrameDecoder::new(NONCE);
            let mut decoded = Vec::new();
            for piece in stream.chunks(cut) {
                decoder.buffer().extend_from_slice(piece);
                decoded.extend(std::iter::from_fn(|| decoder.next()));
            }
            prop_assert_eq!(decoded, frames);
        }
    }

    /// Feeds a beginning, then `x` without end, until the decoder has enough of it; gives what it held at most.
    fn held_of_a_flood(beginning: &str) -> usize {
        let mut decoder = FrameDecoder::new(NONCE);
        decoder.buffer().extend_from_slice(beginning.as_bytes());
        let mut held = 0;
        while decoder.next().is_none() && !decoder.is_flooded() {
            decoder.buffer().extend_from_slice(&[b'x'; 8192]);
            held = held.max(decoder.buffer().len());
        }
        held
    }

    #[test]
    fn of_a_stream_without_end_little_is_kept_and_then_no_more() {
        assert!(held_of_a_flood("") < 32 << 10, "a greeting is dropped as it comes");
        assert!(held_of_a_flood(&format!("{NONCE} 1 rc=0")) < MAX_HEAD + (32 << 10));
        assert!(held_of_a_flood(&format!("{NONCE} 1 rc=0\n")) < MAX_PART + (32 << 10));
        assert!(held_of_a_flood(&format!("{NONCE} 1 rc=0\nout{NONCE}\n")) < MAX_PART + (32 << 10));
    }

    #[test]
    fn a_limit_is_never_read_as_none() {
        assert_eq!(seconds(Duration::from_nanos(1)), "0.001");
        assert_eq!(seconds(Duration::from_millis(1500)), "1.500");
        assert_eq!(seconds(Duration::from_secs(60)), "60");
    }

    #[test]
    fn a_variable_name_that_is_code_is_refused() {
        for name in ["", "1A", "A B", "A=1;rm", "Ä"] {
            assert!(words(&Script::new("true").env(name, "x")).is_err(), "{name}");
        }
        assert!(words(&Script::new("true").env("A", "x\0y")).is_err());
    }
}
