//! The loop of the view: waits for a key, a signal, a word of the engine or the time to ask it, and draws.
//!
//! Must not know: ptrace, what is where on the screen.

use std::fs::File;
use std::io::{self, BufReader, Write};
use std::os::fd::AsFd;
use std::path::Path;
use std::process::ExitCode;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SendError, Sender, channel};
use std::time::{Duration, Instant};

use crossterm::event::{self, Event};
use lineprof::own::{SO_FAR, STOP, Word};
use lineprof::profile::Report;
use lineprof::profiler::SignalMask;
use lineprof::source::SourceCache;
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{SigSet, Signal, kill};
use nix::unistd::Pid;

use super::draw::OUTPUT;
use super::engine::{self, Engine};
use super::keys;
use super::output::Output;
use super::screen::{self, Screen};
use super::state::{Deed, State, Subject};
use crate::cli::args::{Profile, Top};
use crate::cli::attach::BREAKPOINTS_LEFT;
use crate::cli::hint::{Failure, reason};
use crate::cli::output::Destination;
use crate::cli::{notes, profile};

/// From one answer of the engine to the next question, at least.
const OFTEN: Duration = Duration::from_millis(250);

/// The engine makes profiles in no more than one part in so many of its time.
const PART: u32 = 10;

/// Something that has happened.
enum News {
    Key(Event),
    /// `None` when the engine will say no more.
    Word(Box<Option<Word>>),
    Signal(Signal),
}

/// Shows a profile while it grows, and prints it in the end; the program's exit code, or one of ours.
pub(crate) fn run(args: &Top) -> ExitCode {
    match View::begin(&args.profile).and_then(View::run) {
        Ok(code) => code,
        Err(failure) => failure.say(),
    }
}

fn check(args: &Profile) -> Result<(), Failure> {
    let breaks = args.breaking.break_at.is_some() || args.breaking.break_inc.is_some();
    if breaks {
        return Err(
            Failure::new("`lineprof top` does not break where memory crosses a limit")
                .hint("without `top`: lineprof --break-at SIZE ..."),
        );
    }
    if args.timeline.is_some() {
        return Err(Failure::new("`lineprof top` writes no timeline")
            .hint("without `top`: lineprof --timeline FILE ..."));
    }
    args.means.check(args.metric)?;
    if args.family.children || args.family.merge_children {
        return Err(Failure::new("`lineprof top` shows one process").hint(
            "attach to the child: `lineprof top --pid PID`; or, without `top`, `lineprof --children ...`",
        ));
    }
    match screen::terminal() {
        Ok(_) => Ok(()),
        Err(error) => Err(Failure::new(format!(
            "cannot open the terminal /dev/tty: {}",
            reason(&error)
        ))
        .hint("`lineprof top` is for a terminal; elsewhere the same without `top` prints a table in the end")),
    }
}

/// The view, and all that it holds.
struct View<'a> {
    args: &'a Profile,
    to: Destination,
    state: State,
    screen: Option<Screen>,
    output: Output,
    engine: Engine,
    news: Receiver<News>,
    teller: Sender<News>,
    pid: Option<Pid>,
    /// When the engine was asked, where it has not answered.
    asked: Option<Instant>,
    next: Instant,
    sources: SourceCache,
    code: Option<u8>,
    /// What the engine said last.
    last: Option<Word>,
}

impl View<'_> {
    fn begin(args: &Profile) -> Result<View<'_>, Failure> {
        check(args)?;
        let subject = if args.pid.is_some() {
            Subject::Attached
        } else {
            Subject::Started
        };
        let usual = match subject {
            Subject::Started => Destination::Stderr,
            Subject::Attached => Destination::Stdout,
        };
        let to = Destination::new(args.writing.output.as_deref(), usual);
        to.check().map_err(|error| profile::not_written(&to, &error))?;
        let title = match args.pid {
            Some(pid) => format!("process {pid}"),
            None => {
                profile::launch(&args.program, SignalMask::of_this_thread())?;
                let words: Vec<String> = args.program.iter().map(|w| w.display().to_string()).collect();
                words.join(" ")
            }
        };
        let failed =
            |what: &str, error: &io::Error| Failure::new(format!("cannot {what}: {}", reason(error)));
        let (teller, news) = channel();
        let output = Output::new().map_err(|error| {
            failed("keep what the program writes", &error).hint("set TMPDIR to a folder that can be written")
        })?;
        let engine = engine::start(subject == Subject::Attached, &output)
            .map_err(|error| failed("start the tracing process", &error))?;
        // Not before: the engine, and by it the program, would inherit that they are blocked.
        take_signals(teller.clone()).map_err(|errno| failed("take signals", &errno.into()))?;
        listen(&engine, teller.clone()).map_err(|error| failed("hear the tracing process", &error))?;
        Ok(View {
            args,
            to,
            state: State::new(subject, title),
            screen: None,
            output,
            engine,
            news,
            teller,
            pid: None,
            asked: None,
            next: Instant::now(),
            sources: SourceCache::new(),
            code: None,
            last: None,
        })
    }

    fn run(mut self) -> Result<ExitCode, Failure> {
        loop {
            let wait = self.next.saturating_duration_since(Instant::now());
            let deed = match self.news.recv_timeout(wait) {
                Ok(news) => self.take(news)?,
                Err(RecvTimeoutError::Timeout) => {
                    self.look();
                    None
                }
                Err(RecvTimeoutError::Disconnected) => unreachable!("the view has a sender itself"),
            };
            if let Some(deed) = deed
                && self.carry_out(deed) == Next::Close
            {
                break;
            }
            self.draw();
        }
        self.close()
    }

    /// Takes in what has happened; what is to be done.
    fn take(&mut self, news: News) -> Result<Option<Deed>, Failure> {
        Ok(match news {
            News::Key(Event::Key(key)) => {
                let wish = keys::wish(key, self.state.mode);
                wish.and_then(|wish| self.state.wish(wish))
            }
            News::Key(_) => None,
            News::Signal(Signal::SIGTSTP) => Some(Deed::Suspend),
            News::Signal(Signal::SIGCONT) => {
                // Stopped by a signal that nobody hears: the terminal may be another's work by now.
                if let Some(screen) = &mut self.screen {
                    let _gone = screen.take_again();
                }
                None
            }
            News::Signal(Signal::SIGINT) => self.state.wish(keys::Wish::Interrupt),
            News::Signal(_) => {
                // Whoever sent it wants the terminal back, or there is none any more.
                self.screen = None;
                Some(self.state.asked_to_end())
            }
            News::Word(word) => return self.hear(*word),
        })
    }

    fn hear(&mut self, word: Option<Word>) -> Result<Option<Deed>, Failure> {
        match word {
            Some(Word::Selected { by, functions, sites }) => {
                notes::selected(&profile::selection(self.args), by, functions, sites);
            }
            Some(Word::Unmatched { patterns }) => notes::not_found(&patterns),
            Some(Word::Loaded { path, functions, .. }) => {
                let path = path.display();
                self.state.message = Some(format!("{functions} functions of {path} are profiled"));
            }
            Some(Word::Running { pid }) => {
                self.pid = Some(Pid::from_raw(pid));
                self.open()?;
            }
            Some(Word::SoFar { profile, memory }) => {
                let took = self.asked.take().map_or(Duration::ZERO, |asked| asked.elapsed());
                self.next = Instant::now() + OFTEN.max(took * PART);
                self.state.so_far(*profile, memory);
                self.read_output();
            }
            Some(Word::Exited { code }) => self.code = Some(code),
            Some(Word::Crossed(_) | Word::FirstEnded) => {}
            Some(last @ (Word::Report { .. } | Word::Failed(_))) => {
                let profile = match &last {
                    Word::Report { report, .. } => report.profiles().first().cloned(),
                    _ => None,
                };
                let how = self.how_it_ended(&last);
                self.last = Some(last);
                self.read_output();
                let deed = self.state.ended(how, profile);
                // A failure is told by itself, and there is nothing to look at.
                let failed = matches!(self.last, Some(Word::Failed(_)));
                let unseen = self.screen.is_none();
                return Ok(if failed || unseen { Some(Deed::Close) } else { deed });
            }
            None if self.last.is_none() => {
                let how = self.engine.process.wait();
                let how = how.map_or_else(|error| reason(&error), |status| status.to_string());
                self.screen = None;
                let failure = Failure::new(format!("the tracing process has ended without a report: {how}"));
                return Err(failure.hint(match self.state.subject {
                    Subject::Started => "the program has ended with it",
                    Subject::Attached => BREAKPOINTS_LEFT,
                }));
            }
            None => {}
        }
        Ok(None)
    }

    /// Opens the view: there is something to see.
    fn open(&mut self) -> Result<(), Failure> {
        let failed = |error: &io::Error| Failure::new(format!("cannot use the terminal: {}", reason(error)));
        self.screen = Some(Screen::open().map_err(|error| failed(&error))?);
        let terminal = screen::terminal().map_err(|error| failed(&error))?;
        let teller = self.teller.clone();
        std::thread::spawn(move || {
            let _nobody_listens = hand_on_keys(&terminal, &teller);
        });
        Ok(())
    }

    /// Asks the engine, unless it has not answered yet or there is nothing to ask any more.
    fn look(&mut self) {
        self.next = Instant::now() + OFTEN;
        self.read_output();
        if self.asked.is_none() && self.pid.is_some() && self.state.is_running() {
            self.asked = Some(Instant::now());
            self.tell(SO_FAR);
        }
    }

    fn tell(&mut self, word: &[u8]) {
        // An engine that has ended is heard of by its last word.
        let _ended = self.engine.to.write_all(word);
    }

    fn read_output(&mut self) {
        match self.output.lines() {
            Ok(lines) => self.state.wrote(lines, usize::from(OUTPUT)),
            Err(error) => self.state.message = Some(format!("cannot read what the program writes: {error}")),
        }
    }

    fn read_sources(&mut self) {
        for file in self.state.unread() {
            let source = self.sources.read(Path::new(&file));
            let lines = source.map_or_else(
                |_| Vec::new(),
                |source| (1..).map_while(|n| source.line(n).map(str::to_owned)).collect(),
            );
            self.state.read(file, lines);
        }
    }

    fn draw(&mut self) {
        self.read_sources();
        if let Some(screen) = &mut self.screen
            && let Err(error) = screen.draw(&mut self.state)
        {
            // A terminal that is gone is told of by SIGHUP, too.
            tracing::debug!(%error, "not drawn");
        }
    }

    fn carry_out(&mut self, deed: Deed) -> Next {
        match deed {
            Deed::Close => return Next::Close,
            Deed::EndProfile => self.tell(STOP),
            Deed::Interrupt => self.send(Signal::SIGINT),
            Deed::Terminate => self.send(Signal::SIGTERM),
            Deed::Kill => self.send(Signal::SIGKILL),
            Deed::Suspend => {
                let stopped = match &mut self.screen {
                    Some(screen) => screen.suspend(),
                    None => screen::stop(),
                };
                if let Err(error) = stopped {
                    self.state.message = Some(format!("cannot stop: {}", reason(&error)));
                }
            }
        }
        Next::GoOn
    }

    /// Sends a signal to the program; before there is one, the engine is told to end.
    fn send(&mut self, signal: Signal) {
        match self.pid {
            Some(pid) => {
                // A program that has ended meanwhile does not mind.
                let _gone = kill(pid, signal);
            }
            None => self.tell(STOP),
        }
    }

    fn how_it_ended(&self, last: &Word) -> String {
        match (last, self.code) {
            (Word::Failed(failure), _) => failure.message.clone(),
            (_, Some(code)) if code > 128 => format!("ended by signal {}", code - 128),
            (_, Some(code)) => format!("ended with exit code {code}"),
            (_, None) if self.state.subject == Subject::Attached => "the profile has ended".to_owned(),
            (_, None) => "goes on without lineprof".to_owned(),
        }
    }

    /// Puts the terminal back, and prints what has waited for that.
    fn close(mut self) -> Result<ExitCode, Failure> {
        self.screen = None;
        // Its end lets go of threads that were left asleep.
        let _told = self.engine.process.wait();
        self.output.write_all(&mut io::stdout().lock()).map_err(|error| {
            Failure::new(format!("cannot print what the program wrote: {}", reason(&error)))
        })?;
        match self.last {
            Some(Word::Report { report, .. }) => print(&report, &self.to, self.args, self.code),
            Some(Word::Failed(failure)) => Err(failure.into()),
            _ => Err(Failure::new("the tracing process has not told anything")),
        }
    }
}

/// Whether the view goes on.
#[derive(Debug, PartialEq, Eq)]
enum Next {
    GoOn,
    Close,
}

fn print(report: &Report, to: &Destination, args: &Profile, code: Option<u8>) -> Result<ExitCode, Failure> {
    profile::write(report, to, &args.writing, &mut SourceCache::new())?;
    Ok(code.map_or(ExitCode::SUCCESS, ExitCode::from))
}

/// Takes the signals of this process from here on: they are news.
fn take_signals(teller: Sender<News>) -> nix::Result<()> {
    let set: SigSet = [
        Signal::SIGINT,
        Signal::SIGQUIT,
        Signal::SIGTERM,
        Signal::SIGHUP,
        Signal::SIGTSTP,
        Signal::SIGCONT,
    ]
    .into_iter()
    .collect();
    set.thread_block()?;
    std::thread::spawn(move || {
        while let Ok(signal) = set.wait() {
            if teller.send(News::Signal(signal)).is_err() {
                break;
            }
        }
    });
    Ok(())
}

/// Hears the engine from here on.
fn listen(engine: &Engine, teller: Sender<News>) -> io::Result<()> {
    let mut words = BufReader::new(engine.from.try_clone()?);
    std::thread::spawn(move || {
        loop {
            let word = match Word::read(&mut words) {
                Ok(word) => word,
                Err(error) => {
                    tracing::warn!(%error, "the engine is not understood");
                    None
                }
            };
            let last = word.is_none();
            if teller.send(News::Word(Box::new(word))).is_err() || last {
                break;
            }
        }
    });
    Ok(())
}

/// Hands on what is typed, and the end of the terminal: one that is gone has no more keys, and is read for ever in vain.
fn hand_on_keys(terminal: &File, teller: &Sender<News>) -> Result<(), SendError<News>> {
    while has_keys(terminal) {
        // Several may have been read at once.
        while let Ok(event) = event::read() {
            teller.send(News::Key(event))?;
            if !event::poll(Duration::ZERO).unwrap_or(false) {
                break;
            }
        }
    }
    teller.send(News::Signal(Signal::SIGHUP))
}

/// Waits for keys; `false` when the terminal is gone.
fn has_keys(terminal: &File) -> bool {
    loop {
        let mut asked = [PollFd::new(terminal.as_fd(), PollFlags::POLLIN)];
        match poll(&mut asked, PollTimeout::NONE) {
            Err(Errno::EINTR) => {}
            Err(_) => return false,
            Ok(_) => {
                let gone = PollFlags::POLLHUP | PollFlags::POLLERR | PollFlags::POLLNVAL;
                return asked[0].revents().is_some_and(|found| !found.intersects(gone));
            }
        }
    }
}
