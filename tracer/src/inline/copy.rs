//! The copy of routines: every instruction once for each site that a frame may have passed last.
//!
//! Must not know: how memory is had or written, which threads there are.
//!
//! ```text
//! node (instruction, state) ──► its instruction, then the next node
//! transition (state ─► site)    the event's code, then the node (site, that site)
//! state: Passed(site), or Astray, when nobody knows: the next site is told of to the agent whatever it is
//! ```

use super::borrowed::{Borrowed, Needs};
use super::doors::Doors;
use super::jumps::{Tables, borrowed_at};
use super::liveness::{Live, Liveness};
use super::probes::{self, Ways};
use super::routine::{BeginsLine, Conventions, NotInline, Routine, SiteRole, target};
use super::slow;
use super::ways::{State, WaysThrough};
use crate::addr::RemoteAddr;
use crate::agent::layout::{Descriptor, ENTRY, EXIT, LEAVE, STEP, STRAY, STRAY_ENTRY, STRAY_EXIT, WHOLE};
use crate::arch::{Assembler, Label, distance};
use crate::code::{CodeOffset, Flow};
use crate::ids::SiteId;
use crate::passage::Step;
use crate::session::Gates;
use std::collections::{HashMap, HashSet};

/// More code than so much for each byte of a routine, and it is not copied.
const MOST_GROWTH: usize = 400;

/// Where a thread that is found in the copy stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// Before this instruction of the original.
    At(RemoteAddr),
    /// In an event: it is let run up to here.
    Within(RemoteAddr),
    /// Before this call of the original, with the return address pushed.
    Pushed(RemoteAddr),
    /// Among a few instructions that do something for us: it is let run to behind them.
    Brief,
}

/// A call that a frame may stand at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct CallPoint {
    /// The site passed last; none when no line has begun.
    pub(crate) passed: Option<SiteId>,
    /// What the stack pointer has moved since.
    pub(crate) moved: i64,
}

/// Where the original leads into the copy of a routine.
#[derive(Clone, Debug, Default)]
pub(crate) struct Ins {
    /// Addresses that doors stand at.
    pub(crate) doors: HashMap<RemoteAddr, RemoteAddr>,
    /// Sites, for threads that come to them in the original.
    pub(crate) sites: HashMap<RemoteAddr, RemoteAddr>,
    /// Sites where a line begins, behind the event.
    pub(crate) behind: HashMap<SiteId, RemoteAddr>,
}

/// Numbers that are given once in a process.
#[derive(Clone, Debug, Default)]
pub(crate) struct Numbers {
    pub(crate) descriptors: Vec<Descriptor>,
    /// Where a thread in an event's code is let run to, one for each descriptor.
    pub(crate) ends: Vec<RemoteAddr>,
    /// What each counter counts.
    pub(crate) steps: Vec<Step>,
    /// The first is none.
    pub(crate) call_points: Vec<CallPoint>,
    /// The first counter of each routine, and the one behind its last.
    pub(crate) routines: Vec<(u32, u32)>,
    /// The entry of each routine.
    pub(crate) entries: Vec<SiteId>,
    /// Sites whose instruction may jump out of the routine.
    pub(crate) may_exit: HashSet<SiteId>,
    /// Sites where no line begins.
    pub(crate) lineless: HashSet<SiteId>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Work {
    Node(RemoteAddr, State),
    Transition(RemoteAddr, State),
    /// A call's return, in whatever state.
    Return(RemoteAddr),
    /// The frame ends by a jump, which goes to where the instruction leads.
    Leave(RemoteAddr, State),
}

/// An event that is being written.
struct Event {
    borrowed: Borrowed,
    ways: Ways,
    end: Label,
}

struct Stub {
    ways: Ways,
    descriptor: Descriptor,
    end: Label,
}

/// Writes routines one behind the other.
pub(super) struct Generator<'n> {
    pub(super) code: Assembler,
    numbers: &'n mut Numbers,
    common: Label,
    /// What is tested before an event.
    gate: u64,
    /// By offset in the code.
    places: Vec<(usize, PlaceOf, State)>,
    labels: HashMap<Work, Label>,
    work: Vec<Work>,
    stubs: Vec<Stub>,
    /// The calls of the present routine.
    points: HashMap<(RemoteAddr, State), u32>,
    routine: u32,
}

/// What is known of the routine that is being copied.
struct Facts<'r> {
    routine: &'r Routine,
    doors: &'r Doors,
    liveness: Liveness,
    through: WaysThrough,
}

#[derive(Clone, Copy, Debug)]
enum PlaceOf {
    Known(Place),
    Until(Label),
}

/// Code for a region, and where a thread in it stands.
#[derive(Clone, Debug)]
pub(crate) struct Written {
    pub(crate) bytes: Vec<u8>,
    pub(crate) places: Vec<(RemoteAddr, Place, State)>,
    pub(crate) routines: Vec<Result<Ins, NotInline>>,
}

/// Writes the agent and the copies of `routines` for a region at `start`.
pub(crate) fn write(
    start: RemoteAddr,
    agent: &[u8],
    gates: Gates,
    routines: &[(Routine, Doors)],
    numbers: &mut Numbers,
) -> Option<Written> {
    let mut code = Assembler::new(start);
    let entry = code.label();
    code.bind(entry);
    code.raw(agent);
    let common = code.label();
    slow::common(&mut code, common, entry);
    let mut generator = Generator {
        code,
        numbers,
        common,
        gate: probes::gate(gates),
        places: Vec::new(),
        labels: HashMap::new(),
        work: Vec::new(),
        stubs: Vec::new(),
        points: HashMap::new(),
        routine: 0,
    };
    if generator.numbers.call_points.is_empty() {
        generator.numbers.call_points.push(CallPoint {
            passed: None,
            moved: 0,
        });
    }
    let mut labels = Vec::new();
    for (routine, doors) in routines {
        labels.push(generator.routine(routine, doors));
    }
    generator.finish(labels)
}

/// Labels of [`Ins`].
type InLabels = (
    Vec<(RemoteAddr, Label)>,
    Vec<(RemoteAddr, Label)>,
    Vec<(SiteId, Label)>,
);

impl Generator<'_> {
    fn finish(mut self, labels: Vec<Result<InLabels, NotInline>>) -> Option<Written> {
        // What was begun for routines that are refused in their middle leads nowhere, and nobody comes there.
        let nowhere = self.code.label();
        self.code.bind(nowhere);
        self.code.raw(&[0x0F, 0x0B]);
        self.code.bind_open(nowhere);
        let address = |label: Label| self.code.address(label);
        let mut places = Vec::with_capacity(self.places.len());
        for (offset, place, state) in &self.places {
            let place = match place {
                PlaceOf::Known(place) => *place,
                PlaceOf::Until(label) => Place::Within(address(*label)?),
            };
            places.push((self.code.at(*offset), place, *state));
        }
        let ins = |(doors, sites, behind): InLabels| -> Option<Ins> {
            let all = |labels: Vec<(RemoteAddr, Label)>| {
                let of = |(at, label): (RemoteAddr, Label)| Some((at, address(label)?));
                labels.into_iter().map(of).collect::<Option<HashMap<_, _>>>()
            };
            let of = |(site, label): (SiteId, Label)| Some((site, address(label)?));
            Some(Ins {
                doors: all(doors)?,
                sites: all(sites)?,
                behind: behind.into_iter().map(of).collect::<Option<HashMap<_, _>>>()?,
            })
        };
        let mut routines = Vec::new();
        for routine in labels {
            routines.push(match routine {
                Ok(labels) => Ok(ins(labels)?),
                Err(reason) => Err(reason),
            });
        }
        Some(Written {
            places,
            routines,
            bytes: self.code.finish()?,
        })
    }

    fn routine(&mut self, routine: &Routine, doors: &Doors) -> Result<InLabels, NotInline> {
        self.labels.clear();
        self.work.clear();
        self.points.clear();
        self.routine = self.numbers.routines.len() as u32;
        let first = self.numbers.steps.len() as u32;
        let known = self.numbers.lengths();
        let places = self.places.len();
        let facts = Facts {
            routine,
            doors,
            liveness: Liveness::of(routine),
            through: WaysThrough::of(routine),
        };
        let written = self.write_routine(&facts);
        let end = self.numbers.steps.len() as u32;
        if written.is_err() {
            self.numbers.cut(known);
            self.places.truncate(places);
            self.stubs.clear();
        } else {
            self.numbers.routines.push((first, end));
            for (at, site) in &routine.sites {
                if *at == routine.entry {
                    self.numbers.entries.push(site.site);
                }
                if site.role == SiteRole::MayExit {
                    self.numbers.may_exit.insert(site.site);
                }
                if site.line == BeginsLine::No {
                    self.numbers.lineless.insert(site.site);
                }
            }
        }
        written
    }

    fn write_routine(&mut self, facts: &Facts<'_>) -> Result<InLabels, NotInline> {
        let routine = facts.routine;
        for (behind, states) in &facts.through.calls {
            for state in states {
                let point = self.numbers.call_points.len() as u32;
                self.points.insert((*behind, *state), point);
                self.numbers.call_points.push(CallPoint {
                    passed: state.passed(),
                    moved: 0,
                });
            }
        }
        let mut ins: InLabels = (Vec::new(), Vec::new(), Vec::new());
        ins.0.push((
            routine.entry,
            self.want(Work::Transition(routine.entry, State::Entered)),
        ));
        for pad in &routine.request.landing_pads {
            ins.0.push((*pad, self.way_to(routine, *pad, State::Astray)));
        }
        for at in &routine.returns {
            if !routine.request.landing_pads.contains(at) {
                ins.0.push((*at, self.want(Work::Return(*at))));
            }
        }
        for (at, site) in &routine.sites {
            ins.1.push((*at, self.want(Work::Transition(*at, State::Astray))));
            if site.line == BeginsLine::Yes {
                let behind = self.want(Work::Node(*at, State::Passed(site.site)));
                ins.2.push((site.site, behind));
            }
        }
        let mut tables = Tables::default();
        self.run(facts, &mut tables)?;
        self.write_stubs();
        tables.write(&mut self.code, routine);
        Ok(ins)
    }

    fn run(&mut self, facts: &Facts<'_>, tables: &mut Tables) -> Result<(), NotInline> {
        let bytes: usize = facts.routine.instructions.values().map(|i| i.bytes.len()).sum();
        let most = self.code.length() + MOST_GROWTH * bytes;
        while let Some(first) = self.work.pop() {
            if self
                .labels
                .get(&first)
                .is_some_and(|label| self.code.is_bound(*label))
            {
                continue;
            }
            let mut next = Some(first);
            while let Some(work) = next {
                let label = self.want(work);
                if self.code.is_bound(label) {
                    // It is not within the event before it any more.
                    if let Work::Node(at, state) | Work::Transition(at, state) = work {
                        self.place(Place::At(at), state);
                    }
                    self.code.jump(label);
                    break;
                }
                if self.code.length() > most {
                    return Err(NotInline::TooLarge);
                }
                self.code.bind(label);
                next = match work {
                    Work::Node(at, state) => self.node(facts, tables, at, state)?,
                    Work::Transition(at, state) => Some(self.transition(facts, at, state)?),
                    Work::Return(at) => Some(self.came_back(facts, at)?),
                    Work::Leave(at, state) => {
                        self.leave(facts, at, state)?;
                        None
                    }
                };
            }
        }
        Ok(())
    }

    /// The label of a piece of work, which is done in time.
    fn want(&mut self, work: Work) -> Label {
        if let Some(label) = self.labels.get(&work) {
            return *label;
        }
        let label = self.code.label();
        self.labels.insert(work, label);
        self.work.push(work);
        label
    }

    fn towards(&self, routine: &Routine, at: RemoteAddr, state: State) -> Work {
        if routine.sites.contains_key(&at) {
            Work::Transition(at, state)
        } else {
            Work::Node(at, state)
        }
    }

    /// The way to an instruction in a state: by the event of its site, where it has one.
    pub(super) fn way_to(&mut self, routine: &Routine, at: RemoteAddr, state: State) -> Label {
        let work = self.towards(routine, at, state);
        self.want(work)
    }

    fn place(&mut self, place: Place, state: State) {
        self.places
            .push((self.code.length(), PlaceOf::Known(place), state));
    }

    /// Writes an instruction's bytes; `displacement` is where in them a distance to a place, relative to `at`, is.
    pub(super) fn moved(
        &mut self,
        bytes: &[u8],
        displacement: Option<(usize, CodeOffset)>,
        at: RemoteAddr,
    ) -> Result<(), NotInline> {
        let start = self.code.length();
        self.code.raw(bytes);
        if let Some((within, place)) = displacement {
            let distance = distance(self.code.here(), target(at, place)).or(Err(NotInline::OutOfReach))?;
            self.code.patch(start + within, &distance.to_le_bytes());
        }
        Ok(())
    }

    fn node(
        &mut self,
        facts: &Facts<'_>,
        tables: &mut Tables,
        at: RemoteAddr,
        state: State,
    ) -> Result<Option<Work>, NotInline> {
        let routine = facts.routine;
        self.place(Place::At(at), state);
        let Some(instruction) = routine.instructions.get(&at) else {
            // Behind the last instruction: whatever is there.
            self.code.jump_to(at).or(Err(NotInline::OutOfReach))?;
            return Ok(None);
        };
        let behind = routine.behind(at);
        match instruction.flow {
            Flow::Next => {
                self.moved(&instruction.bytes, instruction.displacement, at)?;
                Ok(Some(self.towards(routine, behind, state)))
            }
            Flow::Return | Flow::Trap => {
                self.moved(&instruction.bytes, instruction.displacement, at)?;
                Ok(None)
            }
            Flow::Jump(to) => {
                let to = target(at, to);
                if routine.contains(to) {
                    return Ok(Some(self.towards(routine, to, state)));
                }
                self.code.jump_to(to).or(Err(NotInline::OutOfReach))?;
                Ok(None)
            }
            Flow::Branch(to) => {
                let to = target(at, to);
                let condition = condition(&instruction.bytes);
                if routine.contains(to) {
                    let label = self.way_to(routine, to, state);
                    self.code.jump_if_code(condition, label);
                } else if state == State::Astray {
                    self.code
                        .jump_if_to(condition, to)
                        .or(Err(NotInline::OutOfReach))?;
                } else {
                    let label = self.want(Work::Leave(at, state));
                    self.code.jump_if_code(condition, label);
                }
                Ok(Some(self.towards(routine, behind, state)))
            }
            Flow::Call => {
                self.call(facts, at, state)?;
                Ok(None)
            }
            Flow::IndirectJump if state == State::Astray => {
                self.moved(&instruction.bytes, instruction.displacement, at)?;
                Ok(None)
            }
            Flow::IndirectJump => {
                let leaves = match routine.request.conventions {
                    Conventions::Optimised | Conventions::Agreed => Work::Leave(at, state),
                    Conventions::Standard => Work::Node(at, State::Astray),
                };
                if routine.table_targets.is_empty() {
                    return Ok(Some(leaves));
                }
                let borrowed = borrowed_at(&facts.liveness, instruction);
                let outside = self.want(leaves);
                let unknown = self.want(Work::Node(at, State::Astray));
                self.place(Place::Brief, state);
                tables.jump(self, routine, at, state, borrowed, [outside, unknown])?;
                Ok(None)
            }
        }
    }

    /// A call, at its own place or by a push of its return address.
    fn call(&mut self, facts: &Facts<'_>, at: RemoteAddr, state: State) -> Result<(), NotInline> {
        let Some(instruction) = facts.routine.instructions.get(&at) else {
            return Err(NotInline::Overlapping);
        };
        let behind = facts.routine.behind(at);
        if let Some(point) = self.points.get(&(behind, state)).copied() {
            let moved = facts.through.moved_at(at, state);
            self.numbers.call_points[point as usize].moved = moved;
            self.place(Place::Brief, state);
            let borrowed = Borrowed::among(facts.liveness.at(at), Needs::Register);
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
    fn came_back(&mut self, facts: &Facts<'_>, at: RemoteAddr) -> Result<Work, NotInline> {
        let routine = facts.routine;
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
        let borrowed = Borrowed::among(facts.liveness.at(at), Needs::Both);
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

    /// The event of a site.
    fn transition(&mut self, facts: &Facts<'_>, at: RemoteAddr, state: State) -> Result<Work, NotInline> {
        let routine = facts.routine;
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
            self.whole(live, kind, site.site);
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
            Borrowed::among(live, needs),
            kind,
            counter,
            Some(site.site),
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
    fn leave(&mut self, facts: &Facts<'_>, at: RemoteAddr, state: State) -> Result<(), NotInline> {
        let routine = facts.routine;
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
            Borrowed::among(live, Needs::Both),
            LEAVE,
            counter,
            Some(site.site),
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
        site: Option<SiteId>,
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
                site: site.map_or(0, |site| site.0),
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
    fn whole(&mut self, live: Live, kind: u32, site: SiteId) {
        let borrowed = Borrowed::among(live, Needs::Flags);
        let event = self.begin(borrowed, kind, 0, Some(site), State::Astray, 0);
        if let Some(stub) = self.stubs.last_mut() {
            stub.descriptor.flags = WHOLE;
        }
        self.code.jump(event.ways.slow);
        self.code.bind(event.ways.again);
        self.code.bind(event.ways.done);
        self.end(event);
    }

    fn write_stubs(&mut self) {
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

/// The condition of a conditional jump: 70 to 7F with 8 bits, 0F 80 to 0F 8F with 32, behind any prefixes.
fn condition(bytes: &[u8]) -> u8 {
    let long = bytes
        .windows(2)
        .position(|two| two[0] == 0x0F && two[1] & 0xF0 == 0x80);
    match long {
        Some(at) if at + 6 == bytes.len() => bytes[at + 1] & 0x0F,
        _ => bytes[bytes.len().saturating_sub(2)] & 0x0F,
    }
}

impl Numbers {
    fn lengths(&self) -> [usize; 4] {
        [
            self.descriptors.len(),
            self.ends.len(),
            self.steps.len(),
            self.call_points.len(),
        ]
    }

    fn cut(&mut self, [descriptors, ends, steps, call_points]: [usize; 4]) {
        self.descriptors.truncate(descriptors);
        self.ends.truncate(ends);
        self.steps.truncate(steps);
        self.call_points.truncate(call_points);
    }
}
