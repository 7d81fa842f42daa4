//! The return addresses on a thread's stack.
//!
//! Must not know: processes, names, lines. It is given code, registers and a way to read the stack.
//!
//! ```text
//! pc, sp, bp ─► the module that has pc ─► its .eh_frame: where the frame ends ─► the stack: pc, sp, bp of the caller ─► …
//! ```
//! No frame pointers are needed. The work is framehop's, which profilers use; what it is given may be hostile, so the
//! number of frames has an end.

use std::ops::Range;

use framehop::x86_64::{CacheX86_64, UnwindRegsX86_64, UnwinderX86_64};
use framehop::{ExplicitModuleSectionInfo, Module, Unwinder};
use lineprof_dwarf::ObjectFile;

/// A stack that has more frames is cut: a recursion without end is what one looks for, and shows as it is.
pub const MOST_FRAMES: usize = 256;

/// The files whose code is mapped.
pub struct Modules<'a> {
    unwinder: UnwinderX86_64<&'a [u8]>,
}

impl std::fmt::Debug for Modules<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Modules").finish_non_exhaustive()
    }
}

/// What an unwinder needs of a thread.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Registers {
    /// The address of the next instruction.
    pub pc: u64,
    /// The stack pointer.
    pub sp: u64,
    /// `rbp`, which need not be a frame pointer.
    pub bp: u64,
}

/// An address on the way to a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Address {
    /// Where the frame goes on.
    pub pc: u64,
    /// An address in the instruction that it stands on: of a caller, in the call before `pc`.
    pub within: u64,
}

impl Default for Modules<'_> {
    fn default() -> Self {
        Modules {
            unwinder: UnwinderX86_64::new(),
        }
    }
}

impl<'a> Modules<'a> {
    /// Adds a file whose code is mapped at `range`; `base` is where its address 0 would be.
    pub fn add(&mut self, file: &'a ObjectFile, range: Range<u64>, base: u64) {
        let [text, eh_frame, eh_frame_hdr] = file.unwind_sections();
        let place = |section: Option<(lineprof_dwarf::FileAddr, &[u8])>| {
            let (address, bytes) = section?;
            Some(address.0..address.0.checked_add(bytes.len() as u64)?)
        };
        let bytes = |section: Option<(lineprof_dwarf::FileAddr, &'a [u8])>| section.map(|(_, bytes)| bytes);
        let sections = ExplicitModuleSectionInfo {
            base_svma: 0,
            text_svma: place(text),
            text: bytes(text),
            eh_frame_svma: place(eh_frame),
            eh_frame: bytes(eh_frame),
            eh_frame_hdr_svma: place(eh_frame_hdr),
            eh_frame_hdr: bytes(eh_frame_hdr),
            ..ExplicitModuleSectionInfo::default()
        };
        self.unwinder
            .add_module(Module::new(String::new(), range, base, sections));
    }

    /// The addresses of the frames from `registers` outwards, `registers.pc` first, as far as they can be told.
    ///
    /// `read` gives the eight bytes at an address of the stack.
    pub fn unwind(&self, registers: Registers, mut read: impl FnMut(u64) -> Option<u64>) -> Vec<Address> {
        let mut cache = CacheX86_64::<_>::new();
        let Registers { pc, sp, bp } = registers;
        let mut read = |address| read(address).ok_or(());
        let first = UnwindRegsX86_64::new(pc, sp, bp);
        let mut frames = self.unwinder.iter_frames(pc, first, &mut cache, &mut read);
        let mut found = Vec::new();
        // An error is the end: what was found until then holds.
        while let Ok(Some(frame)) = frames.next()
            && found.len() < MOST_FRAMES
        {
            found.push(Address {
                pc: frame.address(),
                within: frame.address_for_lookup(),
            });
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use lineprof_dwarf::{DebugSearch, FileAddr};
    use std::path::Path;

    /// Where the file is put: nowhere that it could be by itself.
    const BASE: u64 = 0x7000_0000_0000;

    fn this_program() -> ObjectFile {
        ObjectFile::open(Path::new("/proc/self/exe"), &DebugSearch::default()).expect("it runs")
    }

    /// The file at `BASE`, and the address of its symbol `main` there.
    fn at_base(file: &ObjectFile) -> (Modules<'_>, u64) {
        let mut modules = Modules::default();
        modules.add(file, BASE..BASE + (1 << 32), BASE);
        let FileAddr(main) = file.symbol("main").expect("it has one");
        (modules, BASE + main)
    }

    #[test]
    fn at_its_entry_a_function_has_its_caller_on_top_of_the_stack() {
        let file = this_program();
        let (modules, main) = at_base(&file);
        let registers = Registers {
            pc: main,
            sp: 0x1000,
            bp: 0,
        };
        let caller = 0x1234_5678;
        let found = modules.unwind(registers, |at| (at == 0x1000).then_some(caller));
        let frames: Vec<(u64, u64)> = found.iter().map(|at| (at.pc, at.within)).collect();
        assert_eq!(frames[..2], [(main, main), (caller, caller - 1)]);
    }

    #[test]
    fn a_stack_that_cannot_be_read_ends_there() {
        let file = this_program();
        let (modules, main) = at_base(&file);
        let registers = Registers {
            pc: main,
            sp: 0x1000,
            bp: 0,
        };
        let found = modules.unwind(registers, |_| None);
        assert_eq!(found.iter().map(|at| at.pc).collect::<Vec<_>>(), [main]);
    }

    #[test]
    fn a_stack_without_end_is_cut() {
        let modules = Modules::default();
        let registers = Registers {
            pc: 0x1000,
            sp: 0x1000,
            bp: 0x2000,
        };
        // By frame pointers, which is what is left where nobody tells of a frame.
        let frame_pointers = |at: u64| Some(if at.is_multiple_of(16) { at + 16 } else { 0x1000 });
        assert_eq!(modules.unwind(registers, frame_pointers).len(), MOST_FRAMES);
    }
}
