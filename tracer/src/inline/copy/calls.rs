//! Calls out of a copy, and their way back.
//!
//! Must not know: events, what is counted.

use super::{Facts, Generator, Place, Work};
use crate::addr::RemoteAddr;
use crate::inline::borrowed::{Borrowed, Needs};
use crate::inline::probes;
use crate::inline::routine::{NotInline, target};
use crate::inline::ways::State;

impl Generator<'_> {
    /// A call, at its own place or by a push of its return address.
    pub(super) fn call(&mut self, facts: &Facts, at: RemoteAddr, state: State) -> Result<(), NotInline> {
        let Some(instruction) = facts.routine.instructions.get(&at) else {
            return Err(NotInline::Overlapping);
        };
        let behind = facts.routine.behind(at);
        if let Some(point) = self.points.get(&(behind, state)).copied() {
            let moved = facts.through.moved_at(at, state);
            self.numbers.call_points[point as usize].moved = moved;
            self.place(Place::Brief, state);
            let borrowed = self.lend(Borrowed::among(facts.liveness.at(at), Needs::Register))?;
            borrowed.keep(&mut self.code);
            probes::call(&mut self.code, point, borrowed.register());
            borrowed.give_back(&mut self.code);
            self.place(Place::At(at), state);
        }
        if facts.doors.kept.contains(&at) {
            return self.code.jump_to(at).or(Err(NotInline::OutOfReach));
        }
        // push 0f(%rip) ; jmp there ; 0: the address behind the call
        let literal = self.code.label();
        self.code.push_by(literal);
        self.place(Place::Pushed(at), state);
        match instruction.calls {
            Some(to) => self.code.jump_to(target(at, to)).or(Err(NotInline::OutOfReach))?,
            None => {
                // FF /2 becomes FF /4; what is addressed by the stack pointer lies 8 bytes further up now.
                if instruction.by_sp {
                    return Err(NotInline::AddressMatters);
                }
                let mut bytes = instruction.bytes.clone();
                let opcode = bytes
                    .iter()
                    .position(|byte| *byte == 0xFF)
                    .ok_or(NotInline::AddressMatters)?;
                let modrm = bytes.get_mut(opcode + 1).ok_or(NotInline::AddressMatters)?;
                *modrm = *modrm & 0b1100_0111 | 4 << 3;
                self.moved(&bytes, instruction.displacement, at)?;
            }
        }
        self.code.bind(literal);
        self.code.raw(&behind.0.to_le_bytes());
        Ok(())
    }

    /// Where a call returns to.
    pub(super) fn came_back(&mut self, facts: &Facts, at: RemoteAddr) -> Result<Work, NotInline> {
        let routine = &facts.routine;
        self.place(Place::At(at), State::Astray);
        let astray = self.towards(routine, at, State::Astray);
        let states = facts
            .through
            .calls
            .get(&at)
            .map(Vec::as_slice)
            .unwrap_or_default();
        if states.is_empty() {
            return Ok(astray);
        }
        self.place(Place::Brief, State::Astray);
        let borrowed = self.lend(Borrowed::among(facts.liveness.at(at), Needs::Both))?;
        let (free, elsewhere) = (borrowed.register(), self.code.label());
        borrowed.keep(&mut self.code);
        probes::came_back(&mut self.code, free, elsewhere);
        let mut arms = Vec::new();
        for state in states {
            let arm = self.code.label();
            let point = self
                .points
                .get(&(at, *state))
                .copied()
                .ok_or(NotInline::Overlapping)?;
            probes::is_call(&mut self.code, point, free, arm);
            arms.push((arm, *state));
        }
        self.code.jump(elsewhere);
        for (arm, state) in arms {
            self.code.bind(arm);
            self.place(Place::Brief, state);
            probes::mark(&mut self.code, self.routine);
            borrowed.give_back(&mut self.code);
            self.place(Place::At(at), state);
            let to = self.way_to(routine, at, state);
            self.code.jump(to);
        }
        self.code.bind(elsewhere);
        self.place(Place::Brief, State::Astray);
        borrowed.give_back(&mut self.code);
        self.place(Place::At(at), State::Astray);
        // Nobody comes here from above; what is astray is written next.
        Ok(astray)
    }
}
