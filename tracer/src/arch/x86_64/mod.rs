//! What is one processor's: x86-64 in 64-bit mode. No logic here.

mod assembler;
mod effects;
mod insn;
mod regs;
mod relocate;

pub(crate) use assembler::{Assembler, Condition, Label, distance};
pub(crate) use effects::{Effects, Fixed, Free, Registers16, STATUS_FLAGS, effects, load_of_target};
pub(crate) use insn::{
    BREAKPOINT, MAX_INSTRUCTION, SYSCALL_INSTRUCTION, SteppingHazard, decode, landing_pad_length,
    stepping_hazard, undo_breakpoint,
};
pub(crate) use regs::Limit;
pub use regs::Registers;
pub(crate) use relocate::{NotRelocatable, Position, Relocated, SLOT_SIZE, relocate};
