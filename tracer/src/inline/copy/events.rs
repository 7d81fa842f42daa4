//! Events: a frame comes to a site, or ends by a jump.
//!
//! Must not know: how the code of one looks (`probes`).

use super::{Facts, Generator, Place, PlaceOf, Stub, Work};
use crate::addr::RemoteAddr;
use crate::agent::layout::{Descriptor, ENTRY, EXIT, LEAVE, STEP, STRAY, STRAY_ENTRY, STRAY_EXIT, WHOLE};
use crate::arch::Label;
use crate::ids::SiteId;
use crate::inline::borrowed::{Borrowed, Needs};
use crate::inline::liveness::Live;
use crate::inline::probes::{self, Ways};
use crate::inline::routine::{NotInline, SiteRole};
use crate::inline::slow;
use crate::inline::ways::State;
use crate::passage::Step;

/// An event that is being written.
struct Event {
    borrowed: Borrowed,
    ways: Ways,
    end: Label,
}

impl Generator<'_> {
    /// The event of a site.
    pub(super) fn transition(
        &mut self,
        facts: &Facts,
        at: RemoteAddr,
        state: State,
    ) -> Result<Work, NotInline> {
        let routine = &facts.routine;
        let Some(site) = routine.sites.get(&at) else {
            return Err(NotInline::SitesMissing);
        };
        let live = facts.liveness.at(at);
        let work = Work::Node(at, state.behind(routine, at));
        let kind = match (state, site.role) {
            (State::Astray, SiteRole::Exit) => STRAY_EXIT,
            (State::Astray, SiteRole::Entry) => STRAY_ENTRY,
            (State::Astray, SiteRole::Middle | SiteRole::MayExit) => STRAY,
            (State::Entered, SiteRole::Entry) => ENTRY,
            (_, SiteRole::Exit) => EXIT,
            (_, SiteRole::Entry | SiteRole::Middle | SiteRole::MayExit) => STEP,
        };
        if state == State::Astray {
            self.whole(live, kind, site.site)?;
            return Ok(work);
        }
        let moved = facts.through.moved_before(at, state);
        let counter = self.counter(Step::Into {
            previous: state.passed(),
            site: site.site,
        });
        let needs = match kind {
            ENTRY | EXIT => Needs::Both,
            _ => Needs::Flags,
        };
        let event = self.begin(
            self.lend(Borrowed::among(live, needs))?,
            kind,
            counter,
            site.site,
            state,
            moved,
        );
        let free = event.borrowed.register();
        match kind {
            ENTRY => probes::entry(&mut self.code, event.ways, counter, self.routine, free),
            EXIT => probes::exit(&mut self.code, event.ways, counter, free),
            _ => probes::step(&mut self.code, event.ways, counter),
        }
        self.end(event);
        Ok(work)
    }

    /// The frame ends, then the jump at `at` goes where it leads.
    pub(super) fn leave(&mut self, facts: &Facts, at: RemoteAddr, state: State) -> Result<(), NotInline> {
        let routine = &facts.routine;
        let Some(instruction) = routine.instructions.get(&at) else {
            return Err(NotInline::Overlapping);
        };
        let Some(site) = routine.sites.get(&at) else {
            return Err(NotInline::SitesMissing);
        };
        let counter = self.counter(Step::Out {
            previous: state.passed(),
            site: site.site,
        });
        let live = Live {
            registers: facts.liveness.leaving().or(instruction.reads),
            flags: 0,
        };
        let event = self.begin(
            self.lend(Borrowed::among(live, Needs::Both))?,
            LEAVE,
            counter,
            site.site,
            state,
            0,
        );
        probes::leave(&mut self.code, event.ways, counter, event.borrowed.register());
        self.end(event);
        self.place(Place::At(at), State::Astray);
        match routine.jump_target(at) {
            Some(to) => self.code.jump_to(to).or(Err(NotInline::OutOfReach)),
            None => self.moved(&instruction.bytes, instruction.displacement, at),
        }
    }

    fn counter(&mut self, step: Step) -> u32 {
        self.numbers.steps.push(step);
        self.numbers.steps.len() as u32 - 1
    }

    /// Begins an event: what it borrows is kept.
    fn begin(
        &mut self,
        borrowed: Borrowed,
        kind: u32,
        counter: u32,
        site: SiteId,
        state: State,
        moved: i64,
    ) -> Event {
        let ways = Ways {
            gate: self.gate,
            slow: self.code.label(),
            again: self.code.label(),
            done: self.code.label(),
        };
        let end = self.code.label();
        self.places.push((self.code.length(), PlaceOf::Until(end), state));
        borrowed.keep(&mut self.code);
        let previous = state.passed().map_or(0, |site| site.0 + 1);
        self.stubs.push(Stub {
            ways,
            end,
            descriptor: Descriptor {
                again: 0,
                done: 0,
                kind,
                counter,
                site: site.0,
                previous,
                routine: self.routine,
                flags: 0,
                depth: -moved,
            },
        });
        Event { borrowed, ways, end }
    }

    /// What was borrowed is given back.
    fn end(&mut self, event: Event) {
        event.borrowed.give_back(&mut self.code);
        self.code.bind(event.end);
    }

    /// An arrival from nowhere, which is the agent's alone.
    fn whole(&mut self, live: Live, kind: u32, site: SiteId) -> Result<(), NotInline> {
        let borrowed = self.lend(Borrowed::among(live, Needs::Flags))?;
        let event = self.begin(borrowed, kind, 0, site, State::Astray, 0);
        if let Some(stub) = self.stubs.last_mut() {
            stub.descriptor.flags = WHOLE;
        }
        self.code.jump(event.ways.slow);
        self.code.bind(event.ways.again);
        self.code.bind(event.ways.done);
        self.end(event);
        Ok(())
    }

    pub(super) fn write_stubs(&mut self) {
        for stub in std::mem::take(&mut self.stubs) {
            let number = self.numbers.descriptors.len() as u32;
            self.places
                .push((self.code.length(), PlaceOf::Until(stub.end), State::Astray));
            let tails = slow::stub(&mut self.code, self.common, stub.ways, number);
            let address = |label| self.code.address(label).map_or(0, |at| at.0);
            self.numbers.descriptors.push(Descriptor {
                again: address(tails.again),
                done: address(tails.done),
                ..stub.descriptor
            });
            self.numbers.ends.push(RemoteAddr(address(stub.end)));
        }
    }
}
