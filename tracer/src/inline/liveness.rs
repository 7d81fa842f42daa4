//! Which registers and flags hold something at each instruction of a routine.
//!
//! Must not know: what for anybody wants to use the others.
//!
//! Backwards over the routine until nothing changes. What is not certain counts as in use: at calls and returns all that
//! the ABI, or an agreement between functions of one compilation, lets a caller rely on.

use super::routine::{Conventions, Routine};
use crate::addr::RemoteAddr;
use crate::arch::{Effects, Registers16, STATUS_FLAGS};
use crate::code::Flow;
use std::collections::BTreeMap;

/// What is in use before an instruction.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Live {
    pub(crate) registers: Registers16,
    pub(crate) flags: u32,
}

impl Live {
    fn or(self, other: Self) -> Self {
        Self {
            registers: self.registers.or(other.registers),
            flags: self.flags | other.flags,
        }
    }
}

/// What is in use at each instruction.
#[derive(Debug)]
pub(crate) struct Liveness {
    before: BTreeMap<RemoteAddr, Live>,
    /// At the routine's end.
    at_return: Live,
    /// Behind a jump that may go anywhere in the routine.
    anywhere: Live,
    /// Where another function begins.
    leaving: Registers16,
}

/// All registers but those that a caller may find overwritten.
const KEPT: Registers16 = Registers16(!Registers16::CALLER_SAVED.0);

impl Liveness {
    pub(crate) fn of(routine: &Routine) -> Self {
        let written = routine
            .instructions
            .values()
            .fold(Registers16::default(), |all, i| all.or(i.writes));
        // Agreements are about what a function leaves alone: what this one overwrites is in none.
        let relied_on = match routine.request.conventions {
            Conventions::Standard | Conventions::Optimised => KEPT,
            Conventions::Agreed => KEPT.or(Registers16::CALLER_SAVED.without(written)),
        };
        let mut liveness = Self {
            before: BTreeMap::new(),
            at_return: Live {
                registers: relied_on.or(Registers16::RESULTS),
                flags: 0,
            },
            anywhere: Live::default(),
            leaving: relied_on.or(Registers16::ARGUMENTS),
        };
        let calls = Live {
            registers: liveness.leaving,
            flags: 0,
        };
        loop {
            let mut changed = false;
            for (at, instruction) in routine.instructions.iter().rev() {
                let behind = liveness.behind(routine, *at, instruction, calls);
                let before = through(instruction, behind, routine.request.conventions);
                let known = liveness.before.get(at).copied().unwrap_or_default();
                let joined = known.or(before);
                if joined != known || !liveness.before.contains_key(at) {
                    changed = true;
                    liveness.before.insert(*at, joined);
                }
            }
            // Unoptimised code calls nobody by such a jump.
            let outside = match routine.request.conventions {
                Conventions::Standard => Live::default(),
                Conventions::Optimised | Conventions::Agreed => calls,
            };
            let known = |at| liveness.before.get(at).copied().unwrap_or_default();
            let anywhere = routine
                .table_targets
                .iter()
                .fold(outside, |all, at| all.or(known(at)));
            if anywhere != liveness.anywhere {
                changed = true;
                liveness.anywhere = anywhere;
            }
            if !changed {
                return liveness;
            }
        }
    }

    /// Before the instruction at `at`; everything where there is none.
    pub(crate) fn at(&self, at: RemoteAddr) -> Live {
        self.before.get(&at).copied().unwrap_or(Live {
            registers: Registers16(u16::MAX),
            flags: STATUS_FLAGS,
        })
    }

    /// Behind a jump by a table.
    pub(crate) fn anywhere(&self) -> Live {
        self.anywhere
    }

    /// Behind a jump out of the routine.
    pub(crate) fn leaving(&self) -> Registers16 {
        self.leaving
    }

    fn behind(&self, routine: &Routine, at: RemoteAddr, instruction: &Effects, calls: Live) -> Live {
        let next = || {
            let next = routine.behind(at);
            self.before.get(&next).copied().unwrap_or_default()
        };
        let leads_to = |to: RemoteAddr| match routine.contains(to) {
            true => self.before.get(&to).copied().unwrap_or_default(),
            false => calls,
        };
        let jump = || routine.jump_target(at).map_or(calls, leads_to);
        match instruction.flow {
            Flow::Next | Flow::Call => next(),
            Flow::Branch(_) => next().or(jump()),
            Flow::Jump(_) => jump(),
            Flow::IndirectJump => self.anywhere,
            Flow::Return => self.at_return,
            Flow::Trap => Live::default(),
        }
    }
}

/// Before an instruction, by what is in use behind it.
fn through(instruction: &Effects, behind: Live, conventions: Conventions) -> Live {
    let (mut reads, mut kills) = (instruction.reads, instruction.kills);
    let mut kills_flags = instruction.kills_flags;
    if instruction.flow == Flow::Call {
        reads = reads.or(Registers16::ARGUMENTS);
        kills_flags = STATUS_FLAGS;
        kills = match conventions {
            Conventions::Standard | Conventions::Optimised => Registers16::CALLER_SAVED,
            Conventions::Agreed => Registers16::default(),
        };
    }
    Live {
        registers: behind.registers.without(kills).or(reads),
        flags: behind.flags & !kills_flags | instruction.reads_flags,
    }
}
