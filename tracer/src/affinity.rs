//! Tracer and tracee on one processor, while that pays.
//!
//! Must not know: sites, stops. It is told of hits and of children.
//!
//! A stop wakes the tracer and the resume wakes the tracee. On two processors each wake-up is an
//! interrupt to an idle processor: 100 us a hit against 14 us on one (measured; `tests/bench`). The
//! scheduler by itself moves a woken thread to the idle processor. So a thread that hits often is bound
//! to the tracer's processor, and gets its own mask back as soon as it cools down, ends or is let go.
//! Nobody else is touched: children get the mask their parent had, and a mask that the program sets
//! itself meanwhile is kept.
//!
//! ```text
//! Cool ──32 hits of cool threads in 10 ms──► Pinned ──under 32 / pinned hits in 100 ms──► Cool   (janitor)
//! ```

use crate::ids::Tid;
use crate::sys::pin::{self, CpuMask};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

/// Hits of cool threads that make the next one's thread hot when they come within [`HOT_WINDOW_NS`].
const HOT_HITS: u32 = 32;
const HOT_WINDOW_NS: u64 = 10_000_000;
/// How often the janitor looks, and how many hits the pinned threads owe it each time, in equal shares.
const JANITOR_PERIOD: Duration = Duration::from_millis(100);
const COOL_HITS: u64 = 32;

/// Whether threads may be bound to the tracer's processor.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Pinning {
    /// While they hit often.
    #[default]
    WhileHot,
    /// Never.
    Never,
}

/// How often a thread has hit of late.
///
/// What it counts in is made with the thread: a hit allocates nothing.
#[derive(Debug, Default)]
pub(crate) struct Heat {
    degree: Degree,
    /// Hits while it was bound, for the janitor, which holds it too for as long.
    hits: Arc<AtomicU64>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Degree {
    /// Not often enough to bind it.
    #[default]
    Cool,
    /// Bound.
    Pinned,
}

/// The bound threads of one session.
#[derive(Debug)]
pub(crate) struct Affinity {
    pinning: Pinning,
    /// Hits of threads that are not bound, since `window_began_ns`. Of all threads together: eight that share
    /// one tracer's time hit an eighth as often each.
    hits: u32,
    window_began_ns: u64,
    shared: Arc<Shared>,
    janitor: Option<JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct Shared {
    pinned: Mutex<Pinned>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Pinned {
    threads: Vec<PinnedThread>,
    /// The tracer's thread, its processor and its own mask, while anything is pinned.
    home: Option<Home>,
    finished: bool,
}

#[derive(Debug)]
struct Home {
    tracer: Tid,
    cpu: usize,
    mask: CpuMask,
}

#[derive(Debug)]
struct PinnedThread {
    tid: Tid,
    mask: CpuMask,
    hits: Arc<AtomicU64>,
    seen: u64,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Pinned> {
        self.pinned.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Pinned {
    /// Gives `thread` its own mask back, unless the program has set another meanwhile.
    fn release(&self, thread: &PinnedThread) {
        let Some(home) = &self.home else { return };
        let ours = CpuMask::only(home.cpu);
        // A thread that has ended has no mask to restore: that is no failure.
        if pin::cpus(thread.tid).ok() == ours {
            let _gone = pin::set_cpus(thread.tid, &thread.mask);
        }
    }

    /// Whether the thread is known by this number still: one that has called exec goes on as the leader, with the
    /// mask it had, and the session is still to be told.
    fn is_there(thread: &PinnedThread) -> bool {
        pin::cpus(thread.tid).is_ok()
    }

    fn release_where(&mut self, mut which: impl FnMut(&mut PinnedThread) -> bool) {
        let mut threads = std::mem::take(&mut self.threads);
        threads.retain_mut(|thread| {
            let leaves = which(thread);
            if leaves {
                self.release(thread);
            }
            !leaves
        });
        self.threads = threads;
        if self.threads.is_empty()
            && let Some(home) = self.home.take()
        {
            let _gone = pin::set_cpus(home.tracer, &home.mask);
        }
    }
}

impl Affinity {
    pub(crate) fn new(pinning: Pinning) -> Self {
        Self {
            pinning,
            hits: 0,
            window_began_ns: 0,
            shared: Arc::default(),
            janitor: None,
        }
    }

    /// A thread has hit a site.
    pub(crate) fn hit(&mut self, tid: Tid, heat: &mut Heat) {
        match heat.degree {
            Degree::Pinned => {
                // The janitor takes its own count away when it lets the thread go.
                if Arc::strong_count(&heat.hits) == 1 {
                    heat.degree = Degree::Cool;
                } else {
                    heat.hits.fetch_add(1, Ordering::Relaxed);
                }
            }
            Degree::Cool => {
                self.hits += 1;
                if self.hits < HOT_HITS || self.pinning == Pinning::Never {
                    return;
                }
                let now = pin::now_ns();
                let hot = now.saturating_sub(self.window_began_ns) < HOT_WINDOW_NS;
                (self.hits, self.window_began_ns) = (0, now);
                if hot && self.pin(tid, &heat.hits).is_some() {
                    heat.degree = Degree::Pinned;
                }
            }
        }
    }

    /// Binds a thread to the tracer's processor; `None` where that is not possible.
    fn pin(&mut self, tid: Tid, hits: &Arc<AtomicU64>) -> Option<()> {
        let mask = pin::cpus(tid).ok()?;
        let mut pinned = self.shared.lock();
        let cpu = match &pinned.home {
            Some(home) => home.cpu,
            None => pin::current_cpu().ok()?,
        };
        let ours = CpuMask::only(cpu)?;
        if !mask.contains(cpu) || !mask.is_choice() {
            return None;
        }
        if pinned.home.is_none() {
            let home = Home {
                tracer: pin::own_tid(),
                cpu,
                mask: pin::cpus(Tid(0)).ok()?,
            };
            pin::set_cpus(Tid(0), &ours).ok()?;
            pinned.home = Some(home);
        }
        if pin::set_cpus(tid, &ours).is_err() {
            pinned.release_where(|_| false);
            return None;
        }
        pinned.threads.push(PinnedThread {
            tid,
            mask,
            hits: Arc::clone(hits),
            seen: hits.load(Ordering::Relaxed),
        });
        drop(pinned);
        self.start_janitor();
        self.shared.changed.notify_one();
        Some(())
    }

    fn start_janitor(&mut self) {
        if self.janitor.is_none() {
            let shared = Arc::clone(&self.shared);
            let started = std::thread::Builder::new()
                .name("lineprof-janitor".into())
                .spawn(move || janitor(&shared));
            match started {
                Ok(handle) => self.janitor = Some(handle),
                // Without it nobody would notice that a thread has cooled down.
                Err(_) => self.release_all(),
            }
        }
    }

    /// A child has been made by a thread that may be bound: it has inherited the mask.
    pub(crate) fn child(&mut self, parent: Tid, child: Tid) {
        let pinned = self.shared.lock();
        if let Some(thread) = pinned.threads.iter().find(|t| t.tid == parent) {
            let _gone = pin::set_cpus(child, &thread.mask);
        }
    }

    /// A process has become another program: the thread `former` goes on as `leader`, bound as it was.
    pub(crate) fn executed(&mut self, former: Tid, leader: Tid) {
        let mut pinned = self.shared.lock();
        // Who had the leader's number before has ended.
        pinned.threads.retain(|t| t.tid != leader || former == leader);
        if let Some(thread) = pinned.threads.iter_mut().find(|t| t.tid == former) {
            thread.tid = leader;
        }
    }

    /// A thread is let go or has ended.
    pub(crate) fn leave(&mut self, tid: Tid) {
        self.shared.lock().release_where(|t| t.tid == tid);
    }

    /// Everything is as it was found.
    pub(crate) fn release_all(&mut self) {
        self.shared.lock().release_where(|_| true);
    }
}

impl Drop for Affinity {
    fn drop(&mut self) {
        self.release_all();
        self.shared.lock().finished = true;
        self.shared.changed.notify_one();
        if let Some(janitor) = self.janitor.take() {
            // It has nothing to report: its panic would be ours to show, and there is nothing to undo.
            let _ended = janitor.join();
        }
    }
}

/// Looks after bound threads that have stopped hitting: no event would ever tell the session.
fn janitor(shared: &Shared) {
    let mut pinned = shared.lock();
    while !pinned.finished {
        if pinned.threads.is_empty() {
            pinned = shared
                .changed
                .wait(pinned)
                .unwrap_or_else(PoisonError::into_inner);
            continue;
        }
        let waited = shared.changed.wait_timeout(pinned, JANITOR_PERIOD);
        let (guard, timeout) = waited.unwrap_or_else(PoisonError::into_inner);
        pinned = guard;
        if timeout.timed_out() {
            let owed = COOL_HITS / pinned.threads.len().max(1) as u64;
            pinned.release_where(|thread| {
                let hits = thread.hits.load(Ordering::Relaxed);
                let since = hits - std::mem::replace(&mut thread.seen, hits);
                since < owed.max(1) && Pinned::is_there(thread)
            });
        }
    }
}
