//! Stops of the inline engine's own: a thread that strays into the original, and a trail that is full.
//!
//! Must not know: what was counted.

use crate::addr::RemoteAddr;
use crate::event::Event;
use crate::ids::Tid;
use crate::session::Core;
use crate::sys::{Answer, Go, Kernel, Origin, Signal};
use crate::trap_setting::Allowed;

impl<K: Kernel> Core<K> {
    /// Acts on a breakpoint at `address`, where it is one of the inline engine's: the event it is, if it is one.
    pub(crate) fn act_on_inline(&mut self, tid: Tid, address: RemoteAddr) -> Answer<Option<Option<Event>>> {
        let space = self.space_of(tid);
        let inlined = &self.spaces[space].inlined;
        let is_full = inlined.is_full(address);
        let to = inlined.stops.get(&address).copied();
        if (!is_full && to.is_none()) || self.kernel.origin(tid)? != Origin::Breakpoint {
            return Ok(None);
        }
        let Some((id, role)) = self.tracees.get(&tid).map(|t| (t.id, t.role)) else {
            return Ok(None);
        };
        self.keep_trap_setting(tid, Allowed::Calls)?;
        self.spaces[space].stops += 1;
        if let Some(to) = to {
            self.kernel.set_pc(tid, to)?;
            self.resume(tid, Go::On, Signal::NONE)?;
            return Ok(Some(None));
        }
        self.take_trail(id, space);
        self.look_at(tid);
        // It runs on while all this is read.
        self.resume(tid, Go::On, Signal::NONE)?;
        self.read_trail(id, space, role);
        Ok(Some(Some(Event::Passed)))
    }
}
