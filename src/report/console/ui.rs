//! Which page the console shows, and what a key means there. Decides from what is on the screen: a key that was pressed
//! before a question could be read is no answer to it.

use super::keys::KeyPress;
use super::view::{Mood, TaskLog, View};
use surefoot_engine::model::TaskName;

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum ConsolePage {
    #[default]
    Overview,
    Details,
    Logs {
        /// None: the first.
        selected: Option<TaskName>,
    },
    Log(TaskName),
    Help,
}

/// What the person at the console wants of the run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ConsoleRequest {
    Pause(bool),
    /// What runs finishes, nothing new starts.
    Stop,
    Answer {
        task: TaskName,
        yes: bool,
    },
}

#[derive(Default)]
pub struct Ui {
    pub page: ConsolePage,
    /// Lines from the top; of a log, from its end.
    pub scroll: usize,
    /// How far the page on the screen can be scrolled.
    pub farthest: usize,
    /// Asks whether to stop.
    pub confirming: bool,
    /// The screen may have been written over.
    pub anew: bool,
}

impl Ui {
    /// Whether the page shows its end where it is not scrolled.
    pub fn follows(&self) -> bool {
        matches!(self.page, ConsolePage::Log(_))
    }

    /// A key, pressed by somebody who sees this.
    pub fn press(&mut self, key: KeyPress, seen: &View) -> Option<ConsoleRequest> {
        if key == KeyPress::Char('\u{c}') {
            self.anew = true;
            return None;
        }
        match self.page.clone() {
            ConsolePage::Overview => return self.overview(key, seen),
            ConsolePage::Logs { selected } if key == KeyPress::Enter => {
                let wanted = selected.or_else(|| seen.logs.first().map(|log| log.task.clone()));
                wanted.into_iter().for_each(|task| self.open(ConsolePage::Log(task)));
            }
            ConsolePage::Logs { selected } if matches!(key, KeyPress::Up | KeyPress::Down) => {
                self.choose(key, selected, seen)
            }
            ConsolePage::Log(task) if back(key) => self.open(ConsolePage::Logs { selected: Some(task) }),
            ConsolePage::Details if key == KeyPress::Char('l') => self.open(ConsolePage::Logs { selected: None }),
            _ if back(key) => self.open(ConsolePage::Overview),
            _ => self.move_to(key),
        }
        None
    }

    fn overview(&mut self, key: KeyPress, seen: &View) -> Option<ConsoleRequest> {
        if self.confirming {
            self.confirming = false;
            return (key == KeyPress::Char('y')).then_some(ConsoleRequest::Stop);
        }
        let asked = seen.asked.as_ref().map(|(task, _)| task.clone());
        let stops = matches!(seen.mood, Mood::Stopping { .. } | Mood::Ending);
        match (key, asked) {
            (KeyPress::Char('y'), Some(task)) => return Some(ConsoleRequest::Answer { task, yes: true }),
            (KeyPress::Char('n'), Some(task)) => return Some(ConsoleRequest::Answer { task, yes: false }),
            (KeyPress::Char('d'), _) => self.open(ConsolePage::Details),
            (KeyPress::Char('l'), _) => self.open(ConsolePage::Logs { selected: None }),
            (KeyPress::Char('?' | 'h'), _) => self.open(ConsolePage::Help),
            (KeyPress::Char('p'), _) if !stops => {
                return Some(ConsoleRequest::Pause(!matches!(seen.mood, Mood::Paused { .. })));
            }
            (KeyPress::Char('q'), _) if !stops => self.confirming = true,
            _ => {}
        }
        None
    }

    fn open(&mut self, page: ConsolePage) {
        (self.page, self.scroll) = (page, 0);
    }

    fn choose(&mut self, key: KeyPress, selected: Option<TaskName>, seen: &View) {
        let place = place_of(&selected, &seen.logs);
        let next = if key == KeyPress::Up { place.saturating_sub(1) } else { place + 1 };
        let log = seen.logs.get(next.min(seen.logs.len().saturating_sub(1)));
        self.page = ConsolePage::Logs { selected: log.map(|log| log.task.clone()) };
    }

    fn move_to(&mut self, key: KeyPress) {
        const PAGE: isize = 10;
        const ALL: isize = 1 << 30;
        let down = match key {
            KeyPress::Up => -1,
            KeyPress::Down => 1,
            KeyPress::PageUp => -PAGE,
            KeyPress::PageDown => PAGE,
            KeyPress::Home => -ALL,
            KeyPress::End => ALL,
            _ => 0,
        };
        let by = if self.follows() { -down } else { down };
        self.scroll = self.scroll.saturating_add_signed(by).min(self.farthest);
    }
}

/// Where the selected log stands in its list.
pub fn place_of(selected: &Option<TaskName>, logs: &[TaskLog]) -> usize {
    logs.iter().position(|log| Some(&log.task) == selected.as_ref()).unwrap_or(0)
}

fn back(key: KeyPress) -> bool {
    matches!(key, KeyPress::Escape | KeyPress::Char('q'))
}
