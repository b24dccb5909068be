//! Which page the console shows, and what a key means there. Decides from what is on the screen: a key that was pressed
//! before a question could be read is no answer to it.

use super::keys::Key;
use super::view::{Log, Mood, View};
use crate::model::TaskName;

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Page {
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
pub enum Wish {
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
    pub page: Page,
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
        matches!(self.page, Page::Log(_))
    }

    /// A key, pressed by somebody who sees this.
    pub fn press(&mut self, key: Key, seen: &View) -> Option<Wish> {
        if key == Key::Char('\u{c}') {
            self.anew = true;
            return None;
        }
        match self.page.clone() {
            Page::Overview => return self.overview(key, seen),
            Page::Logs { selected } if key == Key::Enter => {
                let wanted = selected.or_else(|| seen.logs.first().map(|log| log.task.clone()));
                wanted.into_iter().for_each(|task| self.open(Page::Log(task)));
            }
            Page::Logs { selected } if matches!(key, Key::Up | Key::Down) => self.choose(key, selected, seen),
            Page::Log(task) if back(key) => self.open(Page::Logs { selected: Some(task) }),
            Page::Details if key == Key::Char('l') => self.open(Page::Logs { selected: None }),
            _ if back(key) => self.open(Page::Overview),
            _ => self.move_to(key),
        }
        None
    }

    fn overview(&mut self, key: Key, seen: &View) -> Option<Wish> {
        if self.confirming {
            self.confirming = false;
            return (key == Key::Char('y')).then_some(Wish::Stop);
        }
        let asked = seen.asked.as_ref().map(|(task, _)| task.clone());
        let stops = matches!(seen.mood, Mood::Stopping { .. } | Mood::Ending);
        match (key, asked) {
            (Key::Char('y'), Some(task)) => return Some(Wish::Answer { task, yes: true }),
            (Key::Char('n'), Some(task)) => return Some(Wish::Answer { task, yes: false }),
            (Key::Char('d'), _) => self.open(Page::Details),
            (Key::Char('l'), _) => self.open(Page::Logs { selected: None }),
            (Key::Char('?' | 'h'), _) => self.open(Page::Help),
            (Key::Char('p'), _) if !stops => return Some(Wish::Pause(!matches!(seen.mood, Mood::Paused { .. }))),
            (Key::Char('q'), _) if !stops => self.confirming = true,
            _ => {}
        }
        None
    }

    fn open(&mut self, page: Page) {
        (self.page, self.scroll) = (page, 0);
    }

    fn choose(&mut self, key: Key, selected: Option<TaskName>, seen: &View) {
        let place = place_of(&selected, &seen.logs);
        let next = if key == Key::Up { place.saturating_sub(1) } else { place + 1 };
        let log = seen.logs.get(next.min(seen.logs.len().saturating_sub(1)));
        self.page = Page::Logs { selected: log.map(|log| log.task.clone()) };
    }

    fn move_to(&mut self, key: Key) {
        const PAGE: isize = 10;
        const ALL: isize = 1 << 30;
        let down = match key {
            Key::Up => -1,
            Key::Down => 1,
            Key::PageUp => -PAGE,
            Key::PageDown => PAGE,
            Key::Home => -ALL,
            Key::End => ALL,
            _ => 0,
        };
        let by = if self.follows() { -down } else { down };
        self.scroll = self.scroll.saturating_add_signed(by).min(self.farthest);
    }
}

/// Where the selected log stands in its list.
pub fn place_of(selected: &Option<TaskName>, logs: &[Log]) -> usize {
    logs.iter().position(|log| Some(&log.task) == selected.as_ref()).unwrap_or(0)
}

fn back(key: Key) -> bool {
    matches!(key, Key::Escape | Key::Char('q'))
}
