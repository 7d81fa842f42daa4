//! The machine code of one instance, decoded: its instructions by address, and where each leads.
//!
//! Must not know: lines. Addresses are the file's; decoding itself is the tracer crate's, relative to nothing.

mod data;

use std::collections::{BTreeMap, BTreeSet};

use lineprof_dwarf::{AddrRange, FileAddr, ObjectFile};
use lineprof_tracer::code::{self, CodeOffset, Flow, Named};

use crate::plan::Exit;

/// One instruction, its targets as addresses of the file.
#[derive(Debug, Clone, Copy)]
pub(super) struct Instruction {
    /// Bytes.
    pub(super) length: u8,
    flow: Flow,
    names: Option<Named>,
    landing: Landing,
    /// The start of the range it was decoded from: what its targets are relative to.
    base: FileAddr,
}

/// Whether indirect branches may arrive at an instruction when the processor tracks them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Landing {
    No,
    /// `endbr64`: an `int3` in its place makes every indirect branch to it a fault.
    Pad,
}

impl Landing {
    fn of(code: &[u8]) -> Landing {
        // Intel SDM vol. 2, ENDBR64.
        if code.starts_with(&[0xF3, 0x0F, 0x1E, 0xFA]) {
            Landing::Pad
        } else {
            Landing::No
        }
    }
}

/// The code of an instance.
#[derive(Debug, Default)]
pub(super) struct InstanceCode {
    ranges: Vec<AddrRange>,
    instructions: BTreeMap<FileAddr, Instruction>,
    /// Where decoding gave up, a range at the most.
    unreadable: Vec<AddrRange>,
    /// What the code reads and does not run.
    data: Vec<AddrRange>,
}

fn at(base: FileAddr, offset: CodeOffset) -> FileAddr {
    FileAddr(base.0.wrapping_add_signed(offset.0))
}

impl InstanceCode {
    /// Decodes every range from its start.
    pub(super) fn decode(object: &ObjectFile, ranges: &[AddrRange]) -> InstanceCode {
        let mut decoded = InstanceCode {
            ranges: ranges.to_vec(),
            ..InstanceCode::default()
        };
        for range in ranges {
            let bytes = object.code(*range).unwrap_or_default();
            decoded.decode_range(bytes, *range);
            data::leave_out(&mut decoded, bytes, *range);
        }
        decoded
    }

    /// Decodes one range from its start.
    fn decode_range(&mut self, bytes: &[u8], range: AddrRange) {
        let mut end = range.start;
        for instruction in code::decode(bytes) {
            let address = at(range.start, instruction.offset);
            end = at(range.start, instruction.end());
            let from = usize::try_from(instruction.offset.0).unwrap_or(usize::MAX);
            let instruction = Instruction {
                length: instruction.length,
                flow: instruction.flow,
                names: instruction.names,
                landing: Landing::of(bytes.get(from..).unwrap_or_default()),
                base: range.start,
            };
            self.instructions.insert(address, instruction);
        }
        if end < range.end {
            self.unreadable.push(AddrRange {
                start: end,
                end: range.end,
            });
        }
    }

    /// The instruction that begins at `address`.
    pub(super) fn instruction(&self, address: FileAddr) -> Option<&Instruction> {
        self.instructions.get(&address)
    }

    /// Where a site for `address` goes: behind `endbr64`, which does nothing else.
    pub(super) fn site_for(&self, address: FileAddr) -> FileAddr {
        let pad = self.instruction(address).filter(|i| i.landing == Landing::Pad);
        let behind = pad.map(|pad| FileAddr(address.0 + u64::from(pad.length)));
        behind
            .filter(|behind| self.instructions.contains_key(behind))
            .unwrap_or(address)
    }

    /// Whether `address` lies behind bytes that could not be decoded.
    pub(super) fn is_unreadable(&self, address: FileAddr) -> bool {
        self.unreadable.iter().any(|range| range.contains(address))
    }

    /// Whether there is data among the code.
    pub(super) fn has_data(&self) -> bool {
        !self.data.is_empty()
    }

    /// Whether `address` lies in data among the code.
    pub(super) fn is_data(&self, address: FileAddr) -> bool {
        self.data.iter().any(|range| range.contains(address))
    }

    fn contains(&self, address: FileAddr) -> bool {
        self.ranges.iter().any(|range| range.contains(address))
    }

    /// The places inside that are jumped to directly.
    pub(super) fn jump_targets(&self) -> BTreeSet<FileAddr> {
        let target = |i: &Instruction| match i.flow {
            Flow::Jump(to) | Flow::Branch(to) => Some(at(i.base, to)),
            Flow::Next | Flow::Call | Flow::IndirectJump | Flow::Return | Flow::Trap => None,
        };
        let targets = self.instructions.values().filter_map(target);
        targets.filter(|to| self.contains(*to)).collect()
    }

    /// Where a frame ends, by the instruction that ends it.
    ///
    /// A jump through a register may be a tail call or a jump table: unoptimised code makes no tail calls.
    pub(super) fn exits(&self, optimised: bool) -> BTreeMap<FileAddr, Exit> {
        let exit = |(address, i): (&FileAddr, &Instruction)| {
            let leaves = |to| !self.contains(at(i.base, to));
            let exit = match i.flow {
                Flow::Return => Exit::Always,
                Flow::Jump(to) if leaves(to) => Exit::Always,
                Flow::Branch(to) if leaves(to) => Exit::Conditional,
                Flow::IndirectJump if optimised => Exit::Conditional,
                Flow::Next
                | Flow::Call
                | Flow::Trap
                | Flow::Jump(_)
                | Flow::Branch(_)
                | Flow::IndirectJump => Exit::Never,
            };
            (exit != Exit::Never).then_some((*address, exit))
        };
        self.instructions.iter().filter_map(exit).collect()
    }

    /// Where control can go from the instruction at `address`, inside the instance.
    fn successors(&self, address: FileAddr) -> impl Iterator<Item = FileAddr> {
        let found = self.instruction(address);
        let next = found.and_then(|i| match i.flow {
            Flow::Next | Flow::Call | Flow::Branch(_) => Some(FileAddr(address.0 + u64::from(i.length))),
            Flow::Jump(_) | Flow::IndirectJump | Flow::Return | Flow::Trap => None,
        });
        let target = found.and_then(|i| match i.flow {
            Flow::Jump(to) | Flow::Branch(to) => Some(at(i.base, to)),
            Flow::Next | Flow::Call | Flow::IndirectJump | Flow::Return | Flow::Trap => None,
        });
        next.into_iter()
            .chain(target)
            .filter(|to| self.instructions.contains_key(to))
    }

    /// The sites that can be reached from `site` without passing another one, each once.
    pub(super) fn reached_from(&self, site: FileAddr, is_site: impl Fn(FileAddr) -> bool) -> Vec<FileAddr> {
        let mut seen = BTreeSet::new();
        let mut reached = BTreeSet::new();
        let mut open: Vec<FileAddr> = self.successors(site).collect();
        while let Some(address) = open.pop() {
            if is_site(address) {
                reached.insert(address);
            } else if seen.insert(address) {
                open.extend(self.successors(address));
            }
        }
        reached.into_iter().collect()
    }
}
