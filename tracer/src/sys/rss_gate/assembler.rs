//! An assembler of the few BPF instructions that the gate needs.
//!
//! Must not know: maps, tracepoints, what a program is for. Instructions in, the words that bpf(2) loads out.
//!
//! ```text
//! bit  63        32 31     16 15   12 11    8 7      0
//!      immediate    offset    source  target  operation
//! ```
//! Source: RFC 9669, "BPF Instruction Set Architecture"; its sections are cited as §.

/// A register: `R0` is a call's result, `R1` to `R5` its arguments and lost by it, `R6` to `R9` kept, `R10` the top
/// of the stack.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Register {
    R0 = 0,
    R1 = 1,
    R2 = 2,
    R3 = 3,
    R4 = 4,
    R6 = 6,
    R7 = 7,
    R8 = 8,
    R10 = 10,
}

/// How much is loaded or stored; a load fills the rest of the register with zeros (§5.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Width {
    Four = 0x00,
    Eight = 0x18,
}

/// When a jump is taken; numbers compare without a sign (§4.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum When {
    Equal = 0x10,
    Greater = 0x20,
    AtLeast = 0x30,
    NotEqual = 0x50,
}

/// The second operand of an instruction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Operand {
    Of(Register),
    Number(i32),
}

/// A place to jump to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Label(usize);

/// A program in the making.
#[derive(Debug, Default)]
pub(super) struct Assembler {
    code: Vec<u64>,
    /// Where each label is, as soon as that is known.
    labels: Vec<Option<usize>>,
    /// The jumps, with what they jump to.
    jumps: Vec<(usize, Label)>,
}

// The classes of instructions (§3.1), and what is or-ed to them.
const LOAD_IMMEDIATE: u8 = 0x18;
const LOAD: u8 = 0x61;
const STORE_NUMBER: u8 = 0x62;
const STORE: u8 = 0x63;
const ATOMIC_EIGHT: u8 = 0xDB;
const JUMP: u8 = 0x05;
const ARITHMETIC: u8 = 0x07;
const OF_REGISTER: u8 = 0x08;
const ADD: u8 = 0x00;
const SHIFT_LEFT: u8 = 0x60;
const MOVE: u8 = 0xB0;
const CALL: u8 = 0x80;
const EXIT: u8 = 0x90;

/// The source of a 64-bit immediate that is the address of a map's value (§5.4).
const MAP_VALUE: u8 = 2;

const fn word(operation: u8, target: Register, source: u8, offset: i16, immediate: i32) -> u64 {
    operation as u64
        | (target as u64) << 8
        | (source as u64) << 12
        | (offset.cast_unsigned() as u64) << 16
        | (immediate.cast_unsigned() as u64) << 32
}

impl Assembler {
    /// A label that is bound later.
    pub(super) fn label(&mut self) -> Label {
        self.labels.push(None);
        Label(self.labels.len() - 1)
    }

    /// The next instruction is where `label` is.
    pub(super) fn bind(&mut self, label: Label) {
        self.labels[label.0] = Some(self.code.len());
    }

    fn arithmetic(&mut self, operation: u8, target: Register, operand: Operand) {
        let (operation, source, number) = of_operand(operation | ARITHMETIC, operand);
        self.code.push(word(operation, target, source, 0, number));
    }

    /// `target = operand`
    pub(super) fn set(&mut self, target: Register, operand: Operand) {
        self.arithmetic(MOVE, target, operand);
    }

    /// `target += operand`
    pub(super) fn add(&mut self, target: Register, operand: Operand) {
        self.arithmetic(ADD, target, operand);
    }

    /// `target <<= bits`
    pub(super) fn shift_left(&mut self, target: Register, bits: i32) {
        self.arithmetic(SHIFT_LEFT, target, Operand::Number(bits));
    }

    /// `target = the address of the first element of the array map that is the descriptor `map``
    pub(super) fn set_to_value_of(&mut self, target: Register, map: i32) {
        self.code.push(word(LOAD_IMMEDIATE, target, MAP_VALUE, 0, map));
        // Its second half is the offset in the element.
        self.code.push(0);
    }

    /// `target = [base + offset]`
    pub(super) fn load(&mut self, width: Width, target: Register, base: Register, offset: i16) {
        let operation = LOAD | width as u8;
        self.code.push(word(operation, target, base as u8, offset, 0));
    }

    /// `[base + offset] = source`
    pub(super) fn store(&mut self, width: Width, base: Register, offset: i16, source: Register) {
        let operation = STORE | width as u8;
        self.code.push(word(operation, base, source as u8, offset, 0));
    }

    /// `[base + offset] = number`
    pub(super) fn store_number(&mut self, width: Width, base: Register, offset: i16, number: i32) {
        let operation = STORE_NUMBER | width as u8;
        self.code.push(word(operation, base, 0, offset, number));
    }

    /// `[base + offset] += source`, of eight bytes and in one piece
    pub(super) fn add_in_memory(&mut self, base: Register, offset: i16, source: Register) {
        self.code
            .push(word(ATOMIC_EIGHT, base, source as u8, offset, ADD.into()));
    }

    /// `if left <when> right goto label`
    pub(super) fn jump_if(&mut self, when: When, left: Register, right: Operand, label: Label) {
        let (operation, source, number) = of_operand(when as u8 | JUMP, right);
        self.jumps.push((self.code.len(), label));
        self.code.push(word(operation, left, source, 0, number));
    }

    /// `goto label`
    pub(super) fn jump(&mut self, label: Label) {
        self.jumps.push((self.code.len(), label));
        self.code.push(word(JUMP, Register::R0, 0, 0, 0));
    }

    /// `R0 = helper(R1, R2, R3, R4, R5)`
    pub(super) fn call(&mut self, helper: i32) {
        self.code.push(word(JUMP | CALL, Register::R0, 0, 0, helper));
    }

    /// Ends the program; `R0` is its result.
    pub(super) fn exit(&mut self) {
        self.code.push(word(JUMP | EXIT, Register::R0, 0, 0, 0));
    }

    /// The program.
    ///
    /// # Panics
    /// A label that is jumped to was never bound, or is too far away.
    pub(super) fn assembled(mut self) -> Vec<u64> {
        for (at, label) in self.jumps {
            let to = self.labels[label.0].expect("a label that is jumped to is bound");
            // From the instruction behind the jump (§4.3).
            let distance = to.cast_signed() - at.cast_signed() - 1;
            let offset = i16::try_from(distance).expect("a program of ours is short");
            self.code[at] |= u64::from(offset.cast_unsigned()) << 16;
        }
        self.code
    }
}

/// The operation, the source register and the number of an instruction with this operand.
fn of_operand(operation: u8, operand: Operand) -> (u8, u8, i32) {
    match operand {
        Operand::Of(register) => (operation | OF_REGISTER, register as u8, 0),
        Operand::Number(number) => (operation, 0, number),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Operand::{Number, Of};
    use Register::{R0, R1, R2, R3, R6, R7, R10};

    /// The bytes as a little-endian kernel reads them, an instruction each.
    fn bytes(write: impl FnOnce(&mut Assembler)) -> Vec<[u8; 8]> {
        let mut assembler = Assembler::default();
        write(&mut assembler);
        assembler.assembled().into_iter().map(u64::to_le_bytes).collect()
    }

    /// Expected bytes: from the tables of RFC 9669, §3 to §5. `llvm-mc -triple bpfel -show-encoding` of LLVM 14 says the
    /// same of all but the store of a number, which it does not know.
    #[test]
    fn every_instruction_is_encoded_as_the_standard_says() {
        let encoded = bytes(|a| {
            a.set(R6, Of(R1));
            a.set(R0, Number(0));
            a.add(R3, Number(-8));
            a.add(R3, Of(R7));
            a.shift_left(R1, 3);
            a.load(Width::Four, R1, R7, 64);
            a.load(Width::Eight, R2, R6, 24);
            a.store(Width::Eight, R3, 8, R2);
            a.store(Width::Four, R10, -8, R1);
            a.store_number(Width::Eight, R3, 0, 1);
            a.add_in_memory(R7, 16, R1);
            a.call(120);
            a.exit();
        });
        let expected = [
            [0xBF, 0x16, 0, 0, 0, 0, 0, 0],             // r6 = r1
            [0xB7, 0x00, 0, 0, 0, 0, 0, 0],             // r0 = 0
            [0x07, 0x03, 0, 0, 0xF8, 0xFF, 0xFF, 0xFF], // r3 += -8
            [0x0F, 0x73, 0, 0, 0, 0, 0, 0],             // r3 += r7
            [0x67, 0x01, 0, 0, 3, 0, 0, 0],             // r1 <<= 3
            [0x61, 0x71, 64, 0, 0, 0, 0, 0],            // r1 = *(u32 *)(r7 + 64)
            [0x79, 0x62, 24, 0, 0, 0, 0, 0],            // r2 = *(u64 *)(r6 + 24)
            [0x7B, 0x23, 8, 0, 0, 0, 0, 0],             // *(u64 *)(r3 + 8) = r2
            [0x63, 0x1A, 0xF8, 0xFF, 0, 0, 0, 0],       // *(u32 *)(r10 - 8) = r1
            [0x7A, 0x03, 0, 0, 1, 0, 0, 0],             // *(u64 *)(r3 + 0) = 1
            [0xDB, 0x17, 16, 0, 0, 0, 0, 0],            // lock *(u64 *)(r7 + 16) += r1
            [0x85, 0x00, 0, 0, 120, 0, 0, 0],           // call 120
            [0x95, 0x00, 0, 0, 0, 0, 0, 0],             // exit
        ];
        assert_eq!(encoded, expected);
    }

    #[test]
    fn a_jump_counts_from_the_instruction_behind_it_in_both_directions() {
        let encoded = bytes(|a| {
            let (back, on) = (a.label(), a.label());
            a.bind(back);
            a.jump_if(When::AtLeast, R1, Of(R2), on);
            a.jump_if(When::Greater, R1, Number(3), on);
            a.jump(back);
            a.bind(on);
            a.jump_if(When::NotEqual, R1, Number(1), back);
            a.jump_if(When::Equal, R1, Number(0), on);
        });
        let expected = [
            [0x3D, 0x21, 2, 0, 0, 0, 0, 0],       // if r1 >= r2 goto +2
            [0x25, 0x01, 1, 0, 3, 0, 0, 0],       // if r1 > 3 goto +1
            [0x05, 0x00, 0xFD, 0xFF, 0, 0, 0, 0], // goto -3
            [0x55, 0x01, 0xFC, 0xFF, 1, 0, 0, 0], // if r1 != 1 goto -4
            [0x15, 0x01, 0xFE, 0xFF, 0, 0, 0, 0], // if r1 == 0 goto -2
        ];
        assert_eq!(encoded, expected);
    }

    #[test]
    fn the_address_of_a_maps_value_takes_two_instructions_and_jumps_count_both() {
        let encoded = bytes(|a| {
            let end = a.label();
            a.jump(end);
            a.set_to_value_of(R7, 0x0102_0304);
            a.bind(end);
        });
        let expected = [
            [0x05, 0x00, 2, 0, 0, 0, 0, 0],
            [0x18, 0x27, 0, 0, 4, 3, 2, 1],
            [0; 8],
        ];
        assert_eq!(encoded, expected);
    }

    #[test]
    #[should_panic(expected = "is bound")]
    fn a_label_that_is_nowhere_is_a_mistake_of_ours() {
        bytes(|a| {
            let nowhere = a.label();
            a.jump(nowhere);
        });
    }
}
