//! What is shown, and what keys and news do to it.
//!
//! Must not know: terminals, files, processes. It takes in what has happened and tells what is to be done.

use std::collections::{HashMap, VecDeque};

use lineprof::profile::{FunctionProfile, Profile};
use lineprof::units::Bytes;

use super::keys::{Mode, Wish};
use super::rows::{self, FunctionKey, FunctionOrder, FunctionRow, LineOrder, LineRow, Zero};

/// Readings of memory that are kept: a quarter of an hour and more.
const MOST_READINGS: usize = 4096;

/// How the process came to be profiled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Subject {
    Started,
    Attached,
}

/// A part of the screen that keys are for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pane {
    Functions,
    Source,
}

/// What is to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Deed {
    /// SIGINT to the program.
    Interrupt,
    /// SIGTERM to it.
    Terminate,
    /// SIGKILL to it.
    Kill,
    /// The profile ends, and the process runs on.
    EndProfile,
    /// The view is closed.
    Close,
    /// The job is stopped, as Ctrl-Z stops others.
    Suspend,
}

/// How far it has come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Progress {
    Running,
    /// The profile is at its end; how that came.
    Ended(String),
}

/// What is shown.
#[derive(Debug)]
pub(super) struct State {
    pub(super) subject: Subject,
    pub(super) title: String,
    pub(super) progress: Progress,
    pub(super) mode: Mode,
    pub(super) pane: Pane,
    pub(super) function_order: FunctionOrder,
    pub(super) line_order: LineOrder,
    /// Readings of memory, the latest last.
    pub(super) memory: VecDeque<Bytes>,
    pub(super) peak: Bytes,
    pub(super) paused: bool,
    pub(super) was_reset: bool,
    /// What is searched for, while it is typed as well.
    pub(super) wanted: String,
    /// A word about the last key.
    pub(super) message: Option<String>,
    /// The last lines that the program has written.
    pub(super) output: VecDeque<String>,
    /// The rows that a screen of the source has, for keys that move by one.
    pub(super) page: usize,
    /// The view closes when the profile is at its end.
    closing: bool,
    zero: Zero,
    shown: Option<Profile>,
    /// What came while the display was paused.
    latest: Option<Profile>,
    selected: Option<FunctionKey>,
    line: usize,
    sources: HashMap<String, Vec<String>>,
}

impl State {
    pub(super) fn new(subject: Subject, title: String) -> State {
        State {
            subject,
            title,
            progress: Progress::Running,
            mode: Mode::Looking,
            pane: Pane::Functions,
            function_order: FunctionOrder::Increment,
            line_order: LineOrder::Line,
            memory: VecDeque::new(),
            peak: Bytes(0),
            paused: false,
            was_reset: false,
            wanted: String::new(),
            message: None,
            output: VecDeque::new(),
            page: 10,
            closing: false,
            zero: Zero::default(),
            shown: None,
            latest: None,
            selected: None,
            line: 0,
            sources: HashMap::new(),
        }
    }

    /// The profile so far has come.
    pub(super) fn so_far(&mut self, profile: Profile, memory: Bytes) {
        // A process that is about to end has none left.
        if memory > Bytes(0) {
            if self.memory.len() == MOST_READINGS {
                self.memory.pop_front();
            }
            self.memory.push_back(memory);
        }
        let seen = profile.functions.iter().filter_map(|function| function.peak);
        self.peak = seen.chain([self.peak, memory]).max().unwrap_or(memory);
        self.take(profile);
    }

    /// The profile has come to its end; what is to be done then.
    pub(super) fn ended(&mut self, how: String, profile: Option<Profile>) -> Option<Deed> {
        self.progress = Progress::Ended(how);
        if self.mode == Mode::Leaving {
            self.mode = Mode::Looking;
        }
        if let Some(profile) = profile {
            let seen = profile.functions.iter().filter_map(|function| function.peak);
            self.peak = seen.chain([self.peak]).max().unwrap_or(self.peak);
            self.take(profile);
        }
        self.closing.then_some(Deed::Close)
    }

    fn take(&mut self, profile: Profile) {
        if self.paused {
            self.latest = Some(profile);
            return;
        }
        self.shown = Some(profile);
        if self.selected.is_none() {
            // Chosen as soon as one has run, so that something is to be seen.
            self.selected = self
                .functions()
                .into_iter()
                .find(|row| row.ran)
                .map(|row| row.key);
        }
    }

    /// The program has written lines.
    pub(super) fn wrote(&mut self, lines: impl IntoIterator<Item = String>, most: usize) {
        self.output.extend(lines);
        let over = self.output.len().saturating_sub(most);
        self.output.drain(..over);
    }

    /// The text of a file, one line each; none where it cannot be read.
    pub(super) fn read(&mut self, file: String, lines: Vec<String>) {
        self.sources.insert(file, lines);
    }

    /// The files that are to be shown and have not been read.
    pub(super) fn unread(&self) -> Vec<String> {
        let Some(function) = self.function() else {
            return Vec::new();
        };
        let others = function.lines.iter().filter(|line| line.memory.is_some());
        let files = others
            .filter_map(|line| line.file.as_ref())
            .chain([&function.file]);
        let mut unread: Vec<String> = files
            .filter(|file| !self.sources.contains_key(*file))
            .cloned()
            .collect();
        unread.sort_unstable();
        unread.dedup();
        unread
    }

    /// The functions in their order.
    pub(super) fn functions(&self) -> Vec<FunctionRow> {
        let shown = self.shown.as_ref();
        shown.map_or_else(Vec::new, |profile| {
            rows::functions(profile, &self.zero, self.function_order)
        })
    }

    /// The function whose source is shown.
    pub(super) fn function(&self) -> Option<&FunctionProfile> {
        let selected = self.selected.as_ref()?;
        let mut functions = self.shown.as_ref()?.functions.iter();
        functions.find(|function| FunctionKey::of(function) == *selected)
    }

    /// Which of `functions` that is.
    pub(super) fn selected(&self, functions: &[FunctionRow]) -> Option<usize> {
        let selected = self.selected.as_ref()?;
        functions.iter().position(|row| row.key == *selected)
    }

    /// The lines of the function that is shown.
    pub(super) fn lines(&self) -> Vec<LineRow> {
        let function = self.function();
        function.map_or_else(Vec::new, |function| {
            rows::lines(function, &self.zero, self.line_order, &self.sources)
        })
    }

    /// Which of `count` lines the cursor is on.
    pub(super) fn line(&self, count: usize) -> usize {
        self.line.min(count.saturating_sub(1))
    }

    pub(super) fn is_running(&self) -> bool {
        self.progress == Progress::Running
    }

    /// A signal to lineprof itself asks for the end.
    pub(super) fn asked_to_end(&mut self) -> Deed {
        match (self.is_running(), self.subject) {
            (false, _) => Deed::Close,
            (true, Subject::Started) => {
                self.closing = true;
                Deed::Terminate
            }
            (true, Subject::Attached) => {
                self.closing = true;
                Deed::EndProfile
            }
        }
    }

    /// A key was pressed; what is to be done.
    pub(super) fn wish(&mut self, wish: Wish) -> Option<Deed> {
        self.message = None;
        match wish {
            Wish::Suspend => return Some(Deed::Suspend),
            Wish::Interrupt => return Some(self.interrupt()),
            Wish::Quit => return self.quit(),
            Wish::Terminate => return self.leave(Deed::Terminate),
            Wish::Kill => return self.leave(Deed::Kill),
            Wish::LetRun => return self.leave(Deed::EndProfile),
            Wish::Move(by) => self.go(|at, _| at.saturating_add_signed(by as isize)),
            Wish::Page(by) => {
                let page = self.page.max(1) as isize;
                self.go(|at, _| at.saturating_add_signed(by as isize * page));
            }
            Wish::First => self.go(|_, _| 0),
            Wish::Last => self.go(|_, count| count),
            Wish::NextPane | Wish::PreviousPane => {
                self.pane = match self.pane {
                    Pane::Functions => Pane::Source,
                    Pane::Source => Pane::Functions,
                }
            }
            Wish::Sort => match self.pane {
                Pane::Functions => self.function_order = self.function_order.next(),
                Pane::Source => self.line_order = self.line_order.next(),
            },
            Wish::Pause => self.pause(),
            Wish::Reset => self.reset(),
            Wish::Help => self.mode = Mode::Help,
            Wish::Search => {
                self.mode = Mode::Typing;
                self.wanted.clear();
            }
            Wish::Type(character) => self.wanted.push(character),
            Wish::Erase => {
                self.wanted.pop();
            }
            Wish::Accept => {
                self.mode = Mode::Looking;
                self.find(Direction::Here);
            }
            Wish::NextMatch => self.find(Direction::Forth),
            Wish::PreviousMatch => self.find(Direction::Back),
            Wish::Back => {
                if self.mode == Mode::Typing {
                    self.wanted.clear();
                }
                self.mode = Mode::Looking;
            }
        }
        None
    }

    fn quit(&mut self) -> Option<Deed> {
        match (self.is_running(), self.subject) {
            (false, _) => Some(Deed::Close),
            (true, Subject::Attached) => {
                self.closing = true;
                Some(Deed::EndProfile)
            }
            (true, Subject::Started) => {
                self.mode = Mode::Leaving;
                None
            }
        }
    }

    /// As Ctrl-C does where there is no view: the program's business, or the end of the profile.
    fn interrupt(&mut self) -> Deed {
        match (self.is_running(), self.subject) {
            (false, _) => Deed::Close,
            (true, Subject::Attached) => {
                self.closing = true;
                Deed::EndProfile
            }
            (true, Subject::Started) => {
                self.closing = true;
                self.message = Some("the program was sent SIGINT; q: other ways to end it".into());
                Deed::Interrupt
            }
        }
    }

    fn leave(&mut self, deed: Deed) -> Option<Deed> {
        self.mode = Mode::Looking;
        self.closing = true;
        if deed == Deed::Terminate {
            self.message = Some("the program was sent SIGTERM; q: other ways to end it".into());
        }
        Some(deed)
    }

    fn pause(&mut self) {
        self.paused = !self.paused;
        if !self.paused
            && let Some(latest) = self.latest.take()
        {
            self.take(latest);
        }
    }

    fn reset(&mut self) {
        match &self.shown {
            Some(_) if self.was_reset => {
                self.zero = Zero::default();
                self.was_reset = false;
            }
            Some(shown) => {
                self.zero = Zero::at(shown);
                self.was_reset = true;
            }
            None => {}
        }
    }

    /// Moves the cursor of the pane; `to` has where it is, and how many rows there are.
    fn go(&mut self, to: impl FnOnce(usize, usize) -> usize) {
        match self.pane {
            Pane::Functions => {
                let functions = self.functions();
                let at = self.selected(&functions).unwrap_or(0);
                let last = functions.len().saturating_sub(1);
                self.select(functions.get(to(at, functions.len()).min(last)));
            }
            Pane::Source => {
                let count = self.lines().len();
                let at = self.line(count);
                self.line = to(at, count).min(count.saturating_sub(1));
            }
        }
    }

    fn select(&mut self, row: Option<&FunctionRow>) {
        let key = row.map(|row| row.key.clone());
        if key.is_some() && key != self.selected {
            self.selected = key;
            self.line = 0;
        }
    }

    /// Goes to a row of the pane with what is wanted.
    fn find(&mut self, direction: Direction) {
        if self.wanted.is_empty() {
            return;
        }
        let functions = self.functions();
        let (texts, at): (Vec<String>, usize) = match self.pane {
            Pane::Functions => (
                functions.iter().map(|row| row.name.clone()).collect(),
                self.selected(&functions).unwrap_or(0),
            ),
            Pane::Source => {
                let lines = self.lines();
                let at = self.line(lines.len());
                (lines.into_iter().map(|row| row.text).collect(), at)
            }
        };
        match next_match(&texts, &self.wanted, at, direction) {
            Some(found) => match self.pane {
                Pane::Functions => self.select(functions.get(found)),
                Pane::Source => self.line = found,
            },
            None => self.message = Some(format!("nothing here has `{}`", self.wanted)),
        }
    }
}

/// Where a search goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Direction {
    /// On from the row where it begins, which counts.
    Here,
    Forth,
    Back,
}

/// The next text with `wanted`, around the end; upper and lower case are alike, unless some of it is upper case.
fn next_match(texts: &[String], wanted: &str, at: usize, direction: Direction) -> Option<usize> {
    let exact = wanted.chars().any(char::is_uppercase);
    let has = |text: &String| {
        if exact {
            text.contains(wanted)
        } else {
            text.to_lowercase().contains(wanted)
        }
    };
    let count = texts.len();
    let place = |steps: usize| match direction {
        Direction::Here => (at + steps) % count,
        Direction::Forth => (at + 1 + steps) % count,
        Direction::Back => (at + 2 * count - 1 - steps) % count,
    };
    (0..count).map(place).find(|place| has(&texts[*place]))
}

#[cfg(test)]
mod tests;
