//! An event: what is done with it, and what the tracer is told.
//!
//! Must not know: how memory is read, where things lie.
//!
//! ```text
//! arrival  site | kind | memory before, now | sp, bp | frames that ended, went on, began | steps that ran | end
//! ```
//! Told of is an arrival at which memory has changed, and one that is unusual: the tracer decides what that means. All
//! that ran before it since the last one was at the memory before.

use crate::layout::{
    ADOPTED, Descriptor, END_OF_STEPS, ENTRY, EXIT, LEAVE, RESUMED, RESUMED_AT_SITE, SHARED, STEP, STRAY,
    STRAY_ENTRY, STRAY_EXIT, UNTOLD, WHOLE,
};
use crate::memory;
use crate::thread::Thread;

/// Called by generated code; where the program goes on.
///
/// # Safety
/// `block` is the calling thread's, `number` that of a descriptor; `agent_stack` holds the program's stack pointer.
pub(crate) unsafe extern "C" fn event(block: *mut u8, number: u64, base_pointer: u64) -> u64 {
    // SAFETY: the caller's.
    let thread = unsafe { Thread::new(block) };
    let event = thread.descriptor(number);
    let header = thread.header();
    let sp = header.agent_stack;
    header.slow += 1;
    let clean = match event.kind {
        STEP => true,
        ENTRY => sp < header.top_sp && thread.has_room(),
        EXIT | LEAVE => sp == header.top_sp,
        _ => false,
    };
    if event.kind == LEAVE {
        if clean {
            count(thread, event);
        }
        thread.pop_below(sp + 1);
        return event.done;
    }
    let memory = memory::now(thread);
    if clean && memory == header.memory {
        if event.flags & WHOLE == 0 {
            return event.again;
        }
        count(thread, event);
        follow(thread, event, sp);
    } else {
        tell(thread, event, clean, [memory, sp, base_pointer]);
        header.memory = memory;
        follow(thread, event, sp);
        thread.all_told();
        thread.touch(event.routine);
    }
    event.done
}

fn count(thread: Thread, event: &Descriptor) {
    *thread.counter(event.counter) += 1;
    thread.touch(event.routine);
}

/// The records follow what happened.
fn follow(thread: Thread, event: &Descriptor, sp: u64) {
    let routine = event.routine;
    match event.kind {
        ENTRY | STRAY_ENTRY => {
            thread.pop_below(sp + 1);
            thread.push(sp, routine, UNTOLD);
        }
        EXIT | STRAY_EXIT => {
            thread.pop_below(sp);
            let depth = thread.depth();
            let top = thread.record(depth);
            if depth > 0 && (top.entry_sp == sp || (top.told == ADOPTED && top.routine == routine)) {
                thread.set_depth(depth - 1);
            }
        }
        STRAY => {
            thread.pop_below(sp);
            let depth = thread.depth();
            let top = thread.record(depth);
            let same = depth > 0 && top.routine == routine && (top.call_sp == sp || top.told == ADOPTED);
            if !same {
                thread.push(sp, routine, ADOPTED);
            }
        }
        _ => {}
    }
}

/// Writes to the trail what ran since it was last written to, and this arrival.
fn tell(thread: Thread, event: &Descriptor, clean: bool, [memory, sp, base_pointer]: [u64; 3]) {
    let header = thread.header();
    let depth = thread.depth();
    let mut known = depth;
    while known > 0 && thread.record(known).told == UNTOLD {
        known -= 1;
    }
    let ended = if header.told > known {
        thread.record(known + 1).told_sp
    } else {
        0
    };
    // A frame that a step is made in stands where the step begins; one that called stands at the call. The end of a frame
    // whose entry was not seen is a step as well.
    let top = thread.record(depth);
    let ends_adopted = event.kind == EXIT && top.told == ADOPTED && top.routine == event.routine;
    let in_step = clean && event.kind != ENTRY || ends_adopted;
    let stands = |number: u64| -> (u64, u64) {
        if in_step && number == depth {
            let before = sp.wrapping_add_signed(event.depth);
            return (RESUMED_AT_SITE | u64::from(event.previous), before);
        }
        let record = thread.record(number);
        (record.call_point, record.call_sp)
    };
    let shared = if thread.control().threads > 1 { SHARED } else { 0 };
    thread.tell(u64::from(event.kind) | shared | (u64::from(event.site) << 32));
    let routine = u64::from(thread.record(known).routine);
    thread.tell((depth - known) | (routine << 32));
    thread.tell(header.memory);
    thread.tell(memory);
    thread.tell(sp);
    thread.tell(base_pointer);
    thread.tell(ended);
    let (place, before) = if known > 0 { stands(known) } else { (0, 0) };
    thread.tell(if known > 0 { RESUMED | place } else { 0 });
    thread.tell(before);
    let innermost = thread.record(known);
    thread.tell(if innermost.told == ADOPTED { 0 } else { innermost.entry_sp });
    for number in known + 1..=depth {
        let (place, before) = stands(number);
        let record = thread.record(number);
        thread.tell(record.entry_sp);
        thread.tell(u64::from(record.routine));
        thread.tell(place);
        thread.tell(before);
    }
    tell_steps(thread, event.routine);
    thread.tell(END_OF_STEPS);
}

fn tell_steps(thread: Thread, running: u32) {
    let control = thread.control();
    for eight in 0..control.routines.div_ceil(8) {
        let marks = thread.marks(eight);
        if u64::from_ne_bytes(*marks) == 0 {
            continue;
        }
        for (mark, number) in marks.iter_mut().zip(eight as u32 * 8..) {
            if *mark == 0 {
                continue;
            }
            // The others are marked again when they are entered or returned to.
            *mark = u8::from(number == running);
            let counters = thread.counters_of(number);
            for counter in counters {
                let (now, before) = (*thread.counter(counter), thread.folded(counter));
                let mut new = now - *before;
                *before = now;
                while new > 0 {
                    let part = new.min(u64::from(u32::MAX - 1));
                    thread.tell(u64::from(counter) | (part << 32));
                    new -= part;
                }
            }
        }
    }
}
