//! A real terminal: a shell in tmux, keys sent to it, and its screen as somebody would see it.

use super::program::Program;
use std::process::Command;
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// Whatever is awaited on the screen comes by then, however busy the machine is.
const PATIENCE: Duration = Duration::from_secs(180);

pub struct Terminal {
    /// Where tmux has its socket: this one is nobody else's.
    folder: TempDir,
}

impl Terminal {
    /// A shell in a program's folder, whose prompt is `$ `, with these variables beside those of the program.
    pub fn of(program: &Program, variables: &[(&str, &str)], columns: u32, rows: u32) -> Terminal {
        let terminal = Terminal { folder: tempfile::tempdir().unwrap() };
        let binary = std::path::Path::new(env!("CARGO_BIN_EXE_surefoot")).parent().unwrap().display();
        let path = format!("{binary}:{}", std::env::var("PATH").unwrap());
        let mut shell = format!(
            "cd {} && exec env PS1='$ ' PATH='{path}' LC_ALL=C.UTF-8 SUREFOOT_STATE='{}'",
            program.path("").display(),
            program.state_folder().display()
        );
        variables.iter().for_each(|(name, value)| shell += &format!(" {name}='{value}'"));
        shell += " bash --norc --noprofile -i";
        let (columns, rows) = (columns.to_string(), rows.to_string());
        terminal.tmux(&["-u", "new-session", "-d", "-x", &columns, "-y", &rows, &shell]);
        terminal.until(&["$"]);
        terminal
    }

    fn tmux(&self, words: &[&str]) -> String {
        let mut command = Command::new("tmux");
        command.args(["-L", "test", "-f", "/dev/null"]).args(words).env("TMUX_TMPDIR", self.folder.path());
        let output = command.env_remove("TMUX").output().unwrap();
        assert!(output.status.success(), "{words:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    /// Types a line.
    pub fn line(&self, text: &str) {
        self.tmux(&["send-keys", "-l", text]);
        self.press("Enter");
    }

    /// Presses a key, by tmux's name for it.
    pub fn press(&self, key: &str) {
        self.tmux(&["send-keys", key]);
    }

    pub fn resize(&self, columns: u32, rows: u32) {
        self.tmux(&["resize-window", "-x", &columns.to_string(), "-y", &rows.to_string()]);
    }

    /// What stands on the screen now.
    pub fn screen(&self) -> String {
        self.tmux(&["capture-pane", "-p"])
    }

    /// The same, with the colours as escape sequences.
    pub fn coloured(&self) -> String {
        self.tmux(&["capture-pane", "-p", "-e"])
    }

    /// What stands on the screen, and all that has scrolled by.
    pub fn history(&self) -> String {
        self.tmux(&["capture-pane", "-p", "-J", "-S", "-"])
    }

    /// Whether the cursor is shown, and whether it is the other screen that a program may draw on.
    pub fn modes(&self) -> String {
        self.tmux(&["display-message", "-p", "#{cursor_flag} #{alternate_on}"]).trim().to_owned()
    }

    /// Waits until all of these stand on the screen; gives it.
    #[track_caller]
    pub fn until(&self, words: &[&str]) -> String {
        self.until_screen(|screen| words.iter().all(|word| screen.contains(word)), &format!("{words:?}"))
    }

    /// Waits until none of these stands on the screen; gives it.
    #[track_caller]
    pub fn until_gone(&self, words: &[&str]) -> String {
        self.until_screen(|screen| !words.iter().any(|word| screen.contains(word)), &format!("none of {words:?}"))
    }

    #[track_caller]
    fn until_screen(&self, fits: impl Fn(&str) -> bool, what: &str) -> String {
        let end = Instant::now() + PATIENCE;
        loop {
            let screen = self.screen();
            if fits(&screen) {
                return screen;
            }
            assert!(Instant::now() < end, "the screen never shows {what}:\n{screen}");
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let mut command = Command::new("tmux");
        command.args(["-L", "test", "kill-server"]).env("TMUX_TMPDIR", self.folder.path()).env_remove("TMUX");
        // It is gone already where its shell has ended.
        let _ = command.output();
    }
}
