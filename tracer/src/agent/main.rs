//! The agent: what the profiled process runs itself when an event is more than a step that is counted.
//!
//! Must not know: lines, functions, where the tracer is. It is compiled without a standard library into a block of
//! position-independent code (`build.rs`), written into the process, and called by generated code (`inline::slow`)
//! with all registers saved, on a stack of its own.
//!
//! ```text
//! event ─► memory now ─► as before, and nothing unusual ─► the fast path goes on
//!                   └──► else the trail: what ran since, and this arrival; the records follow
//! ```
//! Nothing here may fault on memory of the program's, allocate, or panic. Memory that it touches for the first time is
//! counted as lineprof's (`Control::own_pages`).

#![no_std]
#![no_main]
#![no_builtins]

mod event;
mod layout;
mod memory;
mod thread;

use core::arch::global_asm;

// The tracer knows these two places: the first byte is called, and the trap tells it that the trail is full.
global_asm!(
    ".section .text.start, \"ax\"",
    ".globl agent_start",
    "agent_start:",
    "jmp {event}",
    ".balign 8",
    ".globl agent_trap",
    "agent_trap:",
    "int3",
    "ret",
    ".text",
    event = sym event::event,
);

#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    loop {}
}
