//! What the kernel runs at each change of any process's resident memory.
//!
//! Must not know: how it is loaded. Offsets in, a program out.
//!
//! ```text
//! mm_id of the event is 0 ──────────────────────────────────► end
//! it is the watched one ────────────────────────────────────► record
//! another is watched, or nobody is to be learned ───────────► end
//! its memory is not the running process's (curr) ───────────► end
//! the running process is not the one to learn ──────────────► end
//! watch it
//! record: sizes[member] = size; generation += 1; dirty = 1 in each slot in use
//! ```
//! The sizes come before the marks: whoever clears a mark first and reads the sizes then has the newest, or is marked
//! again. x86-64 keeps the order of stores.

use super::assembler::Operand::{Number, Of};
use super::assembler::Register::{R0, R1, R2, R3, R4, R6, R7, R8, R10};
use super::assembler::Width::{Eight, Four};
use super::assembler::{Assembler, When};
use super::layout::{
    GENERATION, MEMBERS, MM_ID, NAMESPACE_DEVICE, NAMESPACE_INODE, PAGE, PROCESS, SIZES, SLOTS_IN_USE,
    dirty_word,
};
use super::tracepoint::Fields;
use std::os::fd::{AsRawFd, OwnedFd};

/// The running process as a pid namespace numbers it; an error where it lives in another.
///
/// Source: bpf-helpers(7); since 5.7.
const GET_NS_CURRENT_PID_TGID: i32 = 120;

/// What is shifted to have 8 bytes a member.
const EIGHT_BYTES_EACH: i32 = 3;

/// The program that watches by the element of `map`, which has this many slots.
pub(super) fn program(fields: &Fields, map: &OwnedFd, slots: u32) -> Vec<u64> {
    let mut a = Assembler::default();
    let (record, counted, next, end) = (a.label(), a.label(), a.label(), a.label());
    let (event, control, mm_id) = (R6, R7, R8);

    a.set(event, Of(R1));
    a.set_to_value_of(control, map.as_raw_fd());
    a.load(Four, mm_id, event, fields.mm_id);
    // A hash may be 0; here that is "not known".
    a.jump_if(When::Equal, mm_id, Number(0), end);
    a.load(Four, R1, control, offset(MM_ID));
    a.jump_if(When::Equal, R1, Of(mm_id), record);
    a.jump_if(When::NotEqual, R1, Number(0), end);

    a.load(Four, R1, control, offset(PROCESS));
    a.jump_if(When::Equal, R1, Number(0), end);
    a.load(Four, R1, event, fields.curr);
    a.jump_if(When::NotEqual, R1, Number(1), end);
    // struct bpf_pidns_info { u32 pid, tgid } on the stack.
    a.load(Eight, R1, control, offset(NAMESPACE_DEVICE));
    a.load(Eight, R2, control, offset(NAMESPACE_INODE));
    a.set(R3, Of(R10));
    a.add(R3, Number(-8));
    a.set(R4, Number(8));
    a.call(GET_NS_CURRENT_PID_TGID);
    a.jump_if(When::NotEqual, R0, Number(0), end);
    a.load(Four, R1, R10, -4);
    a.load(Four, R2, control, offset(PROCESS));
    a.jump_if(When::NotEqual, R1, Of(R2), end);
    a.store(Four, control, offset(MM_ID), mm_id);

    a.bind(record);
    a.load(Four, R1, event, fields.member);
    // A member that a later kernel may have is not counted, but it is a change.
    a.jump_if(When::AtLeast, R1, Number(number(MEMBERS)), counted);
    a.load(Eight, R2, event, fields.size);
    a.shift_left(R1, EIGHT_BYTES_EACH);
    a.set(R3, Of(control));
    a.add(R3, Of(R1));
    a.store(Eight, R3, offset(SIZES), R2);
    a.bind(counted);
    a.set(R1, Number(1));
    a.add_in_memory(control, offset(GENERATION), R1);

    // R1: the next slot's number; R2: how many; R3: its page. The kernel lets no loop pass whose end it cannot see.
    a.load(Four, R2, control, offset(SLOTS_IN_USE));
    let most = i32::try_from(slots).expect("a number of slots is small");
    a.jump_if(When::Greater, R2, Number(most), end);
    a.set(R1, Number(0));
    a.set(R3, Of(control));
    a.add(R3, Number(number(dirty_word(0))));
    a.bind(next);
    a.jump_if(When::AtLeast, R1, Of(R2), end);
    a.store_number(Eight, R3, 0, 1);
    a.add(R3, Number(number(PAGE)));
    a.add(R1, Number(1));
    a.jump(next);

    a.bind(end);
    // 0: nothing of it goes to the event's own ring.
    a.set(R0, Number(0));
    a.exit();
    a.assembled()
}

fn offset(of_control: usize) -> i16 {
    i16::try_from(of_control).expect("an offset in a page")
}

fn number(small: usize) -> i32 {
    i32::try_from(small).expect("a small number")
}
