//! A thread's block, as the agent works on it: records, counters, the trail.
//!
//! Must not know: what an event means.

use crate::layout::{
    ADOPTED, BLOCK_SIZE, COUNTERS, Control, DESCRIPTORS, Descriptor, FOLDED, HEADER, Header, PAGE, RECORDS,
    RECORDS_SIZE, RESIDENT, ROUTINES, Record, Routine, TOUCHED, TRAIL, TRAIL_SIZE, UNTOLD,
};
use core::arch::asm;
use core::sync::atomic::{AtomicU64, Ordering};

const RECORD: u64 = size_of::<Record>() as u64;

/// A thread's block.
#[derive(Clone, Copy)]
pub(crate) struct Thread {
    base: *mut u8,
}

impl Thread {
    /// # Safety
    /// `base` is a block that this thread alone writes to, mapped whole.
    pub(crate) unsafe fn new(base: *mut u8) -> Self {
        Self { base }
    }

    fn at<T>(self, offset: u64) -> *mut T {
        debug_assert!(offset < BLOCK_SIZE);
        // SAFETY: offsets are those of the layout, inside the block.
        unsafe { self.base.add(offset as usize).cast() }
    }

    /// The header.
    pub(crate) fn header(self) -> &'static mut Header {
        // SAFETY: the block outlives the process's code; the tracer reads and writes only `taken`, which is read anew.
        unsafe { &mut *self.at::<Header>(HEADER) }
    }

    /// What the process has once.
    pub(crate) fn control(self) -> &'static mut Control {
        // SAFETY: as for the header; fields that other threads write are numbers.
        unsafe { &mut *(self.header().control as *mut Control) }
    }

    /// The descriptor `number`.
    pub(crate) fn descriptor(self, number: u64) -> &'static Descriptor {
        let at = self.header().control + DESCRIPTORS + number * size_of::<Descriptor>() as u64;
        // SAFETY: generated code names only descriptors that were written before it.
        unsafe { &*(at as *const Descriptor) }
    }

    /// The gate's word.
    pub(crate) fn dirty(self) -> *mut u64 {
        self.at(0)
    }

    /// How many records there are, besides the first.
    pub(crate) fn depth(self) -> u64 {
        (self.header().frame - (self.base as u64 + RECORDS)) / RECORD
    }

    /// Record `number`; 0 is the first, which is no frame.
    pub(crate) fn record(self, number: u64) -> &'static mut Record {
        // SAFETY: a record's number is at most the depth plus 1, below the limit.
        unsafe { &mut *self.at::<Record>(RECORDS + number * RECORD) }
    }

    /// Makes record `number` the innermost.
    pub(crate) fn set_depth(self, number: u64) {
        let header = self.header();
        header.top_sp = self.record(number).entry_sp;
        header.frame = self.base as u64 + RECORDS + number * RECORD;
    }

    /// A page of the block is touched for the first time.
    fn own_page(self) {
        let control = self.control();
        // Shared memory is not anonymous.
        if control.gauge == RESIDENT {
            // SAFETY: the word is a number of the control page, and other threads add to it.
            unsafe { AtomicU64::from_ptr(&raw mut control.own_pages) }.fetch_add(1, Ordering::SeqCst);
        }
    }

    /// Whether there is room for one more record; makes some.
    pub(crate) fn has_room(self) -> bool {
        let header = self.header();
        if header.frame < header.limit {
            return true;
        }
        let end = self.base as u64 + RECORDS + RECORDS_SIZE;
        let touched = (header.limit + 2 * RECORD).next_multiple_of(PAGE);
        if touched + PAGE > end {
            return false;
        }
        self.own_page();
        // SAFETY: the page lies among the records; its first touch is counted.
        unsafe { (touched as *mut u64).write_volatile(0) };
        header.limit = touched + PAGE - 2 * RECORD;
        true
    }

    /// A frame begins; nothing happens where there is no room.
    pub(crate) fn push(self, entry_sp: u64, routine: u32, told: u32) {
        if !self.has_room() {
            return;
        }
        let number = self.depth() + 1;
        let record = self.record(number);
        record.entry_sp = entry_sp;
        record.routine = routine;
        record.told = told;
        record.call_point = 0;
        record.call_sp = if told == ADOPTED { entry_sp } else { 0 };
        self.set_depth(number);
    }

    /// Frames whose entry lies below `sp` end.
    pub(crate) fn pop_below(self, sp: u64) {
        let mut number = self.depth();
        while number > 0 && self.record(number).entry_sp < sp {
            number -= 1;
        }
        self.set_depth(number);
    }

    /// All records are known to the tracer from here on.
    pub(crate) fn all_told(self) {
        let depth = self.depth();
        let mut number = depth;
        while number > 0 {
            let record = self.record(number);
            let known = record.told != UNTOLD && record.told_sp == record.entry_sp;
            if record.told == UNTOLD {
                record.told = crate::layout::TOLD;
            }
            record.told_sp = record.entry_sp;
            // What lies below one that was known has been known as well.
            if known && number <= self.header().told {
                break;
            }
            number -= 1;
        }
        self.header().told = depth;
    }

    /// Marks a routine as one that runs.
    pub(crate) fn touch(self, routine: u32) {
        // SAFETY: there are no more routines than marks.
        unsafe { *self.at::<u8>(TOUCHED + u64::from(routine)) = 1 };
    }

    /// The marks of 8 routines.
    pub(crate) fn marks(self, eight: u64) -> &'static mut [u8; 8] {
        // SAFETY: inside the marks; aligned for bytes.
        unsafe { &mut *self.at::<[u8; 8]>(TOUCHED + eight * 8) }
    }

    /// The counters of a routine.
    pub(crate) fn counters_of(self, routine: u32) -> core::ops::Range<u32> {
        let at = self.header().control + ROUTINES + u64::from(routine) * 8;
        // SAFETY: there are no more routines than room.
        let routine = unsafe { *(at as *const Routine) };
        routine.first..routine.end
    }

    /// A counter.
    pub(crate) fn counter(self, number: u32) -> &'static mut u64 {
        // SAFETY: there are no more counters than room.
        unsafe { &mut *self.at::<u64>(COUNTERS + u64::from(number) * 8) }
    }

    /// What the tracer was told of a counter.
    pub(crate) fn folded(self, number: u32) -> &'static mut u64 {
        // SAFETY: as for the counter.
        unsafe { &mut *self.at::<u64>(FOLDED + u64::from(number) * 8) }
    }

    fn is_full(self) -> bool {
        let header = self.header();
        // SAFETY: the tracer writes this number while the thread is stopped for its full trail.
        header.written - unsafe { (&raw const header.taken).read_volatile() } >= TRAIL_SIZE / 8
    }

    /// Writes a word to the trail; waits for the tracer where that is full.
    pub(crate) fn tell(self, word: u64) {
        let header = self.header();
        let signal = self.control().signal;
        while self.is_full() {
            if signal == 0 {
                // SAFETY: `agent_trap` is two instructions in `main.rs` that change no register.
                unsafe { asm!("call agent_trap") };
                continue;
            }
            crate::memory::signal_to_self(signal);
            if self.is_full() {
                // No tracer any more: nobody is told.
                header.taken = header.written;
            }
        }
        let at = header.written * 8 % TRAIL_SIZE;
        if at.is_multiple_of(PAGE) && at != 0 && header.written * 8 < TRAIL_SIZE {
            self.own_page();
        }
        // SAFETY: inside the trail.
        unsafe { self.at::<u64>(TRAIL + at).write_volatile(word) };
        // Behind the word, for a tracer that looks while the thread runs.
        // SAFETY: an own field.
        unsafe { (&raw mut header.written).write_volatile(header.written + 1) };
    }
}
