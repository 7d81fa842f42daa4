//! Jumps by a table, or to an address in a register: from the copy to the copy.
//!
//! Must not know: what the table is for.
//!
//! ```text
//! target ─► offset in the routine ─► number of the target (one table a routine) ─► place in the copy (one a state)
//!              │ outside                │ 0: not known
//!              ▼                        ▼
//!           the jump as it was       the jump as it was: into the original, where a breakpoint tells of the next site
//! ```

use super::borrowed::{Borrowed, Needs};
use super::copy::Generator;
use super::liveness::{Live, Liveness};
use super::probes::header;
use super::routine::{NotInline, Routine};
use super::ways::State;
use crate::addr::RemoteAddr;
use crate::agent::layout::Header;
use crate::arch::{Assembler, Condition, Effects, Label, load_of_target};
use std::mem::offset_of;

const JUMP: u64 = header(offset_of!(Header, jump));

/// The tables of one routine.
#[derive(Debug, Default)]
pub(super) struct Tables {
    /// Numbers of targets by offset; none before the first jump needs them.
    numbers: Option<Label>,
    /// Places in the copy by number, for each jump.
    places: Vec<(Label, Vec<Label>)>,
    /// Numbers of 64 bits that the code reads.
    words: Vec<(Label, Word)>,
}

/// A number of 64 bits.
#[derive(Clone, Copy, Debug)]
enum Word {
    Number(u64),
    Address(Label),
}

/// What a jump by a table borrows: nobody needs it, wherever that leads, or it is kept.
pub(super) fn borrowed_at(liveness: &Liveness, jump: &Effects) -> Borrowed {
    let live = liveness.anywhere();
    let in_use = Live {
        registers: live.registers.or(jump.reads),
        flags: live.flags,
    };
    Borrowed::among(in_use, Needs::Both)
}

impl Tables {
    /// Writes the jump in `state`; goes to `outside` where it leaves the routine, to `unknown` where it leads nowhere that
    /// is known.
    pub(super) fn jump(
        &mut self,
        generator: &mut Generator<'_>,
        routine: &Routine,
        at: RemoteAddr,
        state: State,
        borrowed: Borrowed,
        [outside, unknown]: [Label; 2],
    ) -> Result<(), NotInline> {
        let Some(jump) = routine.instructions.get(&at) else {
            return Err(NotInline::Overlapping);
        };
        let range = routine.range_of_entry().ok_or(NotInline::NoBody)?;
        let (free, leaves) = (borrowed.register(), generator.code.label());
        borrowed.keep_register(&mut generator.code);
        let (load, displacement) = load_of_target(jump, free).ok_or(NotInline::UnknownJumps)?;
        generator.moved(
            &load,
            displacement.zip(jump.displacement.map(|(_, place)| place)),
            at,
        )?;
        let code = &mut generator.code;
        borrowed.keep_flags(code);
        let start = code.label();
        let numbers_at = code.label();
        let places_at = code.label();
        let numbers = *self.numbers.get_or_insert_with(|| code.label());
        let places = code.label();
        code.subtract_by(start, free);
        code.compare_number(free, (range.end.0 - range.start.0) as u32);
        code.jump_if(Condition::AboveOrEqual, leaves);
        code.double(free);
        code.add_by(numbers_at, free);
        code.follow_short(free);
        code.times_eight(free);
        code.add_by(places_at, free);
        code.follow(free);
        if borrowed.is_free() {
            code.jump_by_register(free);
        } else {
            code.store(free, JUMP);
            borrowed.give_back(code);
            code.jump_by(JUMP);
        }
        code.bind(leaves);
        borrowed.give_back(code);
        code.jump(outside);
        self.words.push((start, Word::Number(range.start.0)));
        self.words.push((numbers_at, Word::Address(numbers)));
        self.words.push((places_at, Word::Address(places)));
        let mut labels = vec![unknown];
        for target in &routine.table_targets {
            labels.push(generator.way_to(routine, *target, state));
        }
        self.places.push((places, labels));
        Ok(())
    }

    /// Writes the tables behind the routine's code.
    pub(super) fn write(self, code: &mut Assembler, routine: &Routine) {
        let Some(numbers) = self.numbers else { return };
        let Some(range) = routine.range_of_entry() else {
            return;
        };
        code.bind(numbers);
        let mut by_offset = vec![0_u16; (range.end.0 - range.start.0) as usize];
        for (target, number) in routine.table_targets.iter().zip(1..) {
            if range.contains(*target) {
                by_offset[(target.0 - range.start.0) as usize] = number;
            }
        }
        for number in by_offset {
            code.raw(&number.to_le_bytes());
        }
        for (at, word) in self.words {
            code.bind(at);
            match word {
                Word::Number(number) => code.raw(&number.to_le_bytes()),
                Word::Address(label) => code.address_word(label),
            }
        }
        for (places, labels) in self.places {
            code.bind(places);
            for label in labels {
                code.address_word(label);
            }
        }
    }
}
