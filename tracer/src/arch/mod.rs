//! The one door to what differs between processors. No logic.

#[cfg(target_arch = "x86_64")]
mod x86_64;

#[cfg(target_arch = "x86_64")]
pub use x86_64::Registers;
#[cfg(target_arch = "x86_64")]
pub(crate) use x86_64::{
    Assembler, BREAKPOINT, Condition, Effects, Fixed, Free, Label, Limit, MAX_INSTRUCTION, NotRelocatable,
    Position, Registers16, Relocated, SLOT_SIZE, STATUS_FLAGS, SYSCALL_INSTRUCTION, SteppingHazard, decode,
    distance, effects, landing_pad_length, load_of_target, relocate, stepping_hazard, undo_breakpoint,
};
