//! What an instruction does to registers and flags, and how it is moved: for code that is copied whole.
//!
//! Must not know: sites, processes. Source of the instruction set's facts: Intel SDM volume 2, by way of iced.

use crate::code::{CodeOffset, Flow};
use iced_x86::{
    Code, ConstantOffsets, Decoder, DecoderOptions, FlowControl, InstructionInfoFactory, Mnemonic, OpAccess,
    OpKind, Register, RflagsBits,
};

/// A set of general registers, one bit each, by the processor's numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Registers16(pub(crate) u16);

impl Registers16 {
    /// Those that a callee may overwrite (System V ABI for AMD64, 3.2.1): rax, rcx, rdx, rsi, rdi, r8 to r11.
    pub(crate) const CALLER_SAVED: Self = Self(0b0000_1111_1100_0111);
    /// Those in which a callee may be given something, the number of vectors and a static chain among them.
    pub(crate) const ARGUMENTS: Self = Self(0b0000_0111_1100_0111);
    /// Those in which a callee gives something back.
    pub(crate) const RESULTS: Self = Self(0b0000_0000_0000_0101);

    pub(crate) fn contains(self, register: Free) -> bool {
        self.0 & (1 << register.number()) != 0
    }

    pub(crate) fn only(register: Free) -> Self {
        Self(1 << register.number())
    }

    pub(crate) fn or(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    pub(crate) fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }
}

/// A register that a probe may use; none of those that need another form of operand (rsp, rbp, r12, r13).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Free(u8);

impl Free {
    /// The likeliest to hold nothing first.
    pub(crate) const ALL: [Self; 9] = [
        Self(11),
        Self(10),
        Self(1),
        Self(6),
        Self(7),
        Self(8),
        Self(9),
        Self(2),
        Self(0),
    ];

    /// rax.
    pub(crate) const ACCUMULATOR: Self = Self(0);

    /// One to be borrowed where none is free.
    pub(crate) const ANY: Self = Self(11);

    /// The processor's number.
    pub(crate) fn number(self) -> u8 {
        self.0
    }
}

/// The flags that instructions compute; the others are no business of a profiler's.
pub(crate) const STATUS_FLAGS: u32 =
    RflagsBits::OF | RflagsBits::SF | RflagsBits::ZF | RflagsBits::AF | RflagsBits::CF | RflagsBits::PF;

/// An instruction of a function that is to be copied.
#[derive(Clone, Debug)]
pub(crate) struct Effects {
    /// Its bytes.
    pub(crate) bytes: Vec<u8>,
    /// Where control goes from here.
    pub(crate) flow: Flow,
    /// Where a direct call leads.
    pub(crate) calls: Option<CodeOffset>,
    /// Registers whose value it needs.
    pub(crate) reads: Registers16,
    /// Registers whose old value is gone behind it.
    pub(crate) kills: Registers16,
    /// Registers that it changes.
    pub(crate) writes: Registers16,
    /// Status flags that it needs.
    pub(crate) reads_flags: u32,
    /// Status flags whose old value is gone behind it.
    pub(crate) kills_flags: u32,
    /// Where in `bytes` a displacement from the pc is, and the place that it names.
    pub(crate) displacement: Option<(usize, CodeOffset)>,
    /// What it adds to the stack pointer, where that is known.
    pub(crate) moves_sp: Option<i64>,
    /// What it cannot do elsewhere.
    pub(crate) fixed: Option<Fixed>,
    /// Whether its operand is addressed by the stack pointer.
    pub(crate) by_sp: bool,
}

/// Why an instruction runs nowhere but at its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fixed {
    /// It enters the kernel, which remembers the address.
    EntersKernel,
    /// Its effect depends on its own address, or nobody moves it: far and transactional branches, traps, `loop`.
    AddressMatters,
    /// It addresses memory by `gs`, which is lineprof's while it is profiled.
    UsesGs,
}

/// The instructions of `bytes`, the offset of each with what it does, one behind the other.
///
/// Shape: ends early at the first bytes that are no instruction.
pub(crate) fn effects(bytes: &[u8]) -> Vec<(CodeOffset, Effects)> {
    let mut decoder = Decoder::with_ip(64, bytes, 0, DecoderOptions::NONE);
    let mut factory = InstructionInfoFactory::new();
    let mut all = Vec::with_capacity(bytes.len() / 4);
    while decoder.can_decode() {
        let instruction = decoder.decode();
        if instruction.is_invalid() {
            break;
        }
        let from = usize::try_from(instruction.ip()).unwrap_or(usize::MAX);
        let Some(own) = bytes.get(from..from + instruction.len()) else {
            break;
        };
        let offsets = decoder.get_constant_offsets(&instruction);
        let offset = CodeOffset(instruction.ip().cast_signed());
        all.push((offset, effects_of(&instruction, own, offsets, &mut factory)));
    }
    all
}

fn effects_of(
    instruction: &iced_x86::Instruction,
    bytes: &[u8],
    offsets: ConstantOffsets,
    factory: &mut InstructionInfoFactory,
) -> Effects {
    let mut of = Effects {
        bytes: bytes.to_vec(),
        flow: super::insn::flow_of(instruction),
        calls: None,
        reads: Registers16::default(),
        kills: Registers16::default(),
        writes: Registers16::default(),
        reads_flags: instruction.rflags_read() & STATUS_FLAGS,
        kills_flags: instruction.rflags_modified() & STATUS_FLAGS,
        displacement: None,
        moves_sp: moves_sp(instruction),
        fixed: fixed(instruction),
        by_sp: instruction.memory_base() == Register::RSP,
    };
    // A shift by cl of nothing leaves the flags (Intel SDM volume 2, SAL/SAR/SHL/SHR).
    let by_cl =
        instruction.op_count() > 1 && instruction.op_register(instruction.op_count() - 1) == Register::CL;
    let repeated = instruction.has_rep_prefix() || instruction.has_repne_prefix();
    if by_cl || repeated {
        of.kills_flags = 0;
    }
    for used in factory.info(instruction).used_registers() {
        let register = used.register();
        if !register.is_gpr() {
            continue;
        }
        let bit = 1 << register.full_register().number();
        let whole = register.is_gpr64() || register.is_gpr32();
        match used.access() {
            OpAccess::Read | OpAccess::CondRead => of.reads.0 |= bit,
            OpAccess::Write if whole => {
                of.kills.0 |= bit;
                of.writes.0 |= bit;
            }
            OpAccess::Write | OpAccess::CondWrite => {
                of.reads.0 |= bit;
                of.writes.0 |= bit;
            }
            OpAccess::ReadWrite | OpAccess::ReadCondWrite => {
                of.reads.0 |= bit;
                of.writes.0 |= bit;
            }
            OpAccess::None | OpAccess::NoMemAccess => {}
        }
    }
    if instruction.is_ip_rel_memory_operand() && offsets.has_displacement() {
        let place = CodeOffset(instruction.ip_rel_memory_address().cast_signed());
        of.displacement = Some((offsets.displacement_offset(), place));
    }
    if instruction.flow_control() == FlowControl::Call {
        of.calls = Some(CodeOffset(instruction.near_branch_target().cast_signed()));
    }
    of
}

fn fixed(instruction: &iced_x86::Instruction) -> Option<Fixed> {
    let gs = instruction.has_segment_prefix() && instruction.segment_prefix() == Register::GS;
    if gs
        || matches!(
            instruction.mnemonic(),
            Mnemonic::Wrgsbase | Mnemonic::Swapgs | Mnemonic::Rdgsbase
        )
    {
        return Some(Fixed::UsesGs);
    }
    match instruction.mnemonic() {
        Mnemonic::Syscall | Mnemonic::Sysenter | Mnemonic::Sysret | Mnemonic::Sysexit => {
            return Some(Fixed::EntersKernel);
        }
        Mnemonic::Loop | Mnemonic::Loope | Mnemonic::Loopne | Mnemonic::Jecxz | Mnemonic::Jrcxz => {
            return Some(Fixed::AddressMatters);
        }
        _ => {}
    }
    match instruction.flow_control() {
        FlowControl::Interrupt | FlowControl::XbeginXabortXend => Some(Fixed::AddressMatters),
        FlowControl::Return if !matches!(instruction.code(), Code::Retnq) => Some(Fixed::AddressMatters),
        FlowControl::Call | FlowControl::UnconditionalBranch | FlowControl::ConditionalBranch
            if !matches!(instruction.op0_kind(), OpKind::NearBranch64) =>
        {
            Some(Fixed::AddressMatters)
        }
        FlowControl::IndirectCall | FlowControl::IndirectBranch
            if matches!(
                instruction.code(),
                Code::Call_m1616
                    | Code::Call_m1632
                    | Code::Call_m1664
                    | Code::Jmp_m1616
                    | Code::Jmp_m1632
                    | Code::Jmp_m1664
            ) =>
        {
            Some(Fixed::AddressMatters)
        }
        _ => None,
    }
}

/// What an instruction adds to the stack pointer.
fn moves_sp(instruction: &iced_x86::Instruction) -> Option<i64> {
    if instruction.is_stack_instruction() {
        // A call gives back what it takes.
        return match instruction.flow_control() {
            FlowControl::Call | FlowControl::IndirectCall => Some(0),
            _ if instruction.mnemonic() == Mnemonic::Leave => None,
            _ => Some(i64::from(instruction.stack_pointer_increment())),
        };
    }
    if instruction.op_count() == 0 || instruction.op0_register() != Register::RSP {
        return Some(0);
    }
    match instruction.code() {
        Code::Sub_rm64_imm8 | Code::Sub_rm64_imm32 => Some(-instruction.immediate(1).cast_signed()),
        Code::Add_rm64_imm8 | Code::Add_rm64_imm32 => Some(instruction.immediate(1).cast_signed()),
        Code::Lea_r64_m
            if instruction.memory_base() == Register::RSP && instruction.memory_index() == Register::None =>
        {
            Some(instruction.memory_displacement64().cast_signed())
        }
        Code::Cmp_rm64_imm8 | Code::Cmp_rm64_imm32 | Code::Cmp_rm64_r64 | Code::Test_rm64_r64 => Some(0),
        _ => None,
    }
}

/// The load into `register` of the place that an indirect jump goes to: its bytes, and where a displacement from the pc
/// is in them.
pub(crate) fn load_of_target(jump: &Effects, register: Free) -> Option<(Vec<u8>, Option<usize>)> {
    // Prefixes, REX, FF /4: the load is REX.W 8B with the same operand.
    let opcode = jump.bytes.iter().position(|byte| *byte == 0xFF)?;
    let (prefixes, rest) = jump.bytes.split_at(opcode);
    let old_rex = prefixes.last().copied().filter(|byte| byte & 0xF0 == 0x40);
    let rex = 0x48 | old_rex.unwrap_or(0) & 0b11 | (register.number() >> 3) << 2;
    // `notrack` and branch hints say nothing of a load; `fs` and the size of addresses do.
    let kept = prefixes
        .iter()
        .filter(|byte| matches!(byte, 0x64 | 0x67))
        .copied();
    let mut load: Vec<u8> = kept.collect();
    load.extend([rex, 0x8B]);
    let modrm = *rest.get(1)?;
    load.push(modrm & 0b1100_0111 | (register.number() & 7) << 3);
    load.extend(rest.get(2..)?);
    let displacement = jump
        .displacement
        .map(|(at, _)| at + load.len() - jump.bytes.len());
    Some((load, displacement))
}
