//! Stops of the inline engine's own: a thread that strays into the original, and a trail that is full.
//!
//! Must not know: what was counted.

use crate::addr::RemoteAddr;
use crate::arch::undo_breakpoint;
use crate::event::Event;
use crate::ids::Tid;
use crate::session::Core;
use crate::sys::{Answer, Go, Kernel, Origin, Signal};
use crate::trap_setting::Allowed;

/// What a thread was stopped by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Met {
    /// A byte of ours over this instruction of the original.
    Original(RemoteAddr),
    /// The agent's breakpoint: it has no room left for what it tells.
    FullTrail,
}

impl<K: Kernel> Core<K> {
    /// Acts on a signal that a byte of the inline engine's has raised: the event it is, if it is one.
    pub(crate) fn act_on_inline(&mut self, tid: Tid, signal: Signal) -> Answer<Option<Option<Event>>> {
        let Some(met) = self.met_by(tid, signal)? else {
            return Ok(None);
        };
        let Some((id, role)) = self.tracees.get(&tid).map(|t| (t.id, t.role)) else {
            return Ok(None);
        };
        let space = self.space_of(tid);
        self.keep_setting_of(tid, signal)?;
        self.spaces[space].stops += 1;
        match met {
            Met::Original(at) => {
                let to = self.spaces[space].inlined.stops.get(&at).copied();
                self.kernel.set_pc(tid, to.unwrap_or(at))?;
                self.resume(tid, Go::On, Signal::NONE)?;
                Ok(Some(None))
            }
            Met::FullTrail => {
                self.take_trail(id, space);
                self.look_at(tid);
                // It runs on while all this is read.
                self.resume(tid, Go::On, Signal::NONE)?;
                self.read_trail(id, space, role);
                Ok(Some(Some(Event::Passed)))
            }
        }
    }

    /// Has a thread that a byte of the inline engine's has stopped be where it would be without: whether that was so.
    ///
    /// *State*: the thread is in a signal-delivery-stop, and the original is what it was.
    pub(crate) fn undo_inline(&mut self, tid: Tid, signal: Signal) -> Answer<bool> {
        match self.met_by(tid, signal)? {
            None => return Ok(false),
            Some(Met::Original(at)) => self.kernel.set_pc(tid, at)?,
            Some(Met::FullTrail) => {
                let space = self.space_of(tid);
                if let Some(id) = self.tracees.get(&tid).map(|t| t.id) {
                    self.take_trail(id, space);
                }
            }
        }
        self.keep_setting_of(tid, signal)?;
        Ok(true)
    }

    /// A program's setting for SIGILL is not kept: who blocks or ignores it comes back to a guarded door's middle with the
    /// setting reset.
    fn keep_setting_of(&mut self, tid: Tid, signal: Signal) -> Answer<()> {
        match signal {
            Signal::TRAP => self.keep_trap_setting(tid, Allowed::Calls),
            _ => Ok(()),
        }
    }

    fn met_by(&mut self, tid: Tid, signal: Signal) -> Answer<Option<Met>> {
        let space = self.space_of(tid);
        if self.spaces[space].inlined.blocks.is_none() {
            return Ok(None);
        }
        let (by, behind) = match signal {
            Signal::TRAP => (
                Origin::Breakpoint,
                undo_breakpoint as fn(RemoteAddr) -> RemoteAddr,
            ),
            Signal::ILL => (Origin::NoInstruction, std::convert::identity as _),
            _ => return Ok(None),
        };
        let at = behind(self.kernel.registers(tid)?.pc());
        let inlined = &self.spaces[space].inlined;
        let met = if inlined.stops.contains_key(&at) {
            Met::Original(at)
        } else if inlined.is_full(at) {
            Met::FullTrail
        } else {
            return Ok(None);
        };
        Ok((self.kernel.origin(tid)? == by).then_some(met))
    }
}
