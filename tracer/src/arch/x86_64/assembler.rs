//! A few instructions, written one behind the other, with labels.
//!
//! Must not know: what they are for. Encodings: Intel SDM volume 2; the tests read them back with another decoder.
//!
//! Operands `%gs:n` have the form 65 … modrm 04 sib 25 disp32: an absolute address of 32 bits, added to the base of `gs`.

use super::effects::Free;
use crate::addr::RemoteAddr;

/// A place in the code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Label(usize);

/// A target is further away than 2 GiB.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct OutOfReach;

/// Conditions of jumps, by the processor's numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Condition {
    /// CF.
    Below = 2,
    /// Not CF.
    AboveOrEqual = 3,
    /// ZF.
    Equal = 4,
    /// Not ZF.
    NotEqual = 5,
    /// CF or ZF.
    BelowOrEqual = 6,
}

/// Code that is being written for `start`.
#[derive(Clone, Debug)]
pub(crate) struct Assembler {
    start: RemoteAddr,
    bytes: Vec<u8>,
    labels: Vec<Option<usize>>,
    /// Where a distance of 32 bits to a label is to be put.
    open: Vec<(usize, Label)>,
    /// Where the address of a label is to be put.
    words: Vec<(usize, Label)>,
}

impl Assembler {
    pub(crate) fn new(start: RemoteAddr) -> Self {
        Self {
            start,
            bytes: Vec::new(),
            labels: Vec::new(),
            open: Vec::new(),
            words: Vec::new(),
        }
    }

    /// Bytes so far.
    pub(crate) fn length(&self) -> usize {
        self.bytes.len()
    }

    /// The address of what is written next.
    pub(crate) fn here(&self) -> RemoteAddr {
        self.start.plus(self.bytes.len() as u64)
    }

    pub(crate) fn label(&mut self) -> Label {
        self.labels.push(None);
        Label(self.labels.len() - 1)
    }

    /// The label is here.
    pub(crate) fn bind(&mut self, label: Label) {
        self.labels[label.0] = Some(self.bytes.len());
    }

    pub(crate) fn is_bound(&self, label: Label) -> bool {
        self.labels[label.0].is_some()
    }

    /// Every label that is not bound yet is where this one is.
    pub(crate) fn bind_open(&mut self, here: Label) {
        let at = self.labels[here.0];
        for label in &mut self.labels {
            *label = label.or(at);
        }
    }

    /// The address of what was written at `offset`.
    pub(crate) fn at(&self, offset: usize) -> RemoteAddr {
        self.start.plus(offset as u64)
    }

    /// The address of a label that is bound.
    pub(crate) fn address(&self, label: Label) -> Option<RemoteAddr> {
        self.labels[label.0].map(|at| self.start.plus(at as u64))
    }

    /// All bytes, with every distance in its place; `None` when a label was never bound.
    pub(crate) fn finish(mut self) -> Option<Vec<u8>> {
        for (at, label) in &self.open {
            let target = self.labels[label.0]?;
            let distance = i32::try_from(target as i64 - (*at as i64 + 4)).ok()?;
            self.bytes[*at..at + 4].copy_from_slice(&distance.to_le_bytes());
        }
        for (at, label) in &self.words {
            let address = self.start.plus(self.labels[label.0]? as u64);
            self.bytes[*at..at + 8].copy_from_slice(&address.0.to_le_bytes());
        }
        Some(self.bytes)
    }

    pub(crate) fn raw(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// Overwrites bytes that are written already.
    pub(crate) fn patch(&mut self, at: usize, bytes: &[u8]) {
        self.bytes[at..at + bytes.len()].copy_from_slice(bytes);
    }

    fn distance_to_label(&mut self, label: Label) {
        self.open.push((self.bytes.len(), label));
        self.raw(&[0; 4]);
    }

    fn distance_to(&mut self, target: RemoteAddr) -> Result<(), OutOfReach> {
        let distance = distance(self.here().plus(4), target)?;
        self.raw(&distance.to_le_bytes());
        Ok(())
    }

    /// `jmp label`
    pub(crate) fn jump(&mut self, label: Label) {
        self.raw(&[0xE9]);
        self.distance_to_label(label);
    }

    /// `jmp target`
    pub(crate) fn jump_to(&mut self, target: RemoteAddr) -> Result<(), OutOfReach> {
        self.raw(&[0xE9]);
        self.distance_to(target)
    }

    /// `jcc label`
    pub(crate) fn jump_if(&mut self, condition: Condition, label: Label) {
        self.jump_if_code(condition as u8, label);
    }

    /// `jcc label`, by the low half of the instruction's opcode.
    pub(crate) fn jump_if_code(&mut self, condition: u8, label: Label) {
        self.raw(&[0x0F, 0x80 | condition]);
        self.distance_to_label(label);
    }

    /// `jcc target`
    pub(crate) fn jump_if_to(&mut self, condition: u8, target: RemoteAddr) -> Result<(), OutOfReach> {
        self.raw(&[0x0F, 0x80 | condition]);
        self.distance_to(target)
    }

    /// `call label`
    pub(crate) fn call(&mut self, label: Label) {
        self.raw(&[0xE8]);
        self.distance_to_label(label);
    }

    /// `push label(%rip)`
    pub(crate) fn push_by(&mut self, label: Label) {
        self.raw(&[0xFF, 0x35]);
        self.distance_to_label(label);
    }

    /// `op %gs:at` with an opcode extension or a register's low bits in `middle`.
    fn gs(&mut self, prefix: &[u8], opcode: &[u8], middle: u8, at: u64) {
        self.raw(&[0x65]);
        self.raw(prefix);
        self.raw(opcode);
        self.raw(&[0x04 | (middle & 7) << 3, 0x25]);
        // Places in a block are below 2^31 (`agent::layout`).
        self.raw(&(at as u32).to_le_bytes());
    }

    /// `cmpb $0, %gs:at`
    pub(crate) fn test_byte(&mut self, at: u64) {
        self.gs(&[], &[0x80], 7, at);
        self.raw(&[0]);
    }

    /// `incq %gs:at`
    pub(crate) fn increment(&mut self, at: u64) {
        self.gs(&[0x48], &[0xFF], 0, at);
    }

    /// `movb $1, %gs:at`
    pub(crate) fn mark(&mut self, at: u64) {
        self.gs(&[], &[0xC6], 0, at);
        self.raw(&[1]);
    }

    /// `cmp %rsp, %gs:at`: what is there against the stack pointer
    pub(crate) fn compare_sp(&mut self, at: u64) {
        self.gs(&[0x48], &[0x39], 4, at);
    }

    /// `mov %rsp, %gs:at`
    pub(crate) fn store_sp(&mut self, at: u64) {
        self.gs(&[0x48], &[0x89], 4, at);
    }

    /// `mov %gs:at, %register`
    pub(crate) fn load(&mut self, at: u64, register: Free) {
        self.gs(
            &[0x48 | (register.number() >> 3) << 2],
            &[0x8B],
            register.number(),
            at,
        );
    }

    /// `mov %fs:0, %register`: the thread's own number, by which compilers' code finds what is the thread's (ELF Handling
    /// For Thread-Local Storage, 3.4.6)
    pub(crate) fn load_thread(&mut self, register: Free) {
        let number = register.number();
        self.raw(&[
            0x64,
            0x48 | (number >> 3) << 2,
            0x8B,
            0x04 | (number & 7) << 3,
            0x25,
            0,
            0,
            0,
            0,
        ]);
    }

    /// `mov %register, %gs:at`
    pub(crate) fn store(&mut self, register: Free, at: u64) {
        self.gs(
            &[0x48 | (register.number() >> 3) << 2],
            &[0x89],
            register.number(),
            at,
        );
    }

    /// `cmp %gs:at, %register`: the register against what is there
    pub(crate) fn compare(&mut self, register: Free, at: u64) {
        self.gs(
            &[0x48 | (register.number() >> 3) << 2],
            &[0x3B],
            register.number(),
            at,
        );
    }

    /// `lock btsl $0, %gs:at`: CF is what the bit was
    pub(crate) fn take_bit(&mut self, at: u64) {
        self.gs(&[0xF0], &[0x0F, 0xBA], 5, at);
        self.raw(&[0]);
    }

    /// `movl $0, %gs:at`
    pub(crate) fn clear(&mut self, at: u64) {
        self.gs(&[], &[0xC7], 0, at);
        self.raw(&[0; 4]);
    }

    /// `xchg %rsp, %gs:at`
    pub(crate) fn exchange_sp(&mut self, at: u64) {
        self.gs(&[0x48], &[0x87], 4, at);
    }

    /// `jmp *%gs:at`
    pub(crate) fn jump_by(&mut self, at: u64) {
        self.gs(&[], &[0xFF], 4, at);
    }

    /// `mov %gs:at, %rdi`
    pub(crate) fn load_first_argument(&mut self, at: u64) {
        self.gs(&[0x48], &[0x8B], 7, at);
    }

    /// `mov %rax, %gs:at`
    pub(crate) fn store_result(&mut self, at: u64) {
        self.gs(&[0x48], &[0x89], 0, at);
    }

    /// `op offset(%base)` with `middle` as for [`Self::gs`].
    fn at_base(&mut self, opcode: u8, middle: u8, base: Free, offset: i8) {
        self.raw(&[
            0x48 | base.number() >> 3,
            opcode,
            0x40 | (middle & 7) << 3 | base.number() & 7,
            offset.cast_unsigned(),
        ]);
    }

    /// `add` without flags: `lea offset(%register), %register`
    pub(crate) fn advance(&mut self, register: Free, offset: i8) {
        let number = register.number();
        self.raw(&[
            0x48 | (number >> 3) << 2 | number >> 3,
            0x8D,
            0x40 | (number & 7) << 3 | number & 7,
            offset.cast_unsigned(),
        ]);
    }

    /// `mov %rsp, offset(%base)`
    pub(crate) fn store_sp_at(&mut self, base: Free, offset: i8) {
        self.at_base(0x89, 4, base, offset);
    }

    /// `cmp %rsp, offset(%base)`: what is there against the stack pointer
    pub(crate) fn compare_sp_at(&mut self, base: Free, offset: i8) {
        self.at_base(0x39, 4, base, offset);
    }

    /// `movq $number, offset(%base)`
    pub(crate) fn store_number_at(&mut self, number: u32, base: Free, offset: i8) {
        self.at_base(0xC7, 0, base, offset);
        self.raw(&number.to_le_bytes());
    }

    /// `cmpq $number, offset(%base)`
    pub(crate) fn compare_number_at(&mut self, number: u32, base: Free, offset: i8) {
        self.at_base(0x81, 7, base, offset);
        self.raw(&number.to_le_bytes());
    }

    /// `mov (%register), %register`
    pub(crate) fn follow(&mut self, register: Free) {
        let number = register.number();
        self.raw(&[
            0x48 | (number >> 3) << 2 | number >> 3,
            0x8B,
            0x40 | (number & 7) << 3 | number & 7,
            0,
        ]);
    }

    /// `op label(%rip), %register`
    fn by_label(&mut self, opcode: u8, label: Label, register: Free) {
        let number = register.number();
        self.raw(&[0x48 | (number >> 3) << 2, opcode, 0x05 | (number & 7) << 3]);
        self.distance_to_label(label);
    }

    /// `sub label(%rip), %register`
    pub(crate) fn subtract_by(&mut self, label: Label, register: Free) {
        self.by_label(0x2B, label, register);
    }

    /// `add label(%rip), %register`
    pub(crate) fn add_by(&mut self, label: Label, register: Free) {
        self.by_label(0x03, label, register);
    }

    /// `mov %from, %to`
    pub(crate) fn copy(&mut self, from: Free, to: Free) {
        let (from, to) = (from.number(), to.number());
        self.raw(&[
            0x48 | (from >> 3) << 2 | to >> 3,
            0x89,
            0xC0 | (from & 7) << 3 | to & 7,
        ]);
    }

    /// `lahf ; seto %al`: all status flags are in rax
    pub(crate) fn keep_flags(&mut self) {
        self.raw(&[0x9F, 0x0F, 0x90, 0xC0]);
    }

    /// `add $0x7f, %al ; sahf`: OF is what al was, the others are what ah was
    pub(crate) fn give_flags_back(&mut self) {
        self.raw(&[0x04, 0x7F, 0x9E]);
    }

    /// `add %register, %register`
    pub(crate) fn double(&mut self, register: Free) {
        let number = register.number();
        self.raw(&[
            0x48 | (number >> 3) << 2 | number >> 3,
            0x01,
            0xC0 | (number & 7) << 3 | number & 7,
        ]);
    }

    /// `shl $3, %register`
    pub(crate) fn times_eight(&mut self, register: Free) {
        let number = register.number();
        self.raw(&[0x48 | number >> 3, 0xC1, 0xE0 | number & 7, 3]);
    }

    /// `movzwq (%register), %register`
    pub(crate) fn follow_short(&mut self, register: Free) {
        let number = register.number();
        self.raw(&[
            0x48 | (number >> 3) << 2 | number >> 3,
            0x0F,
            0xB7,
            0x40 | (number & 7) << 3 | number & 7,
            0,
        ]);
    }

    /// `cmp $number, %register`
    pub(crate) fn compare_number(&mut self, register: Free, number: u32) {
        let register = register.number();
        self.raw(&[0x48 | register >> 3, 0x81, 0xF8 | register & 7]);
        self.raw(&number.to_le_bytes());
    }

    /// `jmp *%register`
    pub(crate) fn jump_by_register(&mut self, register: Free) {
        let register = register.number();
        self.raw(&[0x40 | register >> 3, 0xFF, 0xE0 | register & 7]);
    }

    /// A number of 64 bits: where the label is.
    pub(crate) fn address_word(&mut self, label: Label) {
        self.words.push((self.bytes.len(), label));
        self.raw(&[0; 8]);
    }

    /// `push $number`
    pub(crate) fn push_number(&mut self, number: u32) {
        self.raw(&[0x68]);
        self.raw(&number.to_le_bytes());
    }
}

/// The distance from `from` to `to`, where an instruction can hold it.
pub(crate) fn distance(from: RemoteAddr, to: RemoteAddr) -> Result<i32, OutOfReach> {
    i32::try_from(to.0.wrapping_sub(from.0).cast_signed()).or(Err(OutOfReach))
}

#[cfg(test)]
mod tests;
