//! What is done at an event: a few instructions each, that need no more than a register and touch no stack.
//!
//! Must not know: where they are put, which event is theirs, what the program has in registers and flags (`borrowed`).
//!
//! ```text
//! step     gate? ─► again: count ─► done                     changed ─► the agent, which comes back to `again` or `done`
//! entry    below the top? room? gate? ─► again: push, count, mark ─► done
//! exit     at the top? gate? ─► again: count, pop ─► done
//! call     the record keeps which call it is, and the stack pointer
//! return   the same stack pointer, the same call? ─► mark ─► on in that call's state; else astray
//! ```
//! Flags and the register are nobody's where these run, or were kept before. A thread that is interrupted between two of them is let
//! run to their end before anything else happens to it (`signals`).

use crate::agent::layout::{COUNTERS, DIRTY, HEADER, Header, IDENTITY, Record, TOUCHED};
use crate::arch::{Assembler, Condition, Free, Label};
use crate::options::Gates;
use std::mem::offset_of;

/// A field of the thread's header, from the base of `gs`.
pub(super) const fn header(offset: usize) -> u64 {
    HEADER + offset as u64
}

/// What is tested before an event.
pub(super) const fn gate(gates: Gates) -> u64 {
    match gates {
        Gates::Cheapest | Gates::Statm => DIRTY,
        Gates::Verified => header(offset_of!(Header, always)),
    }
}

pub(super) const FRAME: u64 = header(offset_of!(Header, frame));
pub(super) const TOP_SP: u64 = header(offset_of!(Header, top_sp));
pub(super) const LIMIT: u64 = header(offset_of!(Header, limit));

/// A record is small: its fields are reached by displacements of 8 bits.
const RECORD: i8 = size_of::<Record>() as i8;
const ENTRY_SP: i8 = offset_of!(Record, entry_sp) as i8;
const ROUTINE: i8 = offset_of!(Record, routine) as i8;
const CALL_POINT: i8 = offset_of!(Record, call_point) as i8;
const CALL_SP: i8 = offset_of!(Record, call_sp) as i8;
/// `routine` and `told` are written as one number: the frame is not told of.
const _: () = assert!(offset_of!(Record, told) == offset_of!(Record, routine) + 4);

/// Where an event's code leads to and comes back.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ways {
    /// What is not 0 when memory may have changed, from the base of `gs`.
    pub(super) gate: u64,
    /// The way to the agent.
    pub(super) slow: Label,
    /// The agent has done nothing.
    pub(super) again: Label,
    /// The agent has done it all.
    pub(super) done: Label,
}

fn count(code: &mut Assembler, counter: u32) {
    code.increment(COUNTERS + u64::from(counter) * 8);
}

fn look_at_gate(code: &mut Assembler, ways: Ways) {
    code.test_byte(ways.gate);
    code.jump_if(Condition::NotEqual, ways.slow);
}

/// Goes `elsewhere` where the block is not the running thread's.
pub(super) fn admit(code: &mut Assembler, free: Free, elsewhere: Label) {
    code.load_thread(free);
    code.compare(free, IDENTITY);
    code.jump_if(Condition::NotEqual, elsewhere);
}

pub(super) fn step(code: &mut Assembler, ways: Ways, counter: u32) {
    look_at_gate(code, ways);
    code.bind(ways.again);
    count(code, counter);
    code.bind(ways.done);
}

pub(super) fn entry(code: &mut Assembler, ways: Ways, counter: u32, routine: u32, free: Free) {
    code.compare_sp(TOP_SP);
    code.jump_if(Condition::BelowOrEqual, ways.slow);
    code.load(FRAME, free);
    code.compare(free, LIMIT);
    code.jump_if(Condition::AboveOrEqual, ways.slow);
    look_at_gate(code, ways);
    code.bind(ways.again);
    code.load(FRAME, free);
    code.advance(free, RECORD);
    code.store_sp_at(free, ENTRY_SP);
    code.store_number_at(routine, free, ROUTINE);
    code.store_number_at(0, free, CALL_POINT);
    code.store(free, FRAME);
    code.store_sp(TOP_SP);
    count(code, counter);
    mark(code, routine);
    code.bind(ways.done);
}

pub(super) fn exit(code: &mut Assembler, ways: Ways, counter: u32, free: Free) {
    look_for_top(code, ways);
    look_at_gate(code, ways);
    end_frame(code, ways, counter, free);
}

/// The frame ends, and that is no event.
pub(super) fn leave(code: &mut Assembler, ways: Ways, counter: u32, free: Free) {
    look_for_top(code, ways);
    end_frame(code, ways, counter, free);
}

fn look_for_top(code: &mut Assembler, ways: Ways) {
    code.compare_sp(TOP_SP);
    code.jump_if(Condition::NotEqual, ways.slow);
}

fn end_frame(code: &mut Assembler, ways: Ways, counter: u32, free: Free) {
    code.bind(ways.again);
    count(code, counter);
    code.load(FRAME, free);
    code.advance(free, -RECORD);
    code.store(free, FRAME);
    code.follow(free);
    code.store(free, TOP_SP);
    code.bind(ways.done);
}

pub(super) fn mark(code: &mut Assembler, routine: u32) {
    code.mark(TOUCHED + u64::from(routine));
}

pub(super) fn call(code: &mut Assembler, call_point: u32, free: Free) {
    code.load(FRAME, free);
    code.store_number_at(call_point, free, CALL_POINT);
    code.store_sp_at(free, CALL_SP);
}

/// The beginning of a return: whether the frame is still on top.
pub(super) fn came_back(code: &mut Assembler, free: Free, astray: Label) {
    code.load(FRAME, free);
    code.compare_sp_at(free, CALL_SP);
    code.jump_if(Condition::NotEqual, astray);
}

/// Whether it is this call that has come back.
pub(super) fn is_call(code: &mut Assembler, call_point: u32, free: Free, then: Label) {
    code.compare_number_at(call_point, free, CALL_POINT);
    code.jump_if(Condition::Equal, then);
}
