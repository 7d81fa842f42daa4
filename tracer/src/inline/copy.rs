//! The copy of routines: every instruction once for each site that a frame may have passed last.
//!
//! Must not know: how memory is had or written, which threads there are.
//!
//! ```text
//! node (instruction, state) ──► its instruction, then the next node
//! transition (state ─► site)    the event's code, then the node (site, that site)
//! state: Passed(site), or Astray, when nobody knows: the next site is told of to the agent whatever it is
//! ```

mod calls;
mod events;

use super::borrowed::{Borrowed, Needs};
use super::doors::{self, Door, Doors, Past};
use super::jumps::{Tables, borrowed_at};
use super::liveness::Liveness;
use super::numbers::{CallPoint, Numbers};
use super::probes::{self, Ways};
use super::routine::{BeginsLine, Conventions, NotInline, Routine, SiteRole, target};
use super::slow;
use super::ways::{State, WaysThrough};
use crate::addr::RemoteAddr;
use crate::agent::layout::Descriptor;
use crate::arch::{Assembler, Label, distance};
use crate::code::{CodeOffset, Flow};
use crate::ids::SiteId;
use crate::options::{Gates, Keeper};
use std::collections::{BTreeSet, HashMap};

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

/// Where the original leads into the copy of a routine.
#[derive(Clone, Debug, Default)]
pub(crate) struct Ins {
    /// Addresses that doors stand at.
    pub(crate) doors: HashMap<RemoteAddr, RemoteAddr>,
    /// Sites, and what else a thread may come to in the original and be stopped at.
    pub(crate) stops: HashMap<RemoteAddr, RemoteAddr>,
    /// Sites where a line begins, behind the event.
    pub(crate) behind: HashMap<SiteId, RemoteAddr>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Work {
    Node(RemoteAddr, State),
    Transition(RemoteAddr, State),
    /// A call's return, in whatever state.
    Return(RemoteAddr),
    /// A door, where it is asked whose block this is.
    Admit(RemoteAddr),
    /// The frame ends by a jump, which goes to where the instruction leads.
    Leave(RemoteAddr, State),
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
    keeper: Keeper,
    /// By offset in the code.
    places: Vec<(usize, PlaceOf, State)>,
    labels: HashMap<Work, Label>,
    work: Vec<Work>,
    stubs: Vec<Stub>,
    /// The calls of the present routine.
    points: HashMap<(RemoteAddr, State), u32>,
    routine: u32,
}

/// A routine that is to be copied, and what is known of it.
#[derive(Debug)]
pub(super) struct Facts {
    pub(super) routine: Routine,
    pub(super) doors: Doors,
    liveness: Liveness,
    through: WaysThrough,
}

impl Facts {
    pub(super) fn of(routine: Routine, past: Past) -> Self {
        Self {
            doors: doors::plan(&routine, past),
            liveness: Liveness::of(&routine),
            through: WaysThrough::of(&routine),
            routine,
        }
    }
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
    (gates, keeper): (Gates, Keeper),
    routines: &[Facts],
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
        keeper,
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
    let labels = routines.iter().map(|facts| generator.routine(facts)).collect();
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
        let ins = |(doors, stops, behind): InLabels| -> Option<Ins> {
            let all = |labels: Vec<(RemoteAddr, Label)>| {
                let of = |(at, label): (RemoteAddr, Label)| Some((at, address(label)?));
                labels.into_iter().map(of).collect::<Option<HashMap<_, _>>>()
            };
            let of = |(site, label): (SiteId, Label)| Some((site, address(label)?));
            Some(Ins {
                doors: all(doors)?,
                stops: all(stops)?,
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

    fn routine(&mut self, facts: &Facts) -> Result<InLabels, NotInline> {
        self.labels.clear();
        self.work.clear();
        self.points.clear();
        self.routine = self.numbers.routines.len() as u32;
        let first = self.numbers.steps.len() as u32;
        let known = self.numbers.lengths();
        let places = self.places.len();
        let written = self.write_routine(facts);
        let end = self.numbers.steps.len() as u32;
        if written.is_err() {
            self.numbers.cut(known);
            self.places.truncate(places);
            self.stubs.clear();
        } else {
            self.numbers.routines.push((first, end));
            for (at, site) in &facts.routine.sites {
                if *at == facts.routine.entry {
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

    fn write_routine(&mut self, facts: &Facts) -> Result<InLabels, NotInline> {
        let routine = &facts.routine;
        if self.keeper == Keeper::Nobody && facts.doors.doors.values().any(|door| *door == Door::Stop) {
            return Err(NotInline::NeedsTracer);
        }
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
        let pads = routine.request.landing_pads.iter();
        let doors: BTreeSet<RemoteAddr> = routine.returns.iter().chain(pads).copied().collect();
        for at in doors.into_iter().chain([routine.entry]) {
            let work = match self.keeper {
                Keeper::Tracer => self.behind_door(routine, at),
                Keeper::Nobody => Work::Admit(at),
            };
            ins.0.push((at, self.want(work)));
        }
        for (at, door) in &facts.doors.doors {
            if *door == Door::Guarded {
                for inside in doors::inside(routine, *at) {
                    ins.1.push((inside, self.way_to(routine, inside, State::Astray)));
                }
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

    /// What a door leads to.
    fn behind_door(&self, routine: &Routine, at: RemoteAddr) -> Work {
        if at == routine.entry {
            Work::Transition(at, State::Entered)
        } else if routine.request.landing_pads.contains(&at) {
            self.towards(routine, at, State::Astray)
        } else {
            Work::Return(at)
        }
    }

    /// A door: threads that have no block of their own go on in the original.
    fn admit(&mut self, facts: &Facts, at: RemoteAddr) -> Result<Work, NotInline> {
        let borrowed = Borrowed::among(facts.liveness.at(at), Needs::Both);
        if !borrowed.is_free() {
            return Err(NotInline::NeedsTracer);
        }
        self.place(Place::Brief, State::Astray);
        let elsewhere = self.want(Work::Node(at, State::Unwatched));
        probes::admit(&mut self.code, borrowed.register(), elsewhere);
        Ok(self.behind_door(&facts.routine, at))
    }

    /// What an event, a call or a return may borrow. The block's words are one event's: without a tracer a handler may run
    /// in the middle of it.
    fn lend(&self, borrowed: Borrowed) -> Result<Borrowed, NotInline> {
        match self.keeper {
            Keeper::Nobody if borrowed.spills() => Err(NotInline::NeedsTracer),
            Keeper::Nobody | Keeper::Tracer => Ok(borrowed),
        }
    }

    fn run(&mut self, facts: &Facts, tables: &mut Tables) -> Result<(), NotInline> {
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
                    Work::Admit(at) => Some(self.admit(facts, at)?),
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
        if state != State::Unwatched && routine.sites.contains_key(&at) {
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
        facts: &Facts,
        tables: &mut Tables,
        at: RemoteAddr,
        state: State,
    ) -> Result<Option<Work>, NotInline> {
        let routine = &facts.routine;
        self.place(Place::At(at), state);
        let original = state == State::Unwatched && !facts.doors.is_covered(at);
        let Some(instruction) = routine.instructions.get(&at).filter(|_| !original) else {
            // Behind the last instruction whatever is there, too.
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
                } else if matches!(state, State::Astray | State::Unwatched) {
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
            Flow::IndirectJump if matches!(state, State::Astray | State::Unwatched) => {
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
                if self.keeper == Keeper::Nobody && !borrowed.is_free() {
                    return Err(NotInline::NeedsTracer);
                }
                let outside = self.want(leaves);
                let unknown = self.want(Work::Node(at, State::Astray));
                self.place(Place::Brief, state);
                tables.jump(self, routine, at, state, borrowed, [outside, unknown])?;
                Ok(None)
            }
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
