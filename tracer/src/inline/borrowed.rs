//! What an event borrows: the flags, and a register.
//!
//! Must not know: what for.
//!
//! ```text
//! free          nobody reads it before it is written anew: nothing to keep
//! flags         lahf, seto: in rax ─┬─ which is free
//!                                   ├─ whose own value is in a free register meanwhile
//!                                   └─ whose own value is in the thread's block
//! register      any, whose own value is in the thread's block
//! ```
//! The block's two words are one event's: no handler runs in the middle of one (`signals`).

use super::liveness::Live;
use super::probes::header;
use crate::agent::layout::Header;
use crate::arch::{Assembler, Free, Registers16};
use std::mem::offset_of;

const REGISTER: u64 = header(offset_of!(Header, register));
const ACCUMULATOR: u64 = header(offset_of!(Header, accumulator));

/// What an event needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Needs {
    /// It changes flags.
    Flags,
    /// It uses a register.
    Register,
    /// It does both.
    Both,
}

/// Where flags that are in use are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Flags {
    /// Nobody needs them.
    Free,
    /// In rax, which nobody needs.
    InAccumulator,
    /// In rax, whose own value is in this register.
    Beside(Free),
    /// In rax, whose own value is in the block.
    Spilled,
}

/// What an event borrows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Borrowed {
    flags: Flags,
    /// The register, and whether its value is kept in the block.
    register: Option<(Free, bool)>,
}

impl Borrowed {
    /// For an event before which this is in use.
    pub(super) fn among(live: Live, needs: Needs) -> Self {
        let flags_in_use = matches!(needs, Needs::Flags | Needs::Both) && live.flags != 0;
        let mut taken = live.registers;
        let mut take_free = || {
            // rax is where flags go.
            let is_flags = |free: Free| flags_in_use && free == Free::ACCUMULATOR;
            let mut all = Free::ALL.into_iter();
            let free = all.find(|free| !taken.contains(*free) && !is_flags(*free))?;
            taken = taken.or(Registers16::only(free));
            Some(free)
        };
        let register = match needs {
            Needs::Flags => None,
            Needs::Register | Needs::Both => {
                Some(take_free().map_or((Free::ANY, true), |free| (free, false)))
            }
        };
        let flags = match flags_in_use {
            false => Flags::Free,
            true if !live.registers.contains(Free::ACCUMULATOR) => Flags::InAccumulator,
            true => take_free().map_or(Flags::Spilled, Flags::Beside),
        };
        Self { flags, register }
    }

    /// The register; one that was not asked for is any.
    pub(super) fn register(&self) -> Free {
        self.register.map_or(Free::ANY, |(register, _)| register)
    }

    /// Whether there is nothing to keep.
    pub(super) fn is_free(&self) -> bool {
        self.flags == Flags::Free && self.register.is_none_or(|(_, kept)| !kept)
    }

    /// Whether the block keeps any of it.
    pub(super) fn spills(&self) -> bool {
        self.flags == Flags::Spilled || self.register.is_some_and(|(_, kept)| kept)
    }

    pub(super) fn keep(&self, code: &mut Assembler) {
        self.keep_register(code);
        self.keep_flags(code);
    }

    /// The first half of [`Self::keep`]: all registers are as they were, but for what is put into the borrowed one.
    pub(super) fn keep_register(&self, code: &mut Assembler) {
        if let Some((register, true)) = self.register {
            code.store(register, REGISTER);
        }
    }

    /// The second half.
    pub(super) fn keep_flags(&self, code: &mut Assembler) {
        match self.flags {
            Flags::Free => {}
            Flags::InAccumulator => code.keep_flags(),
            Flags::Beside(free) => {
                code.copy(Free::ACCUMULATOR, free);
                code.keep_flags();
            }
            Flags::Spilled => {
                code.store(Free::ACCUMULATOR, ACCUMULATOR);
                code.keep_flags();
            }
        }
    }

    pub(super) fn give_back(&self, code: &mut Assembler) {
        if let Some((register, true)) = self.register {
            code.load(REGISTER, register);
        }
        match self.flags {
            Flags::Free => {}
            Flags::InAccumulator => code.give_flags_back(),
            Flags::Beside(free) => {
                code.give_flags_back();
                code.copy(free, Free::ACCUMULATOR);
            }
            Flags::Spilled => {
                code.give_flags_back();
                code.load(ACCUMULATOR, Free::ACCUMULATOR);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: Registers16 = Registers16(u16::MAX);

    fn live(registers: Registers16, flags: u32) -> Live {
        Live { registers, flags }
    }

    #[test]
    fn what_is_free_is_not_kept() {
        let rcx_in_use = Registers16(1 << 1);
        for needs in [Needs::Flags, Needs::Register, Needs::Both] {
            let borrowed = Borrowed::among(live(rcx_in_use, 0), needs);
            assert!(borrowed.is_free(), "{needs:?}");
            assert_ne!(borrowed.register().number(), 1);
        }
        assert!(Borrowed::among(live(rcx_in_use, 1), Needs::Register).is_free());
    }

    #[test]
    fn where_all_is_in_use_both_are_kept_in_the_block() {
        let borrowed = Borrowed::among(live(ALL, 1), Needs::Both);
        assert_eq!(borrowed.flags, Flags::Spilled);
        assert_eq!(borrowed.register, Some((Free::ANY, true)));
        assert_ne!(borrowed.register(), Free::ACCUMULATOR);
    }

    #[test]
    fn flags_and_register_are_never_the_same_place() {
        for registers in 0..=u16::MAX {
            let borrowed = Borrowed::among(live(Registers16(registers), 1), Needs::Both);
            let register = borrowed.register();
            assert_ne!(register, Free::ACCUMULATOR);
            match borrowed.flags {
                Flags::Free => panic!("flags are in use"),
                Flags::InAccumulator => assert_eq!(registers & 1, 0),
                Flags::Beside(free) => {
                    assert_eq!(registers >> free.number() & 1, 0);
                    assert_ne!(free, register);
                }
                Flags::Spilled => assert_eq!(registers & 1, 1),
            }
        }
    }
}
