//! The memory that is shared with the process, by its meaning: threads' blocks, the trail, counters, records.
//!
//! Must not know: stops, registers. The process may have written anything there: every number that is used is checked.

use super::numbers::Numbers;
use super::trail::{self, Trail};
use crate::addr::RemoteAddr;
use crate::agent::layout::{
    ADOPTED, BLOCK_SIZE, COUNTERS, Control, DESCRIPTORS, DESCRIPTORS_SIZE, DIRTY, Descriptor, FOLDED, HEADER,
    Header, PAGE, RECORDS, RECORDS_SIZE, ROUTINES, Record, STACK, STACK_SIZE, TOUCHED, TRAIL, TRAIL_SIZE,
    UNTOLD,
};
use crate::ids::TraceeId;
use crate::passage::{Begun, Passage, Resumed, Step};
use crate::sys::Answer;
use crate::sys::shared_memory::SharedMemory;
use nix::errno::Errno;
use std::mem::offset_of;
use std::sync::atomic::Ordering;

const RECORD: u64 = size_of::<Record>() as u64;

/// A block, by its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Slot(pub(crate) u32);

/// How often a thread is looked at until it is let be.
const LOOKS: usize = 16;

/// Blocks that are mapped at once; each time there are twice as many as the time before.
const FIRST_BLOCKS: u32 = 16;

impl Slot {
    /// In which mapping it is, and which it is there.
    fn place(self) -> (usize, u64) {
        let mapping = (self.0 / FIRST_BLOCKS + 1).ilog2();
        let first = FIRST_BLOCKS * ((1 << mapping) - 1);
        (mapping as usize, u64::from(self.0 - first))
    }
}

/// Memory, and where the process has it.
#[derive(Debug)]
struct Mapped {
    memory: SharedMemory,
    at: RemoteAddr,
}

/// What is shared with one process.
#[derive(Debug)]
pub(crate) struct Blocks {
    control: Mapped,
    blocks: Vec<Mapped>,
    owners: Vec<Option<TraceeId>>,
    trails: Vec<Trail>,
    /// Descriptors and routines that are written.
    written: (usize, usize),
}

/// Memory of `bytes`, to be shared.
pub(crate) fn memory(bytes: u64) -> Answer<SharedMemory> {
    SharedMemory::new(usize::try_from(bytes).or(Err(Errno::EFBIG))?)
}

impl Blocks {
    /// No blocks yet; the process has `control` there, of `CONTROL_SIZE` bytes.
    pub(crate) fn new(control: SharedMemory, at: RemoteAddr) -> Self {
        Self {
            control: Mapped { memory: control, at },
            blocks: Vec::new(),
            owners: Vec::new(),
            trails: Vec::new(),
            written: (0, 0),
        }
    }

    /// How many blocks the next mapping is to have, and their bytes.
    pub(crate) fn next_mapping(&self) -> (u32, u64) {
        let blocks = FIRST_BLOCKS << self.blocks.len();
        (blocks, u64::from(blocks) * BLOCK_SIZE)
    }

    /// The process has the next mapping there; the slots that came with it.
    pub(crate) fn add(&mut self, memory: SharedMemory, at: RemoteAddr) -> std::ops::Range<u32> {
        let (more, _) = self.next_mapping();
        let first = self.owners.len() as u32;
        self.blocks.push(Mapped { memory, at });
        self.owners.resize(self.owners.len() + more as usize, None);
        self.trails.resize(self.owners.len(), Trail::default());
        first..first + more
    }

    /// Blocks without a thread.
    pub(crate) fn free(&self) -> usize {
        self.owners.iter().filter(|owner| owner.is_none()).count()
    }

    /// Where the process has what it has once.
    pub(crate) fn base(&self) -> RemoteAddr {
        self.control.at
    }

    /// Where the process has block `slot`.
    pub(crate) fn address(&self, slot: Slot) -> RemoteAddr {
        let (mapping, number) = slot.place();
        self.blocks[mapping].at.plus(number * BLOCK_SIZE)
    }

    pub(crate) fn set_control(&self, field: usize, value: u64) {
        self.control.memory.u64_at(field).store(value, Ordering::SeqCst);
    }

    pub(crate) fn control(&self, field: usize) -> u64 {
        self.control.memory.u64_at(field).load(Ordering::SeqCst)
    }

    fn word(&self, slot: Slot, offset: u64) -> &std::sync::atomic::AtomicU64 {
        let (mapping, number) = slot.place();
        self.blocks[mapping]
            .memory
            .u64_at((number * BLOCK_SIZE + offset) as usize)
    }

    fn get(&self, slot: Slot, offset: u64) -> u64 {
        self.word(slot, offset).load(Ordering::SeqCst)
    }

    fn set(&self, slot: Slot, offset: u64, value: u64) {
        self.word(slot, offset).store(value, Ordering::SeqCst);
    }

    pub(crate) fn header(&self, slot: Slot, field: usize) -> u64 {
        self.get(slot, HEADER + field as u64)
    }

    pub(crate) fn set_header(&self, slot: Slot, field: usize, value: u64) {
        self.set(slot, HEADER + field as u64, value);
    }

    /// A block for `thread`; `None` when all are taken.
    pub(crate) fn take(&mut self, thread: TraceeId, memory: u64, gates: u32) -> Option<Slot> {
        let free = self.owners.iter().position(Option::is_none)?;
        let slot = Slot(u32::try_from(free).ok()?);
        self.owners[free] = Some(thread);
        self.trails[free] = Trail::default();
        let gated = slot.0 < gates;
        let base = self.address(slot).0;
        let first = base + RECORDS;
        self.set(slot, RECORDS + offset_of!(Record, entry_sp) as u64, u64::MAX);
        self.set(slot, RECORDS + offset_of!(Record, call_sp) as u64, 0);
        for (field, value) in [
            (offset_of!(Header, this), base),
            (offset_of!(Header, control), self.control.at.0),
            (offset_of!(Header, frame), first),
            (offset_of!(Header, top_sp), u64::MAX),
            (offset_of!(Header, limit), first + PAGE - 2 * RECORD),
            (offset_of!(Header, agent_stack), base + STACK + STACK_SIZE),
            (offset_of!(Header, busy), 0),
            (offset_of!(Header, memory), memory),
            (offset_of!(Header, told), 0),
            (offset_of!(Header, gated), u64::from(gated)),
            (offset_of!(Header, returned_to), 0),
            (offset_of!(Header, always), 1),
        ] {
            self.set_header(slot, field, value);
        }
        // Its first event looks for itself: nobody has marked the slot while it was not in use.
        self.set(slot, DIRTY, 1);
        Some(slot)
    }

    /// The block of a thread.
    pub(crate) fn of(&self, thread: TraceeId) -> Option<Slot> {
        let found = self.owners.iter().position(|owner| *owner == Some(thread))?;
        u32::try_from(found).ok().map(Slot)
    }

    /// The thread is gone.
    pub(crate) fn give_back(&mut self, slot: Slot) {
        self.owners[slot.0 as usize] = None;
    }

    /// Blocks in use, with their threads.
    pub(crate) fn in_use(&self) -> Vec<(Slot, TraceeId)> {
        let owners = self.owners.iter().zip(0..);
        owners
            .filter_map(|(owner, slot)| owner.map(|thread| (Slot(slot), thread)))
            .collect()
    }

    /// Writes what is static of routines that were added.
    pub(crate) fn publish(&mut self, numbers: &Numbers) -> Answer<()> {
        let size = size_of::<Descriptor>();
        if numbers.descriptors.len() * size > DESCRIPTORS_SIZE as usize {
            return Err(Errno::ENOMEM);
        }
        let (descriptors, routines) = self.written;
        for (descriptor, number) in numbers.descriptors.iter().zip(0..).skip(descriptors) {
            let at = DESCRIPTORS as usize + number * size;
            let pair = |low: u32, high: u32| u64::from(low) | u64::from(high) << 32;
            for (offset, word) in [
                (offset_of!(Descriptor, again), descriptor.again),
                (offset_of!(Descriptor, done), descriptor.done),
                (
                    offset_of!(Descriptor, kind),
                    pair(descriptor.kind, descriptor.counter),
                ),
                (
                    offset_of!(Descriptor, site),
                    pair(descriptor.site, descriptor.previous),
                ),
                (
                    offset_of!(Descriptor, routine),
                    pair(descriptor.routine, descriptor.flags),
                ),
                (offset_of!(Descriptor, depth), descriptor.depth.cast_unsigned()),
            ] {
                self.control
                    .memory
                    .u64_at(at + offset)
                    .store(word, Ordering::Relaxed);
            }
        }
        for ((first, end), number) in numbers.routines.iter().zip(0..).skip(routines) {
            let word = u64::from(*first) | u64::from(*end) << 32;
            self.control
                .memory
                .u64_at(ROUTINES as usize + number * 8)
                .store(word, Ordering::Relaxed);
        }
        self.written = (numbers.descriptors.len(), numbers.routines.len());
        self.set_control(offset_of!(Control, routines), numbers.routines.len() as u64);
        Ok(())
    }

    /// The pages of a block that its thread touches, as offsets; those of counters below `counters`.
    pub(crate) fn pages(counters: usize, routines: usize) -> Vec<u64> {
        let counted = |bytes: usize| (bytes as u64).next_multiple_of(PAGE).max(PAGE);
        let ranges = [
            (0, RECORDS + PAGE),
            (TRAIL, PAGE),
            (TOUCHED, counted(routines)),
            (COUNTERS, counted(counters * 8)),
            (FOLDED, counted(counters * 8)),
            (STACK, STACK_SIZE),
        ];
        let of = |(start, size): (u64, u64)| (start..start + size).step_by(PAGE as usize);
        ranges.into_iter().flat_map(of).collect()
    }

    /// The pages of what is static that the agent touches, as offsets from the start of all.
    pub(crate) fn static_pages(numbers: &Numbers) -> Vec<u64> {
        let descriptors = numbers.descriptors.len() * size_of::<Descriptor>();
        let ranges = [
            (0, PAGE),
            (ROUTINES, numbers.routines.len() as u64 * 8),
            (DESCRIPTORS, descriptors as u64),
        ];
        let of = |(start, size): (u64, u64)| (start..start + size).step_by(PAGE as usize);
        ranges.into_iter().flat_map(of).collect()
    }

    /// Takes what a thread has told, and reads it.
    fn drain(&mut self, slot: Slot, numbers: &Numbers, into: &mut Vec<Passage>) {
        self.collect(slot);
        self.read(slot, numbers, into);
    }

    /// Takes what a thread has told: it has room again.
    pub(crate) fn collect(&mut self, slot: Slot) {
        let written = self.header(slot, offset_of!(Header, written));
        let taken = self.header(slot, offset_of!(Header, taken));
        // More than fits was not written by the agent.
        let from = taken.max(written.saturating_sub(TRAIL_SIZE / 8));
        let mut trail = std::mem::take(&mut self.trails[slot.0 as usize]);
        trail.push((from..written).map(|number| self.get(slot, TRAIL + number * 8 % TRAIL_SIZE)));
        self.trails[slot.0 as usize] = trail;
        self.set_header(slot, offset_of!(Header, taken), written);
    }

    /// Reads what was taken.
    pub(crate) fn read(&mut self, slot: Slot, numbers: &Numbers, into: &mut Vec<Passage>) {
        if let Some(thread) = self.owners[slot.0 as usize] {
            self.trails[slot.0 as usize].take(thread, numbers, into);
        }
    }

    /// The steps of routines that are marked; the marks go, but for that of the routine that runs.
    fn steps_since_told(&self, slot: Slot, running: u64, numbers: &Numbers) -> Vec<(Step, u64)> {
        let mut steps = Vec::new();
        for (eight, routines) in numbers.routines.chunks(8).enumerate() {
            let at = TOUCHED + eight as u64 * 8;
            let mut marks = self.get(slot, at).to_le_bytes();
            if marks == [0; 8] {
                continue;
            }
            for ((first, end), (mark, routine)) in
                routines.iter().zip(marks.iter_mut().zip(eight as u64 * 8..))
            {
                if *mark == 0 {
                    continue;
                }
                *mark = u8::from(routine == running);
                for number in *first..*end {
                    let (counter, folded) =
                        (COUNTERS + u64::from(number) * 8, FOLDED + u64::from(number) * 8);
                    let (now, before) = (self.get(slot, counter), self.get(slot, folded));
                    if now != before
                        && let Some(step) = numbers.steps.get(number as usize)
                    {
                        steps.push((*step, now.wrapping_sub(before)));
                        self.set(slot, folded, now);
                    }
                }
            }
            self.set(slot, at, u64::from_le_bytes(marks));
        }
        steps
    }

    /// What a thread that runs has counted since it last told of anything; `None` when it tells of something just now.
    ///
    /// The agent folds counters when it tells: between two looks at it that see the same, it has folded none.
    pub(crate) fn counted(&self, slot: Slot, numbers: &Numbers) -> Option<Passage> {
        let thread = self.owners[slot.0 as usize]?;
        let agent = || {
            [
                offset_of!(Header, slow),
                offset_of!(Header, written),
                offset_of!(Header, busy),
            ]
            .map(|field| self.header(slot, field))
        };
        for _ in 0..LOOKS {
            let before = agent();
            let memory = self.header(slot, offset_of!(Header, memory));
            let steps = self.steps_now(slot, numbers);
            if before[2] & 1 == 0 && agent() == before {
                return Some(Passage {
                    thread,
                    memory,
                    shared: self.control(offset_of!(Control, threads)) > 1,
                    ended: None,
                    resumed: None,
                    begun: Vec::new(),
                    steps,
                    arrived: None,
                });
            }
        }
        None
    }

    /// The steps that are not folded, which stay so.
    fn steps_now(&self, slot: Slot, numbers: &Numbers) -> Vec<(Step, u64)> {
        let mut steps = Vec::new();
        for (routine, (first, end)) in (0..).zip(&numbers.routines) {
            let marks = self.get(slot, TOUCHED + routine / 8 * 8).to_le_bytes();
            if marks[(routine % 8) as usize] == 0 {
                continue;
            }
            for number in *first..*end {
                let at = u64::from(number) * 8;
                let new = self
                    .get(slot, COUNTERS + at)
                    .wrapping_sub(self.get(slot, FOLDED + at));
                if new != 0
                    && let Some(step) = numbers.steps.get(number as usize)
                {
                    steps.push((*step, new));
                }
            }
        }
        steps
    }

    fn record(&self, slot: Slot, number: u64, field: usize) -> u64 {
        self.get(slot, RECORDS + number * RECORD + field as u64)
    }

    /// How many frames a thread has.
    pub(crate) fn depth(&self, slot: Slot) -> u64 {
        let frame = self.header(slot, offset_of!(Header, frame));
        let first = self.address(slot).0 + RECORDS;
        frame.saturating_sub(first).min(RECORDS_SIZE - RECORD) / RECORD
    }

    /// The innermost frame stands at this call from now on.
    pub(crate) fn stands_at(&self, slot: Slot, call_point: u64, sp: u64) {
        let depth = self.depth(slot);
        if depth > 0 {
            let at = RECORDS + depth * RECORD;
            self.set(slot, at + offset_of!(Record, call_point) as u64, call_point);
            self.set(slot, at + offset_of!(Record, call_sp) as u64, sp);
        }
    }

    /// What a stopped thread has done since it was told of last; it is told of by this.
    ///
    /// *State*: the thread is stopped and not in the agent, or has ended.
    pub(crate) fn since_told(&mut self, slot: Slot, numbers: &Numbers, into: &mut Vec<Passage>) {
        self.drain(slot, numbers, into);
        let Some(thread) = self.owners[slot.0 as usize] else {
            return;
        };
        let depth = self.depth(slot);
        let told = self.header(slot, offset_of!(Header, told));
        let is_told =
            |number: u64| (self.record(slot, number, offset_of!(Record, routine)) >> 32) as u32 != UNTOLD;
        let known = (1..=depth).rev().find(|number| is_told(*number)).unwrap_or(0);
        let stands = |number: u64| {
            let routine = self.record(slot, number, offset_of!(Record, routine)) & 0xFFFF_FFFF;
            let place = self.record(slot, number, offset_of!(Record, call_point));
            let sp = self.record(slot, number, offset_of!(Record, call_sp));
            trail::standing(routine, place, sp, numbers)
        };
        let ended = (told > known).then(|| self.record(slot, known + 1, offset_of!(Record, told_sp)));
        let mut begun = Vec::new();
        let entry_sp = |number| self.record(slot, number, offset_of!(Record, entry_sp));
        for number in known + 1..=depth {
            if let Some(stands) = stands(number) {
                begun.push(Begun {
                    entry_sp: RemoteAddr(entry_sp(number)),
                    stands,
                });
            }
        }
        let adopted =
            |number| (self.record(slot, number, offset_of!(Record, routine)) >> 32) as u32 == ADOPTED;
        let resume = |number| {
            Some(Resumed {
                entry_sp: (!adopted(number)).then(|| RemoteAddr(entry_sp(number))),
                stands: stands(number)?,
            })
        };
        let resumed = (known > 0).then(|| resume(known)).flatten();
        let innermost = self.record(slot, depth, offset_of!(Record, routine)) & 0xFFFF_FFFF;
        let steps = self.steps_since_told(slot, innermost, numbers);
        for number in known + 1..=depth {
            let at = RECORDS + number * RECORD;
            let routine = self.record(slot, number, offset_of!(Record, routine)) & 0xFFFF_FFFF;
            self.set(slot, at + offset_of!(Record, routine) as u64, routine | 1 << 32);
        }
        for number in known.max(1)..=depth {
            let at = RECORDS + number * RECORD;
            let entry_sp = self.record(slot, number, offset_of!(Record, entry_sp));
            self.set(slot, at + offset_of!(Record, told_sp) as u64, entry_sp);
        }
        self.set_header(slot, offset_of!(Header, told), depth);
        into.push(Passage {
            thread,
            memory: self.header(slot, offset_of!(Header, memory)),
            shared: self.control(offset_of!(Control, threads)) > 1,
            ended: ended.map(RemoteAddr),
            resumed,
            begun,
            steps,
            arrived: None,
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_follow_each_other_through_mappings_that_double() {
        let places: Vec<_> = [0, 15, 16, 47, 48, 111, 112]
            .map(|slot| Slot(slot).place())
            .to_vec();
        assert_eq!(
            places,
            [(0, 0), (0, 15), (1, 0), (1, 31), (2, 0), (2, 63), (3, 0)]
        );
    }
}
