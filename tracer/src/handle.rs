//! What a client holds: a session over the real kernel, and the handle that stops it.
//!
//! Must not know: how anything is done; every method hands on.

use crate::detach::Left;
use crate::error::{Error, Operation, Result, Subject};
use crate::event::{Counts, Event};
use crate::identity::Identity;
use crate::ids::{Pid, SiteId, SpaceId, TraceeId};
use crate::inline::{NotInline, RoutineRequest};
use crate::launch::{self, Launch};
use crate::options::Options;
use crate::passage::Passage;
use crate::session::Core;
use crate::site::{Refused, SiteRequest};
use crate::sys::doorbell::Doorbell;
use crate::sys::linux::Linux;
use crate::sys::procfs::Mapping;
use crate::sys::{Kernel, Signal, gone_is_fine};
use crate::{RemoteAddr, RemoteRange, attach};
use std::io::{PipeWriter, Write};
use std::marker::PhantomData;

/// A process under trace.
///
/// A session belongs to the thread that made it, and so do the processes it traces: run it on a thread of
/// its own, and end that thread to let go of the last of them ([`Session::detach`]).
///
/// Dropped without a detach, by a client that fails or panics, it gives back a process that it attached to, and kills
/// a program that it started: that would end with the thread in any case.
#[derive(Debug)]
pub struct Session {
    core: Core<Linux>,
    begun: Begun,
    standing: Standing,
    /// ptrace(2): requests must come from the thread that attached.
    _one_thread: PhantomData<*const ()>,
}

/// How a session came to its process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Begun {
    Launched,
    Attached,
}

/// Whether a session has its process still.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Standing {
    Holding,
    GivenBack,
}

/// Asks a session to stop, from any thread; dropping it asks too.
#[derive(Debug)]
pub struct StopHandle(PipeWriter);

impl StopHandle {
    /// Wakes the session: [`Session::next_event`] returns [`Event::Woken`], once for all that have asked before.
    ///
    /// # Errors
    /// The session is over.
    pub fn wake(&self) -> std::io::Result<()> {
        (&self.0).write_all(b"!")
    }

    /// Asks: [`Session::next_event`] returns [`Event::StopRequested`], also when it waits already.
    pub fn stop(self) {}
}

/// The session's end of a [`StopHandle`].
#[derive(Debug)]
pub struct StopListener(Doorbell);

/// A handle and its listener, which must be made on the thread of the session.
///
/// # Errors
/// No pipe or no process could be had.
pub fn stop_pair() -> Result<(StopHandle, StopListener)> {
    let (doorbell, writer) =
        Doorbell::hang_up().map_err(|errno| Error::from_errno(Operation::SetUp, Subject::Session, errno))?;
    Ok((StopHandle(writer), StopListener(doorbell)))
}

/// The mappings of any process, which need not be traced.
///
/// # Errors
/// There is no such process, or it may not be looked at.
pub fn mappings(pid: Pid) -> std::io::Result<Vec<Mapping>> {
    crate::sys::procfs::mappings(pid.leader()).map_err(std::io::Error::from)
}

impl Session {
    /// Starts a program; its first instruction has not run yet.
    ///
    /// # Errors
    /// The program cannot be run or not be traced.
    pub fn launch(launch: &Launch, options: Options, stop: StopListener) -> Result<Self> {
        Ok(Self::over(
            launch::launch(launch, options, stop.0)?,
            Begun::Launched,
        ))
    }

    /// Attaches to a running process without stopping it.
    ///
    /// # Errors
    /// There is no such process, or this one may not trace it; then nothing has been touched.
    pub fn attach(pid: Pid, options: Options, stop: StopListener) -> Result<Self> {
        Self::attach_to(&Identity::of(pid)?, options, stop)
    }

    /// Attaches to a process that was looked at before, by its number: whoever else has the number by now is refused.
    ///
    /// # Errors
    /// The process is gone, or this one may not trace it; then nothing has been touched.
    pub fn attach_to(process: &Identity, options: Options, stop: StopListener) -> Result<Self> {
        let core = attach::attach(process, options, stop.0)?;
        Ok(Self::over(core, Begun::Attached))
    }

    fn over(core: Core<Linux>, begun: Begun) -> Self {
        Self {
            core,
            begun,
            standing: Standing::Holding,
            _one_thread: PhantomData,
        }
    }

    /// The process that the session began with.
    #[must_use]
    pub fn pid(&self) -> Pid {
        self.core.process
    }

    /// The process that the last event is about, or that [`Self::look_at`] named: what is planted, read and counted
    /// is its. At first it is the one that the session began with, and so it stays where children run free.
    #[must_use]
    pub fn process(&self) -> Pid {
        self.core.focus.process
    }

    /// The memory of [`Self::process`]; another after an exec.
    #[must_use]
    pub fn space(&self) -> SpaceId {
        self.core.focus.space
    }

    /// Turns to a process that is followed; whether it is there.
    pub fn look_at(&mut self, space: SpaceId) -> bool {
        self.core.look_at_space(space)
    }

    /// Plants a breakpoint for each request.
    ///
    /// Shape: the answers come in the order of the requests; two requests for one address get one site.
    ///
    /// # Errors
    /// The process is gone. A site that cannot be planted is an answer, not an error.
    pub fn plant(&mut self, requests: &[SiteRequest]) -> Result<Vec<std::result::Result<SiteId, Refused>>> {
        self.core.plant(requests)
    }

    /// Names functions whose sites may be run inline: all sites of each are planted. It happens at the first hit of one.
    pub fn add_routines(&mut self, routines: Vec<RoutineRequest>) {
        let space = self.core.focus.space;
        self.core.spaces[space].inlined.waiting.extend(routines);
    }

    /// Copies the functions that were named, at once, with every thread stopped for it: where nobody is to look after them
    /// ([`crate::Keeper::Nobody`]). [`Self::not_inline`] has those that would not do.
    ///
    /// # Errors
    /// No thread could be stopped: the process is gone, or all its threads are.
    pub fn copy_routines(&mut self) -> Result<()> {
        let subject = Subject::Process(self.core.focus.process);
        self.core
            .copy_routines()
            .map_err(|errno| Error::from_errno(Operation::SetUp, subject, errno))
    }

    /// What threads have done without a stop, of the process that the last event is about, in the order in which each
    /// did it.
    pub fn take_passages(&mut self) -> Vec<Passage> {
        let space = self.core.focus.space;
        std::mem::take(&mut self.core.spaces[space].inlined.passages)
    }

    /// Reads what threads have done without a stop, of the process that the last event is about, while they run: nobody is
    /// stopped for it, nor woken.
    ///
    /// All up to the last reading of memory of each thread is there to be taken ([`Self::take_passages`]). What came after
    /// it is returned, and told of again later: its counts grow under the reader's eyes, and a thread that was about to
    /// read memory each time that it was looked at is left out.
    pub fn look_in(&mut self) -> Vec<Passage> {
        self.core.look_in()
    }

    /// Has every thread do without copies from here on, as before a detach; what they have done is there to be taken.
    ///
    /// # Errors
    /// The kernel refused what it should not refuse.
    pub fn end_inline(&mut self) -> Result<()> {
        let subject = Subject::Process(self.core.focus.process);
        self.core
            .end_inline()
            .map_err(|errno| Error::from_errno(Operation::Detach, subject, errno))
    }

    /// The client has read this much memory, in bytes and without [`Self::own_memory`], at a hit of `thread`.
    pub fn arrived(&mut self, thread: TraceeId, memory: u64) {
        self.core.arrived_at(thread, memory);
    }

    /// Memory of the process that is lineprof's, in bytes, of the kind that is read there ([`Options::gauge`]).
    #[must_use]
    pub fn own_memory(&self) -> u64 {
        self.core.spaces[self.core.focus.space].inlined.own_memory()
    }

    /// The sites of functions that could not be copied, with the reasons.
    #[must_use]
    pub fn not_inline(&self) -> Vec<(SiteId, NotInline)> {
        let refused = &self.core.spaces[self.core.focus.space].inlined.refused;
        let sites = refused.iter().map(|(request, reason)| {
            let sites = request.sites.iter();
            sites.map(move |site| (site.site, *reason))
        });
        sites.flatten().collect()
    }

    /// Lets the thread of the last event go on, and waits for the next event.
    ///
    /// # Errors
    /// The kernel refused an operation that it should not refuse.
    pub fn next_event(&mut self) -> Result<Event> {
        self.core.next_event()
    }

    /// The mappings of the process.
    ///
    /// # Errors
    /// The process is gone.
    pub fn mappings(&mut self) -> Result<Vec<Mapping>> {
        let subject = Subject::Process(self.core.focus.process);
        self.core
            .mappings()
            .map_err(|e| Error::from_errno(Operation::Read, subject, e))
    }

    /// Takes note that the memory of `range` has been unmapped, with all sites in it.
    ///
    /// What is mapped there later is not touched when the session ends. A site planted there again with the same
    /// instruction has the same number as before.
    pub fn unmapped(&mut self, range: RemoteRange) {
        let space = self.core.focus.space;
        self.core.spaces[space].sites.unmapped(range);
    }

    /// Reads memory of the process as it would be without breakpoints; the number of bytes read.
    ///
    /// # Errors
    /// Nothing is mapped at `at`, or the process is gone.
    pub fn read_memory(&mut self, at: RemoteAddr, buffer: &mut [u8]) -> Result<usize> {
        let traced = self.core.any_thread();
        let process = self.core.focus.process;
        let by = traced.unwrap_or(process.leader());
        let subject = Subject::Process(process);
        let read = self.core.kernel.read_memory(by, at, buffer);
        let read = read.map_err(|e| Error::from_errno(Operation::Read, subject, e))?;
        // A program that came by exec is not traced, and has none of our bytes.
        if traced.is_some() {
            let space = self.core.focus.space;
            self.core.spaces[space].inlined.mask(at, &mut buffer[..read]);
            self.core.spaces[space].sites.mask(at, &mut buffer[..read]);
        }
        Ok(read)
    }

    /// Whether the process was started by this session, so that its end is heard of even after an exec.
    #[must_use]
    pub fn is_own_child(&self) -> bool {
        self.begun == Begun::Launched
    }

    /// What the session has done so far in this memory.
    #[must_use]
    pub fn counts(&self) -> Counts {
        self.core.counts()
    }

    /// Gives the process back, and those that are followed: code as it was, threads where they would be. After
    /// [`Event::Ended`] and [`Event::Executed`] that is for other processes that share the memory.
    ///
    /// Threads that sleep in the kernel are not woken for it. They are let go when the calling thread ends,
    /// so end it soon. Only those of a program that the session started are: they would die with that thread.
    ///
    /// # Errors
    /// The kernel refused to put the code back: [`crate::Kind::BreakpointsLeft`].
    pub fn detach(mut self) -> Result<()> {
        self.give_back()
    }

    /// The same as [`Self::detach`], by a client that has the session still; nothing is traced any more then.
    ///
    /// # Errors
    /// As for [`Self::detach`].
    pub fn give_back(&mut self) -> Result<()> {
        self.standing = Standing::GivenBack;
        self.core.detach()
    }

    /// The same as [`Self::give_back`], but the process of the last event is left stopped by SIGSTOP. The thread of that
    /// event, which must be a hit, stands at its site.
    ///
    /// # Errors
    /// As for [`Self::detach`].
    pub fn give_back_stopped(&mut self) -> Result<()> {
        self.standing = Standing::GivenBack;
        self.core.give_back(Left::Stopped)
    }

    /// Kills the process that the last event is about; its end is an event.
    ///
    /// # Errors
    /// The kernel refused.
    pub fn kill(&mut self) -> Result<()> {
        let process = self.core.focus.process;
        let killed = gone_is_fine(self.core.kernel.kill(process));
        killed.map_err(|errno| Error::from_errno(Operation::Kill, Subject::Process(process), errno))
    }

    /// Whether nobody is traced any more, so that no event will come.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.core.is_over()
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        if self.standing == Standing::GivenBack {
            return;
        }
        if self.begun == Begun::Launched
            && let Err(errno) = self.core.kill()
        {
            tracing::warn!(%errno, "the program of a session that was dropped may live on");
        }
        if let Err(error) = self.core.detach() {
            tracing::error!(%error, "a session was dropped");
        }
    }
}

impl Signal {
    /// The signal's name, such as `SIGSEGV`.
    #[must_use]
    pub fn name(self) -> String {
        match nix::sys::signal::Signal::try_from(self.0) {
            Ok(signal) => signal.as_str().to_owned(),
            Err(_) => format!("SIG{}", self.0),
        }
    }
}
