//! Text as words of POSIX sh: the only place where anything is quoted.

/// One word that a POSIX shell reads as exactly `text`. The text must hold no NUL: no word can.
pub fn quote(text: &str) -> String {
    let mut word = String::with_capacity(text.len() + 2);
    word.push('\'');
    for part in text.split_inclusive('\'') {
        match part.strip_suffix('\'') {
            Some(before) => {
                word.push_str(before);
                word.push_str("'\\''");
            }
            None => word.push_str(part),
        }
    }
    word.push('\'');
    word
}

/// One word that `printf %b` turns into exactly `bytes`, whatever they are: how binary input passes through a shell.
/// Plain text grows little, random bytes about fourfold.
pub fn quote_bytes(bytes: &[u8]) -> String {
    let mut escaped = String::with_capacity(bytes.len() + bytes.len() / 8);
    for &byte in bytes {
        match byte {
            b'\\' => escaped.push_str("\\\\"),
            b'\n' | b'\t' | b' '..=b'~' => escaped.push(char::from(byte)),
            _ => {
                escaped.push_str("\\0");
                escaped.extend([byte >> 6, byte >> 3 & 7, byte & 7].map(|digit| char::from(b'0' + digit)));
            }
        }
    }
    quote(&escaped)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::io::Write;
    use std::process::{Command, Stdio};

    const SHELLS: [&[&str]; 3] = [&["dash"], &["bash", "--posix"], &["busybox", "sh"]];

    /// What each installed shell writes when the script is on its standard input, as the host's side has it.
    fn run(script: &str) -> Vec<Vec<u8>> {
        let installed = SHELLS.iter().filter(|shell| Command::new(shell[0]).arg("--help").output().is_ok());
        let outputs: Vec<_> = std::iter::once(&["sh"][..])
            .chain(installed.copied())
            .map(|shell| {
                let mut child = Command::new(shell[0])
                    .args(&shell[1..])
                    .stdin(Stdio::piped())
                    .stdout(Stdio::piped())
                    .spawn()
                    .expect("the shell starts");
                let mut stdin = child.stdin.take().expect("piped");
                let script = script.to_owned();
                let writer = std::thread::spawn(move || stdin.write_all(script.as_bytes()));
                let output = child.wait_with_output().expect("the shell ends");
                writer.join().expect("the writer ends").expect("the shell reads it all");
                output.stdout
            })
            .collect();
        outputs
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]

        #[test]
        fn a_shell_reads_a_quoted_word_as_the_text(text in "[^\\x00]{0,60}") {
            for stdout in run(&format!("printf '%s.' {}\n", quote(&text))) {
                prop_assert_eq!(stdout, format!("{text}.").into_bytes());
            }
        }

        #[test]
        fn a_shell_reads_words_apart(texts in prop::collection::vec("[ '\"\\\\$`\n*a-c\\x01\\x7f\u{80}-\u{ff}]{0,12}", 0..6)) {
            let words: Vec<String> = texts.iter().map(|text| quote(text)).collect();
            let expected: String = std::iter::once(texts.len().to_string()).chain(texts).map(|t| t + ".").collect();
            for stdout in run(&format!("set -- {}; printf '%s.' $# \"$@\"\n", words.join(" "))) {
                // `printf` runs its format once without arguments, but there is always the count.
                prop_assert_eq!(String::from_utf8_lossy(&stdout), expected.as_str());
            }
        }

        #[test]
        fn any_bytes_pass_through_printf(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            for stdout in run(&format!("printf %b {}\n", quote_bytes(&bytes))) {
                prop_assert_eq!(&stdout, &bytes);
            }
        }
    }

    #[test]
    fn every_byte_before_digits_passes() {
        let bytes: Vec<u8> = (0..=255u8).flat_map(|byte| [byte, b'7', b'0', b'\\', b'c']).collect();
        for stdout in run(&format!("printf %b {}\n", quote_bytes(&bytes))) {
            assert_eq!(stdout, bytes);
        }
    }
}
