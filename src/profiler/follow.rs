//! The processes of one session, each watched from its beginning to its end.
//!
//! Must not know: reports, terminals; what a hit means.
//!
//! ```text
//! fork ─► a watch with the parent's plan     exec ─► the old one ends, a plan for the new file
//! hit  ─► the watch of its memory            end  ─► a profile
//! ```
//! Where children run free there is one watch, and all of this is about it.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::{Instant, SystemTime};

use lineprof_tracer::{Beginning, Children, End, Event, Pid, Session, SpaceId};

use super::missed::Missed;
use super::prepared::Prepared;
use super::summary::Named;
use super::watch::{Entered, Known, Watch};
use super::{Error, NoMatch, Observer, Outcome, Profiled, Progress, Settings, Then};
use crate::profile;
use crate::report::escape;
use crate::source::SourceCache;

/// A file, while nobody changes it.
type FileId = (u64, u64, Option<SystemTime>);

/// The watches of a session.
pub(super) struct Following<'s> {
    session: Session,
    settings: &'s Settings,
    live: HashMap<SpaceId, Watch>,
    /// What was known of memories whose processes have ended: a copy of one may be told of later.
    gone: HashMap<SpaceId, Known>,
    /// Files that were looked at, and what there is to profile in them.
    files: HashMap<FileId, Option<Prepared>>,
    /// By their beginnings.
    finished: Vec<(usize, Profiled)>,
    begun: usize,
    /// Why the first program has nothing to profile, where others may have.
    vain: Option<Error>,
    /// Events that a gate should have told of.
    gate_failed: u64,
    /// The sources that were read for profiles in between.
    sources: SourceCache,
}

impl<'s> Following<'s> {
    /// # Errors
    /// As [`super::profile`]. An attached process has been given back then.
    pub(super) fn begin(
        session: Session,
        prepared: Result<Prepared, Error>,
        named: Named,
        entered: Entered,
        settings: &'s Settings,
        observer: &mut dyn Observer,
    ) -> Result<Self, Error> {
        let mut following = Following {
            session,
            settings,
            live: HashMap::new(),
            gone: HashMap::new(),
            files: HashMap::new(),
            finished: Vec::new(),
            begun: 0,
            vain: None,
            gate_failed: 0,
            sources: SourceCache::new(),
        };
        match prepared {
            Ok(prepared) => following.watch(prepared, named, entered, observer)?,
            // A script is its interpreter by now.
            Err(vain) => {
                following.watch_program(observer);
                following.vain = Some(vain);
            }
        }
        Ok(following)
    }

    fn follows(&self) -> bool {
        self.settings.children == Children::Followed
    }

    fn watch(
        &mut self,
        mut prepared: Prepared,
        named: Named,
        entered: Entered,
        observer: &mut dyn Observer,
    ) -> Result<(), Error> {
        if self.follows() {
            // Another may have it.
            let vain = prepared.vain.take().and_then(Rc::into_inner);
            self.vain = self.vain.take().or(vain);
        }
        let number = self.begun;
        let watch = Watch::begin(
            &mut self.session,
            prepared,
            named,
            number,
            entered,
            self.settings,
            observer,
        )?;
        self.begun += 1;
        self.live.insert(self.session.space(), watch);
        Ok(())
    }

    /// Watches the program that the process in focus has become; one that has nothing to profile is let run.
    fn watch_program(&mut self, observer: &mut dyn Observer) {
        let pid = self.session.process();
        let link = PathBuf::from(format!("/proc/{pid}/exe"));
        let executable = std::fs::read_link(&link).unwrap_or_else(|_| link.clone());
        let Some(prepared) = self.prepared(&link, &executable) else {
            return;
        };
        let named = Named {
            pid,
            command: command_of(pid),
            executable,
            started: (SystemTime::now(), Instant::now()),
        };
        if let Err(error) = self.watch(prepared, named, Entered::AfterSites, observer) {
            // Killed at birth, most likely.
            tracing::debug!(%pid, %error, "not watched");
        }
    }

    fn prepared(&mut self, link: &Path, executable: &Path) -> Option<Prepared> {
        use std::os::unix::fs::MetadataExt;
        let metadata = std::fs::metadata(link).ok()?;
        let id = (metadata.dev(), metadata.ino(), metadata.modified().ok());
        let settings = self.settings;
        let prepare = || match Prepared::new(link, executable, settings) {
            Ok(prepared) => Some(prepared),
            Err(error) => {
                tracing::debug!(executable = %executable.display(), %error, "nothing to profile");
                None
            }
        };
        self.files.entry(id).or_insert_with(prepare).clone()
    }

    /// Watches a copy of a process.
    fn watch_copy(&mut self, of: SpaceId) {
        let (known, named) = match (self.live.get(&of), self.gone.get(&of)) {
            (Some(watch), _) => (watch.known().clone(), watch.named().clone()),
            (None, Some(known)) => (known.clone(), known.named().clone()),
            // Nothing is profiled in it.
            (None, None) => return,
        };
        let named = Named {
            pid: self.session.process(),
            started: (SystemTime::now(), Instant::now()),
            ..named
        };
        let number = self.begun;
        match Watch::of_copy(known, named, number, self.settings) {
            Ok(watch) => {
                self.begun += 1;
                self.live.insert(self.session.space(), watch);
            }
            Err(error) => tracing::debug!(pid = %self.session.process(), %error, "not watched"),
        }
    }

    /// The program with the memory in focus has ended, or is left.
    fn finish(&mut self, end: profile::End) {
        let space = self.session.space();
        if let Some(watch) = self.live.remove(&space) {
            if self.follows() {
                self.gone.insert(space, watch.known().clone());
            }
            let number = watch.number();
            let watched = watch.watched(&self.session, end);
            self.gate_failed += watched.counts.gate_failed;
            self.finished.push((number, watched.profiled(self.settings)));
        }
    }

    /// Follows every process to its end, or to where it is left.
    ///
    /// # Errors
    /// As [`super::profile`].
    pub(super) fn until_the_end(mut self, observer: &mut dyn Observer) -> Result<Outcome, Error> {
        let first = self.session.pid();
        let mut exit = None;
        if let Some(watch) = self.live.get_mut(&self.session.space()) {
            watch.read_baseline();
        }
        loop {
            let event = self.session.next_event()?;
            if let Some(watch) = self.live.get_mut(&self.session.space()) {
                watch.take_passages(&mut self.session);
            }
            match event {
                Event::Passed => {}
                Event::Hit(hit) => {
                    if let Some(watch) = self.live.get_mut(&self.session.space()) {
                        let crossing = match watch.hit(&mut self.session, &hit, observer) {
                            // Killed meanwhile: its end is told next.
                            Err(error) if self.settings.children == Children::Followed => {
                                tracing::debug!(%error, "in a process that is followed");
                                None
                            }
                            other => other?,
                        };
                        if let Some(crossing) = crossing {
                            observer.progress(Progress::Crossed(Box::new(crossing.clone())));
                            match self.settings.trigger.then {
                                Then::GoOn => {}
                                Then::Kill => self.session.kill()?,
                                Then::LeaveStopped => {
                                    let stopped = self.session.process();
                                    self.finish_all()?;
                                    self.session.give_back_stopped()?;
                                    return self.outcome(exit, Some(stopped));
                                }
                            }
                        }
                    }
                }
                Event::ThreadEnding(thread) => {
                    if let Some(watch) = self.live.get_mut(&self.session.space()) {
                        watch.thread_ends(&self.session, thread);
                    }
                }
                Event::Stopped(by) => observer.progress(Progress::Stopped { by }),
                Event::Began(Beginning::Fork(of)) => self.watch_copy(of),
                Event::Began(Beginning::Exec) => self.watch_program(observer),
                Event::Executed => {
                    self.finish(profile::End::Executed);
                    // The process of an attached session is nobody's child here: its end is not heard of.
                    if !self.follows() && !self.session.is_own_child() {
                        return self.outcome(exit, None);
                    }
                }
                Event::Ended(how) => {
                    let process = self.session.process();
                    self.finish(end_of(how));
                    if process == first {
                        exit = Some(how);
                        if self.follows() && !self.session.is_over() {
                            observer.progress(Progress::FirstEnded);
                        }
                    }
                    if !self.follows() || self.session.is_over() {
                        return self.outcome(exit, None);
                    }
                }
                Event::Over => return self.outcome(exit, None),
                Event::Woken => {
                    if let Some(watch) = self.live.get_mut(&self.session.space()) {
                        let so_far = watch.so_far(&mut self.session, self.settings, &mut self.sources);
                        observer.progress(Progress::SoFar(Box::new(so_far)));
                    }
                }
                Event::StopRequested => {
                    self.leave()?;
                    return self.outcome(exit, None);
                }
            }
        }
    }

    /// Ends all profiles and gives the processes back.
    fn leave(&mut self) -> Result<(), Error> {
        self.finish_all()?;
        self.session.give_back()?;
        Ok(())
    }

    /// Ends the profiles of processes that are going to be given back.
    fn finish_all(&mut self) -> Result<(), Error> {
        let mut spaces: Vec<SpaceId> = self.live.keys().copied().collect();
        spaces.sort_unstable();
        for space in spaces {
            if !self.session.look_at(space) {
                continue;
            }
            self.session.end_inline()?;
            if let Some(watch) = self.live.get_mut(&space) {
                watch.take_passages(&mut self.session);
                // The last reading with everything still open.
                watch.read_last(&self.session);
                self.finish(profile::End::Detached);
            }
        }
        Ok(())
    }

    /// Why there is no profile at all; `vain` is what was wrong with the first program.
    fn nothing_anywhere(&self, vain: Error) -> Error {
        match vain {
            Error::File(_) if !self.settings.selection.is_default() => Error::NoMatch(NoMatch {
                wanted: Missed::all(&self.settings.selection).unmatched,
                ..NoMatch::default()
            }),
            vain => vain,
        }
    }

    fn outcome(mut self, exit: Option<End>, left_stopped: Option<Pid>) -> Result<Outcome, Error> {
        if self.gate_failed > 0 {
            return Err(Error::Gate {
                events: self.gate_failed,
            });
        }
        self.finished.sort_by_key(|(number, _)| *number);
        let mut profiled: Vec<Profiled> = self.finished.drain(..).map(|(_, profiled)| profiled).collect();
        if self.follows() {
            // Processes in which nothing was to be profiled say nothing.
            let has_functions = profiled.iter().any(|p| !p.profile.functions.is_empty());
            if has_functions {
                profiled.retain(|p| !p.profile.functions.is_empty());
                only_missed_by_all(&mut profiled);
            } else if let Some(vain) = self.vain.take() {
                return Err(self.nothing_anywhere(vain));
            }
        }
        Ok(Outcome {
            profiled,
            exit,
            left_stopped,
        })
    }
}

/// A pattern that matches nothing in one program and something in another was not mistyped.
fn only_missed_by_all(profiled: &mut [Profiled]) {
    let Some((first, others)) = profiled.split_first_mut() else {
        return;
    };
    for other in others {
        let missed = std::mem::take(&mut other.missed.unmatched);
        first.missed.unmatched.retain(|pattern| missed.contains(pattern));
    }
}

fn end_of(how: End) -> profile::End {
    match how {
        End::Exited(code) => profile::End::Exited { code },
        End::Killed(signal) => profile::End::Killed {
            signal: signal.name(),
        },
    }
}

pub(super) fn command_of(pid: Pid) -> Vec<String> {
    let line = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    let line = line.strip_suffix(&[0]).unwrap_or(&line);
    line.split(|b| *b == 0).map(escape::valid).collect()
}
