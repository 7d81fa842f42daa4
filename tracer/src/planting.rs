//! Planting where the kernel lets code be written only through a stopped thread.
//!
//! Must not know: what the sites are for.
//!
//! A kernel may be told to let nobody write code by /proc/PID/mem (`proc_mem.force_override=never`, 6.12). ptrace(2)
//! still may, by a thread that is stopped: the one that the client looks at, or one that runs and is stopped for it.
//! A thread asleep in the kernel is not woken (`detach`): where all sleep, the refusal stands.

use crate::decode::{Stop, decode};
use crate::ids::{SiteId, Tid};
use crate::session::Core;
use crate::site::{Refused, SiteRequest};
use crate::sys::procfs::Mapping;
use crate::sys::{Activity, Answer, Go, Kernel, Signal, gone_is_fine};
use nix::errno::Errno;

impl<K: Kernel> Core<K> {
    /// Plants once more what the kernel refused to write; `planted` has an answer for each of `requests`.
    pub(crate) fn plant_refused(
        &mut self,
        mappings: &[Mapping],
        requests: &[SiteRequest],
        planted: &mut [Result<SiteId, Refused>],
    ) -> Answer<()> {
        if !planted.contains(&Err(Refused::WriteRefused)) {
            return Ok(());
        }
        if let Some((tid, _)) = self.current
            && self.space_of(tid) == self.focus.space
        {
            self.plant_by(tid, mappings, requests, planted);
            return Ok(());
        }
        let Some(tid) = self.running_thread() else {
            return Ok(());
        };
        match self.kernel.interrupt(tid) {
            Ok(()) => {}
            // It has ended since: that is told by its events.
            Err(Errno::ESRCH) => return Ok(()),
            Err(errno) => return Err(errno),
        }
        self.parked.let_ends_go(&mut self.kernel)?;
        let Some(status) = self.wait_beside(tid, tid, self.focus.process)? else {
            return Ok(());
        };
        match decode(status) {
            Stop::Pause => {
                self.plant_by(tid, mappings, requests, planted);
                let again = self.call_again(tid);
                gone_is_fine(again.and_then(|()| self.resume(tid, Go::On, Signal::NONE)))
            }
            // Its own stop came first; the one asked for is reported once it goes on.
            Stop::Signal(_) | Stop::SystemCall | Stop::Group(_) | Stop::Child(_) => {
                self.plant_by(tid, mappings, requests, planted);
                self.parked.push(tid, status);
                Ok(())
            }
            Stop::Executed | Stop::Exiting | Stop::Ended(_) => {
                self.parked.keep(&mut self.kernel, tid, status)
            }
        }
    }

    fn running_thread(&mut self) -> Option<Tid> {
        let threads: Vec<_> = self.tracees.values().map(|t| (t.id.tid, t.process)).collect();
        let runs = |(tid, process): &(Tid, _)| {
            *process == self.focus.process && self.kernel.activity(*process, *tid) == Ok(Activity::Running)
        };
        threads.into_iter().find(runs).map(|(tid, _)| tid)
    }

    fn plant_by(
        &mut self,
        tid: Tid,
        mappings: &[Mapping],
        requests: &[SiteRequest],
        planted: &mut [Result<SiteId, Refused>],
    ) {
        for (answer, request) in planted.iter_mut().zip(requests) {
            if *answer == Err(Refused::WriteRefused) {
                let request = std::slice::from_ref(request);
                let again = self.spaces[self.focus.space].plant(&mut self.kernel, tid, mappings, request);
                *answer = again.into_iter().next().unwrap_or(Err(Refused::WriteRefused));
            }
        }
    }
}
