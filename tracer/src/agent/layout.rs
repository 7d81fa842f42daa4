//! The memory that generated code, the agent and the tracer share: where each thing lies, and its shape.
//!
//! Must not know: what any of it is for. The agent and the crate both have this file, so both have one truth.
//!
//! ```text
//! control ─┬─ Control                  one for a process
//!          ├─ Routine × n              the counters of each
//!          └─ Descriptor × n           what is static about each event
//!
//! gs base ─┬─ 0x0000     the gate's page: `dirty` in its first word            one block a thread
//!          ├─ HEADER     Header
//!          ├─ IDENTITY   u64           whose the block is
//!          ├─ RECORDS    Record × n    the frames of the thread, outermost first; the first is none
//!          ├─ TRAIL      words         a ring: what the tracer has to be told
//!          ├─ TOUCHED    bytes         routines that ran since the tracer was told, one each
//!          ├─ COUNTERS   u64 × n       steps, each counted by the code that makes it
//!          ├─ FOLDED     u64 × n       what the tracer was told of them
//!          └─ STACK                    the agent's
//! ```

/// Bytes of a page.
pub(crate) const PAGE: u64 = 4096;
/// Not 0 when memory may have changed since the thread last looked.
pub(crate) const DIRTY: u64 = 0;
/// Where the [`Header`] is.
pub(crate) const HEADER: u64 = PAGE;
/// A page that a child made by fork(2) has with zeros: the base of `fs` of the thread that the block is for. 0 as well
/// where the tracer is relied on.
pub(crate) const IDENTITY: u64 = 2 * PAGE;
/// Where the records are.
pub(crate) const RECORDS: u64 = 3 * PAGE;
/// Room for records, in bytes.
pub(crate) const RECORDS_SIZE: u64 = 16 << 20;
/// Where the trail is.
pub(crate) const TRAIL: u64 = RECORDS + RECORDS_SIZE;
/// Size of the trail in bytes: a power of two.
pub(crate) const TRAIL_SIZE: u64 = 256 << 10;
/// Where the marks of routines are.
pub(crate) const TOUCHED: u64 = TRAIL + TRAIL_SIZE;
/// Room for marks: as many routines as one process can have.
pub(crate) const TOUCHED_SIZE: u64 = 64 << 10;
/// Where the counters are.
pub(crate) const COUNTERS: u64 = TOUCHED + TOUCHED_SIZE;
/// Room for counters, in bytes.
pub(crate) const COUNTERS_SIZE: u64 = 8 << 20;
/// Where the counters stand as the tracer knows them.
pub(crate) const FOLDED: u64 = COUNTERS + COUNTERS_SIZE;
/// Where the agent's stack is; it grows down from the block's end.
pub(crate) const STACK: u64 = FOLDED + COUNTERS_SIZE;
/// Size of the agent's stack.
pub(crate) const STACK_SIZE: u64 = 8 << 10;
/// Bytes of a block.
pub(crate) const BLOCK_SIZE: u64 = STACK + STACK_SIZE;

/// Where the [`Routine`]s are, from the start of [`Control`].
pub(crate) const ROUTINES: u64 = PAGE;
/// Room for them, in bytes.
pub(crate) const ROUTINES_SIZE: u64 = TOUCHED_SIZE * 8;
/// Where the descriptors are, from the start of [`Control`].
pub(crate) const DESCRIPTORS: u64 = ROUTINES + ROUTINES_SIZE;
/// Room for descriptors, in bytes.
pub(crate) const DESCRIPTORS_SIZE: u64 = 64 << 20;
/// Bytes of all that a process has once.
pub(crate) const CONTROL_SIZE: u64 = DESCRIPTORS + DESCRIPTORS_SIZE;

/// What the process has once.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub(crate) struct Control {
    /// Which memory is read.
    pub(crate) gauge: u64,
    /// Pages that are resident because of lineprof alone.
    pub(crate) own_pages: u64,
    /// Threads of the process.
    pub(crate) threads: u64,
    /// Address of the gate's control page; 0 without a gate.
    pub(crate) gate: u64,
    /// Offset of the four sizes in it.
    pub(crate) gate_sizes: u64,
    /// A descriptor of /proc/self/statm.
    pub(crate) statm: i64,
    /// Whether the gate is compared with what the kernel tells, at each event.
    pub(crate) verify: u64,
    /// Events at which memory had changed and the gate had not said so.
    pub(crate) missed: u64,
    /// How many routines there are.
    pub(crate) routines: u64,
    /// The signal by which the tracer hears of a full trail, and nobody when there is no tracer; 0 for a breakpoint.
    pub(crate) signal: u64,
}

/// [`Control::gauge`]: resident memory.
pub(crate) const RESIDENT: u64 = 0;
/// [`Control::gauge`]: resident memory that no file backs.
pub(crate) const ANONYMOUS: u64 = 1;

/// What a thread has once.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub(crate) struct Header {
    /// Address of the block.
    pub(crate) this: u64,
    /// Address of [`Control`].
    pub(crate) control: u64,
    /// Address of the innermost record.
    pub(crate) frame: u64,
    /// Its `entry_sp`.
    pub(crate) top_sp: u64,
    /// A frame begins at the cost of no call of the agent while its caller's record lies below this.
    pub(crate) limit: u64,
    /// The agent's stack; while the agent runs, the program's.
    pub(crate) agent_stack: u64,
    /// Bit 0: the agent runs.
    pub(crate) busy: u64,
    /// Where the program goes on behind the agent.
    pub(crate) resume: u64,
    /// Memory as the thread knows it, in bytes.
    pub(crate) memory: u64,
    /// Records that the tracer knows, besides the first.
    pub(crate) told: u64,
    /// Words ever written to the trail.
    pub(crate) written: u64,
    /// Words of them that the tracer has taken.
    pub(crate) taken: u64,
    /// Events that came to the agent.
    pub(crate) slow: u64,
    /// Whether the gate's word is this thread's own; else the agent looks each time.
    pub(crate) gated: u64,
    /// A register that an event borrows where none is free.
    pub(crate) register: u64,
    /// rax, where an event keeps flags in it and no register is free.
    pub(crate) accumulator: u64,
    /// Where a jump by a table leads.
    pub(crate) jump: u64,
    /// Not 0 when the thread may go back to a copy once the session is over.
    pub(crate) returned_to: u64,
    /// Never 0: what is tested instead of the gate where the agent is to look at each event.
    pub(crate) always: u64,
}

/// A frame.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub(crate) struct Record {
    /// The stack pointer at its entry; the greatest number in the first record.
    pub(crate) entry_sp: u64,
    /// The routine.
    pub(crate) routine: u32,
    /// [`UNTOLD`], [`TOLD`] or [`ADOPTED`].
    pub(crate) told: u32,
    /// The call that it last made.
    pub(crate) call_point: u64,
    /// The stack pointer at that call.
    pub(crate) call_sp: u64,
    /// `entry_sp` of the record that was here when the tracer was last told.
    pub(crate) told_sp: u64,
}

/// [`Record::told`]: pushed since.
pub(crate) const UNTOLD: u32 = 0;
/// [`Record::told`]: the tracer knows of it.
pub(crate) const TOLD: u32 = 1;
/// [`Record::told`]: the tracer knows of it; its entry was not seen.
pub(crate) const ADOPTED: u32 = 2;

/// The counters of a routine; the tracer writes it as one word. From the first to before the second.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub(crate) struct Routine {
    /// The first.
    pub(crate) first: u32,
    /// Behind the last.
    pub(crate) end: u32,
}

/// What is static about an event.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub(crate) struct Descriptor {
    /// Where the program goes on when nothing was done: what the fast path does is still to be done.
    pub(crate) again: u64,
    /// Where it goes on when all was done.
    pub(crate) done: u64,
    /// One of the kinds below.
    pub(crate) kind: u32,
    /// The step's counter.
    pub(crate) counter: u32,
    /// The site.
    pub(crate) site: u32,
    /// The last site with a line before it, plus 1; 0 is none.
    pub(crate) previous: u32,
    /// The routine.
    pub(crate) routine: u32,
    /// Whether the code leaves all to the agent: [`WHOLE`].
    pub(crate) flags: u32,
    /// What to add to the stack pointer to get that of the arrival before.
    pub(crate) depth: i64,
}

/// [`Descriptor::kind`]: from one site to another.
pub(crate) const STEP: u32 = 0;
/// [`Descriptor::kind`]: a call arrives.
pub(crate) const ENTRY: u32 = 1;
/// [`Descriptor::kind`]: a step to a site where the frame ends.
pub(crate) const EXIT: u32 = 2;
/// [`Descriptor::kind`]: from somewhere.
pub(crate) const STRAY: u32 = 3;
/// [`Descriptor::kind`]: from somewhere to a site where the frame ends.
pub(crate) const STRAY_EXIT: u32 = 4;
/// [`Descriptor::kind`]: the frame ends by a jump that might not have been taken; no arrival.
pub(crate) const LEAVE: u32 = 5;
/// [`Descriptor::kind`]: a call arrives, of which nothing is known.
pub(crate) const STRAY_ENTRY: u32 = 6;

/// [`Descriptor::flags`]: there is no fast path.
pub(crate) const WHOLE: u32 = 1;

/// Words of an arrival in the trail before the frames that have begun.
pub(crate) const ARRIVAL_WORDS: usize = 10;
/// Words of each frame that has begun.
pub(crate) const BEGUN_WORDS: usize = 4;
/// Ends the steps of an arrival.
pub(crate) const END_OF_STEPS: u64 = u64::MAX;
/// In word 7 of an arrival: a frame goes on.
pub(crate) const RESUMED: u64 = 1 << 63;
/// In word 7 of an arrival: what follows is a site plus 1, not a call.
pub(crate) const RESUMED_AT_SITE: u64 = 1 << 62;
/// In word 1 of an arrival: the process had more threads.
pub(crate) const SHARED: u64 = 1 << 8;
