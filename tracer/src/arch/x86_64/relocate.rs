//! One instruction moved elsewhere, so that it does there what it did at its own place.
//!
//! Must not know: processes, sites. Bytes and addresses in, bytes out.
//!
//! ```text
//! site:  48 8b 05 xx xx xx xx   mov rax,[rip+x]        slot:  48 8b 05 yy yy yy yy   mov rax,[rip+y]
//!        next: …                                              e9 zz zz zz zz         jmp next
//!
//! site:  e8 xx xx xx xx         call f                 slot:  ff 35 05 00 00 00      push [rip+5]   ; return address
//!        next: …                                              e9 yy yy yy yy         jmp f
//!                                                             <8 bytes: next>
//! ```
//!
//! A call is not run from the slot: its return address would point into the slot, and unwinders,
//! exceptions and backtraces would see it there. GDB calls this displaced stepping, the kernel XOL.

use super::insn::MAX_INSTRUCTION;
use crate::addr::RemoteAddr;
use iced_x86::{
    BlockEncoder, BlockEncoderOptions, Code, Decoder, DecoderOptions, FlowControl, Instruction,
    InstructionBlock, Mnemonic, OpKind, Register,
};
use thiserror::Error;

/// The room that one relocated instruction gets.
pub(crate) const SLOT_SIZE: u64 = 32;

/// An instruction ready to be written to its slot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Relocated {
    /// What to write at the slot; at most [`SLOT_SIZE`] bytes.
    pub(crate) bytes: Vec<u8>,
    /// For each instruction in `bytes`, by its offset: where a thread found there stands in the original.
    pub(crate) positions: Vec<(u8, Position)>,
}

/// Where a thread that stands in a slot would stand without lineprof.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Position {
    /// Before the instruction: at the site itself.
    Before,
    /// Behind it: at this address.
    Behind(RemoteAddr),
    /// Between a call's push and its jump: at the site, with the push taken back.
    CallPushed,
}

/// Why an instruction can only run at its own place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub(crate) enum NotRelocatable {
    /// The bytes are no instruction.
    #[error("not an instruction")]
    Undecodable,
    /// It enters the kernel, which remembers the address to restart at or to return to.
    #[error("the kernel remembers the address of a system call")]
    EntersKernel,
    /// A far or transactional branch, or a call through the stack pointer itself.
    #[error("its effect depends on its own address")]
    AddressMatters,
    /// A call, which the processor notes down in a second stack as well: a push and a jump are none.
    #[error("the processor keeps a shadow stack")]
    ShadowStack,
    /// Its operand or its target is further than a 32-bit displacement from the slot.
    #[error("its operand is out of reach of the slot")]
    OutOfReach,
}

/// The instruction at the start of `bytes`, which lie at `site`, rewritten to run at `slot`.
///
/// # Errors
/// [`NotRelocatable`], when no rewriting keeps its meaning.
pub(crate) fn relocate(
    bytes: &[u8],
    site: RemoteAddr,
    slot: RemoteAddr,
) -> Result<Relocated, NotRelocatable> {
    let bytes = &bytes[..bytes.len().min(MAX_INSTRUCTION)];
    let instruction = Decoder::with_ip(64, bytes, site.0, DecoderOptions::NONE).decode();
    if instruction.is_invalid() {
        return Err(NotRelocatable::Undecodable);
    }
    match instruction.flow_control() {
        FlowControl::Call if instruction.mnemonic() != Mnemonic::Call => Err(NotRelocatable::EntersKernel),
        FlowControl::Interrupt => Err(NotRelocatable::EntersKernel),
        FlowControl::XbeginXabortXend => Err(NotRelocatable::AddressMatters),
        FlowControl::Call | FlowControl::IndirectCall => relocate_call(&instruction, slot),
        FlowControl::Return | FlowControl::IndirectBranch | FlowControl::UnconditionalBranch => {
            if is_far(&instruction) {
                return Err(NotRelocatable::AddressMatters);
            }
            encode(&[instruction], slot)
        }
        FlowControl::Next | FlowControl::ConditionalBranch | FlowControl::Exception => {
            let back = jump(instruction.next_ip())?;
            encode(&[instruction, back], slot)
        }
    }
}

fn is_far(instruction: &Instruction) -> bool {
    instruction.is_jmp_far()
        || instruction.is_jmp_far_indirect()
        || instruction.is_call_far()
        || instruction.is_call_far_indirect()
        || matches!(
            instruction.mnemonic(),
            Mnemonic::Retf | Mnemonic::Iret | Mnemonic::Iretd | Mnemonic::Iretq
        )
        || matches!(
            instruction.mnemonic(),
            Mnemonic::Sysret | Mnemonic::Sysexit | Mnemonic::Uiret
        )
}

fn jump(target: u64) -> Result<Instruction, NotRelocatable> {
    Instruction::with_branch(Code::Jmp_rel32_64, target).or(Err(NotRelocatable::AddressMatters))
}

/// Encodes `instructions` at `slot`, one behind the other.
fn encode(instructions: &[Instruction], slot: RemoteAddr) -> Result<Relocated, NotRelocatable> {
    let mut block: Vec<Instruction> = instructions.to_vec();
    for (number, instruction) in block.iter_mut().enumerate() {
        // The encoder takes a branch to any address that is the ip of an instruction of the block for a
        // branch inside the block: `jmp .` would loop in the slot, unseen. No code lies at these ips.
        instruction.set_ip(number as u64);
    }
    let encoded = BlockEncoder::encode(
        64,
        InstructionBlock::new(&block, slot.0),
        BlockEncoderOptions::NONE,
    )
    .or(Err(NotRelocatable::OutOfReach))?;
    let bytes = encoded.code_buffer;
    if bytes.len() as u64 > SLOT_SIZE || !same_operand(&instructions[0], &bytes, slot) {
        return Err(NotRelocatable::OutOfReach);
    }
    let positions = positions(&bytes, slot);
    Ok(Relocated { bytes, positions })
}

/// Whether the rewritten instruction still addresses memory as `original` does.
///
/// The encoder may fall back to an eip-relative form, which cuts the address to 32 bits.
fn same_operand(original: &Instruction, bytes: &[u8], slot: RemoteAddr) -> bool {
    if !original.is_ip_rel_memory_operand() {
        return true;
    }
    let moved = Decoder::with_ip(64, bytes, slot.0, DecoderOptions::NONE).decode();
    moved.memory_base() == original.memory_base()
        && moved.ip_rel_memory_address() == original.ip_rel_memory_address()
}

fn positions(bytes: &[u8], slot: RemoteAddr) -> Vec<(u8, Position)> {
    let mut decoder = Decoder::with_ip(64, bytes, slot.0, DecoderOptions::NONE);
    let mut found = Vec::with_capacity(2);
    while decoder.can_decode() {
        let offset = decoder.position();
        let instruction = decoder.decode();
        let Ok(offset) = u8::try_from(offset) else { break };
        if offset == 0 {
            found.push((0, Position::Before));
        } else if instruction.is_jmp_short_or_near() {
            found.push((
                offset,
                Position::Behind(RemoteAddr(instruction.near_branch_target())),
            ));
        }
        if instruction.is_invalid() {
            break;
        }
    }
    found
}

fn relocate_call(instruction: &Instruction, slot: RemoteAddr) -> Result<Relocated, NotRelocatable> {
    if is_far(instruction) {
        return Err(NotRelocatable::AddressMatters);
    }
    let mut go = *instruction;
    let direct = instruction.is_call_near();
    if direct {
        go = jump(instruction.near_branch_target())?;
    } else {
        match instruction.op0_kind() {
            // The pushed return address would be in the way: the register has changed by then.
            OpKind::Register if instruction.op0_register() == Register::RSP => {
                return Err(NotRelocatable::AddressMatters);
            }
            OpKind::Register => go.set_code(Code::Jmp_rm64),
            OpKind::Memory => {
                go.set_code(Code::Jmp_rm64);
                if matches!(instruction.memory_base(), Register::RSP | Register::ESP) {
                    // The push has moved the stack pointer by 8 when the operand is read.
                    go.set_memory_displacement64(instruction.memory_displacement64().wrapping_add(8));
                    go.set_memory_displ_size(8);
                }
            }
            _ => return Err(NotRelocatable::AddressMatters),
        }
        if instruction.code() != Code::Call_rm64 {
            return Err(NotRelocatable::AddressMatters);
        }
    }
    // ff 35 disp32: push [rip+disp32], the literal that follows the jump.
    const PUSH_LENGTH: u64 = 6;
    let jump = encode(&[go], slot.plus(PUSH_LENGTH))?;
    let literal_at = jump.bytes.len();
    let Ok(displacement) = u32::try_from(literal_at) else {
        return Err(NotRelocatable::OutOfReach);
    };
    let mut bytes = vec![0xFF, 0x35];
    bytes.extend(displacement.to_le_bytes());
    bytes.extend(&jump.bytes);
    bytes.extend(instruction.next_ip().to_le_bytes());
    if bytes.len() as u64 > SLOT_SIZE {
        return Err(NotRelocatable::OutOfReach);
    }
    let between = if direct {
        Position::Behind(RemoteAddr(instruction.near_branch_target()))
    } else {
        Position::CallPushed
    };
    Ok(Relocated {
        bytes,
        positions: vec![(0, Position::Before), (6, between)],
    })
}

#[cfg(test)]
mod tests;
