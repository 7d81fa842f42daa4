//! Decoding: where instructions begin, where they lead, and which are awkward to step.
//!
//! Must not know: processes. Source of the instruction set's facts: Intel SDM volume 2.

use crate::addr::RemoteAddr;
use crate::code::{CodeOffset, Flow, Instruction, Named};
use iced_x86::{Code, Decoder, DecoderOptions, FlowControl, Mnemonic};

/// `int3`: one byte, so it can replace the first byte of any instruction.
pub(crate) const BREAKPOINT: u8 = 0xCC;

/// `syscall`.
pub(crate) const SYSCALL_INSTRUCTION: [u8; 2] = [0x0F, 0x05];

/// The longest instruction, in bytes (Intel SDM volume 2, 2.3.11).
pub(crate) const MAX_INSTRUCTION: usize = 15;

const ENDBR64: [u8; 4] = [0xF3, 0x0F, 0x1E, 0xFA];

/// Where the breakpoint is whose trap left a thread at `pc`.
///
/// `#BP` is a trap: it is reported with the pc behind the one byte of `int3` (Intel SDM volume 3, 6.15).
pub(crate) fn undo_breakpoint(pc: RemoteAddr) -> RemoteAddr {
    pc.minus(1)
}

/// See [`crate::code::landing_pad_length`].
pub(crate) fn landing_pad_length(bytes: &[u8]) -> usize {
    if bytes.starts_with(&ENDBR64) {
        ENDBR64.len()
    } else {
        0
    }
}

/// See [`crate::code::decode`].
pub(crate) fn decode(bytes: &[u8]) -> Vec<Instruction> {
    let mut decoder = Decoder::with_ip(64, bytes, 0, DecoderOptions::NONE);
    let mut decoded = Vec::with_capacity(bytes.len() / 4);
    let mut instruction = iced_x86::Instruction::default();
    while decoder.can_decode() {
        decoder.decode_out(&mut instruction);
        if instruction.is_invalid() {
            break;
        }
        let Ok(length) = u8::try_from(instruction.len()) else {
            break;
        };
        decoded.push(Instruction {
            offset: CodeOffset(instruction.ip().cast_signed()),
            length,
            flow: flow_of(&instruction),
            names: named_by(&instruction),
        });
    }
    decoded
}

fn named_by(instruction: &iced_x86::Instruction) -> Option<Named> {
    if !instruction.is_ip_rel_memory_operand() {
        return None;
    }
    let place = CodeOffset(instruction.ip_rel_memory_address().cast_signed());
    Some(match instruction.mnemonic() {
        Mnemonic::Lea => Named::Address(place),
        _ => Named::Memory(place),
    })
}

pub(super) fn flow_of(instruction: &iced_x86::Instruction) -> Flow {
    let target = || CodeOffset(instruction.near_branch_target().cast_signed());
    match instruction.flow_control() {
        FlowControl::Next | FlowControl::XbeginXabortXend => Flow::Next,
        // `syscall` is classed as a call by iced: it comes back to the next instruction.
        FlowControl::Call | FlowControl::IndirectCall => Flow::Call,
        FlowControl::UnconditionalBranch => match instruction.code() {
            Code::Jmp_ptr1616 | Code::Jmp_ptr1632 => Flow::IndirectJump,
            _ => Flow::Jump(target()),
        },
        FlowControl::ConditionalBranch => Flow::Branch(target()),
        FlowControl::IndirectBranch => Flow::IndirectJump,
        FlowControl::Return => Flow::Return,
        // `int3` and friends come back when the program handles the signal.
        FlowControl::Interrupt => Flow::Next,
        FlowControl::Exception => Flow::Trap,
    }
}

/// What makes a single step of an instruction differ from running it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SteppingHazard {
    /// A step runs it whole, and nothing of the step shows.
    None,
    /// It pushes the flags with the trap flag in them (measured: 0x346 for 0x246).
    PushesFlags,
    /// It enters the kernel and may sleep there for ever.
    EntersKernel,
    /// It raises the debug exception of the program's own, which has no cause (Intel SDM volume 2, INT1).
    RaisesDebug,
}

/// How the instruction at the start of `bytes` behaves under a single step.
pub(crate) fn stepping_hazard(bytes: &[u8]) -> SteppingHazard {
    match Decoder::new(64, bytes, DecoderOptions::NONE).decode().mnemonic() {
        Mnemonic::Pushf | Mnemonic::Pushfd | Mnemonic::Pushfq => SteppingHazard::PushesFlags,
        Mnemonic::Syscall | Mnemonic::Sysenter | Mnemonic::Int => SteppingHazard::EntersKernel,
        Mnemonic::Int1 => SteppingHazard::RaisesDebug,
        _ => SteppingHazard::None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flows(bytes: &[u8]) -> Vec<(i64, u8, Flow)> {
        decode(bytes)
            .iter()
            .map(|i| (i.offset.0, i.length, i.flow))
            .collect()
    }

    #[test]
    fn branches_and_calls_tell_where_they_lead() {
        // test edi,edi ; je +2 ; call +0 ; jmp -9 ; ret
        let code = [0x85, 0xFF, 0x74, 0x02, 0xE8, 0, 0, 0, 0, 0xEB, 0xF5, 0xC3];
        assert_eq!(
            flows(&code),
            [
                (0, 2, Flow::Next),
                (2, 2, Flow::Branch(CodeOffset(6))),
                (4, 5, Flow::Call),
                (9, 2, Flow::Jump(CodeOffset(0))),
                (11, 1, Flow::Return),
            ]
        );
    }

    #[test]
    fn a_jump_backwards_out_of_the_bytes_has_a_negative_offset() {
        assert_eq!(flows(&[0xEB, 0xF0]), [(0, 2, Flow::Jump(CodeOffset(-14)))]);
    }

    #[test]
    fn decoding_ends_at_bytes_that_are_no_instruction() {
        // nop ; 06 is invalid in 64-bit mode ; nop
        assert_eq!(flows(&[0x90, 0x06, 0x90]), [(0, 1, Flow::Next)]);
        assert_eq!(flows(&[0x48]), []);
    }

    #[test]
    fn c023_a_lock_prefix_belongs_to_its_instruction() {
        // lock incl (%rdi): a row one byte behind its start is no boundary.
        assert_eq!(
            flows(&[0xF0, 0xFF, 0x07, 0xC3]),
            [(0, 3, Flow::Next), (3, 1, Flow::Return)]
        );
    }

    #[test]
    fn traps_that_end_a_path_and_system_calls() {
        assert_eq!(flows(&[0x0F, 0x0B]), [(0, 2, Flow::Trap)]);
        assert_eq!(flows(&SYSCALL_INSTRUCTION), [(0, 2, Flow::Call)]);
        assert_eq!(flows(&[0xFF, 0xE0]), [(0, 2, Flow::IndirectJump)]);
    }

    #[test]
    fn c025_an_operand_relative_to_the_pc_names_a_place() {
        // lea 9(%rip),%rdx ; mov -9(%rip),%eax ; mov %eax,(%rdx)
        let code = [
            0x48, 0x8D, 0x15, 9, 0, 0, 0, 0x8B, 0x05, 0xF7, 0xFF, 0xFF, 0xFF, 0x89, 0x02,
        ];
        let names: Vec<_> = decode(&code).iter().map(|i| i.names).collect();
        assert_eq!(
            names,
            [
                Some(Named::Address(CodeOffset(16))),
                Some(Named::Memory(CodeOffset(4))),
                None
            ]
        );
    }

    #[test]
    fn c040_a_landing_pad_is_known_by_its_four_bytes() {
        assert_eq!(landing_pad_length(&[0xF3, 0x0F, 0x1E, 0xFA, 0x55]), 4);
        assert_eq!(landing_pad_length(&[0xF3, 0x0F, 0x1E, 0xFB]), 0);
    }
}
