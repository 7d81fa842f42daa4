//! The way to the agent and back: every register and flag as before, on a stack of the agent's own.
//!
//! Must not know: what the agent does.
//!
//! ```text
//! stub     take the busy bit (else: on, as if nothing had happened) ─► agent's stack ─► push number ─► common
//! common   save all ─► agent(block, number, rbp) ─► restore all ─► program's stack ─► jmp *resume
//! tail     give the busy bit back ─► again | done
//! ```
//! The busy bit is taken by one instruction that is atomic: a handler that comes in between, or a thread that shares the
//! block because no tracer was there at its birth, finds it taken and leaves the agent alone.

use super::probes::{Ways, header};
use crate::agent::layout::Header;
use crate::arch::{Assembler, Condition, Label};
use std::mem::offset_of;

const STACK: u64 = header(offset_of!(Header, agent_stack));
const BUSY: u64 = header(offset_of!(Header, busy));
const THIS: u64 = header(offset_of!(Header, this));
const RESUME: u64 = header(offset_of!(Header, resume));

/// The labels of a stub's two ends, for its descriptor.
#[derive(Clone, Copy, Debug)]
pub(super) struct Tails {
    pub(super) again: Label,
    pub(super) done: Label,
}

/// Writes the stub of descriptor `number`.
pub(super) fn stub(code: &mut Assembler, common: Label, ways: Ways, number: u32) -> Tails {
    let tails = Tails {
        again: code.label(),
        done: code.label(),
    };
    code.bind(ways.slow);
    code.take_bit(BUSY);
    code.jump_if(Condition::Below, ways.done);
    code.exchange_sp(STACK);
    code.push_number(number);
    code.jump(common);
    code.bind(tails.again);
    code.clear(BUSY);
    code.jump(ways.again);
    code.bind(tails.done);
    code.clear(BUSY);
    code.jump(ways.done);
    tails
}

/// Writes what all stubs have in common.
pub(super) fn common(code: &mut Assembler, common: Label, agent: Label) {
    code.bind(common);
    // pushfq ; cld ; push rax, rcx, rdx, rsi, rdi, r8 … r11
    code.raw(&[0x9C, 0xFC, 0x50, 0x51, 0x52, 0x56, 0x57]);
    code.raw(&[0x41, 0x50, 0x41, 0x51, 0x41, 0x52, 0x41, 0x53]);
    // Eleven words are pushed: 8 more bytes keep the stack on 16 (System V ABI for AMD64, 3.2.2). sub $0x108, %rsp
    code.raw(&[0x48, 0x81, 0xEC, 0x08, 0x01, 0x00, 0x00]);
    for vector in 0..16 {
        move_vector(code, 0x11, vector);
    }
    // mov %gs:this, %rdi ; mov 0x158(%rsp), %rsi (the number) ; mov %rbp, %rdx
    code.load_first_argument(THIS);
    code.raw(&[0x48, 0x8B, 0xB4, 0x24, 0x58, 0x01, 0x00, 0x00]);
    code.raw(&[0x48, 0x89, 0xEA]);
    code.call(agent);
    code.store_result(RESUME);
    for vector in 0..16 {
        move_vector(code, 0x10, vector);
    }
    // add $0x108, %rsp ; pop r11 … r8, rdi, rsi, rdx, rcx, rax ; popfq ; lea 8(%rsp), %rsp
    code.raw(&[0x48, 0x81, 0xC4, 0x08, 0x01, 0x00, 0x00]);
    code.raw(&[0x41, 0x5B, 0x41, 0x5A, 0x41, 0x59, 0x41, 0x58]);
    code.raw(&[0x5F, 0x5E, 0x5A, 0x59, 0x58, 0x9D, 0x48, 0x8D, 0x64, 0x24, 0x08]);
    code.exchange_sp(STACK);
    code.jump_by(RESUME);
}

/// `movups` between vector register `number` and its place on the stack: 0x11 stores, 0x10 loads.
///
/// The upper halves of wider registers stay as they are (Intel SDM volume 1, 14.1.2), and the agent knows none.
fn move_vector(code: &mut Assembler, opcode: u8, number: u8) {
    if number >= 8 {
        code.raw(&[0x44]);
    }
    code.raw(&[0x0F, opcode, 0x84 | (number & 7) << 3, 0x24]);
    code.raw(&(u32::from(number) * 16).to_le_bytes());
}
