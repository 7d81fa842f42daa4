//! Machine code as a profiler needs it: where instructions begin and where they lead.
//!
//! Must not know: processes, files, lines. Bytes go in, offsets come out: everything is
//! relative to the first byte given, so that the same answer serves an address of a file and
//! an address of a process.
//!
//! The decoding itself is one processor's: see `arch`.

use crate::arch;

/// A position relative to the first byte that was decoded; negative and large ones lie outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CodeOffset(pub i64);

/// One decoded instruction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Instruction {
    /// Where it begins.
    pub offset: CodeOffset,
    /// Its length in bytes; at least 1.
    pub length: u8,
    /// Where control goes from here.
    pub flow: Flow,
    /// The place that an operand relative to the pc names.
    pub names: Option<Named>,
}

impl Instruction {
    /// The offset just behind the instruction.
    #[must_use]
    pub fn end(&self) -> CodeOffset {
        CodeOffset(self.offset.0 + i64::from(self.length))
    }
}

/// What an instruction does with a place that it names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Named {
    /// It takes the address: of a table, or of code (`lea`).
    Address(CodeOffset),
    /// It reads or writes what lies there, or jumps by it.
    Memory(CodeOffset),
}

/// Where control goes after an instruction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flow {
    /// To the next instruction; also where an instruction may fault.
    Next,
    /// To the next instruction when the callee returns.
    Call,
    /// Always to one known place.
    Jump(CodeOffset),
    /// To one known place or to the next instruction.
    Branch(CodeOffset),
    /// To a place that only the running program knows (a jump table, a tail call through a pointer).
    IndirectJump,
    /// Back to the caller.
    Return,
    /// Nowhere: a trap that ends the path (`ud2`, `hlt`).
    Trap,
}

/// The instructions of `bytes`, decoded one behind the other from the first byte.
///
/// Shape: in order, without gaps. Ends early at the first bytes that are no instruction, so the
/// end of the last instruction tells how far the code could be read.
#[must_use]
pub fn decode(bytes: &[u8]) -> Vec<Instruction> {
    arch::decode(bytes)
}

/// The offset of the instruction behind a landing pad for indirect branches, when `bytes` begin with one.
///
/// A breakpoint on `endbr64` would make an indirect call fault where the processor tracks them.
#[must_use]
pub fn landing_pad_length(bytes: &[u8]) -> usize {
    arch::landing_pad_length(bytes)
}
