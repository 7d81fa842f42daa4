//! The one door to what differs between processors. No logic.

#[cfg(target_arch = "x86_64")]
mod x86_64;

#[cfg(target_arch = "x86_64")]
pub use x86_64::Registers;
#[cfg(target_arch = "x86_64")]
pub(crate) use x86_64::{
    BREAKPOINT, Limit, MAX_INSTRUCTION, NotRelocatable, Position, Relocated, SLOT_SIZE, SYSCALL_INSTRUCTION,
    SteppingHazard, decode, landing_pad_length, relocate, stepping_hazard, undo_breakpoint,
};
