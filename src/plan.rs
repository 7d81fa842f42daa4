//! The plan: which functions are profiled, at which addresses their lines begin, and how control flows between these.
//!
//! Must not know: processes, how the sites were found, what was measured at them.
//!
//! ```text
//! PlannedFunction ◄── PlannedInstance ◄── PlannedSite ──► PlannedLine
//!  one in the source    one copy of code    an address     one row of the function's table
//! ```
//!
//! Everything refers to everything else by index, so that a hit is looked up in a few nanoseconds. A plan only grows
//! (an image that is mapped later adds to the ends of the vectors): an index once given out stays good.
//!
//! Read on in `recorder` (what happens at sites) and `occurrences` (what the edges are for).

use std::path::PathBuf;

pub use lineprof_dwarf::{AddrRange, Allocation, FileAddr};

macro_rules! index {
    ($(#[$documentation:meta])* $name:ident) => {
        $(#[$documentation])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub u32);

        impl $name {
            /// The position in the plan's vector.
            pub fn index(self) -> usize {
                self.0 as usize
            }
        }
    };
}

index! {
    /// Position of a function in [`Plan::functions`].
    FunctionId
}
index! {
    /// Position of an instance in [`Plan::instances`].
    InstanceId
}
index! {
    /// Position of a site in [`Plan::sites`].
    SiteIndex
}
index! {
    /// Position of a line in [`Plan::lines`].
    LineId
}

/// Everything that is going to be watched.
#[derive(Debug, Clone, Default)]
pub struct Plan {
    /// The functions of the source that are profiled.
    pub functions: Vec<PlannedFunction>,
    /// Their out-of-line copies in the machine code.
    pub instances: Vec<PlannedInstance>,
    /// Addresses at which a thread stops.
    pub sites: Vec<PlannedSite>,
    /// Rows of the functions' tables.
    pub lines: Vec<PlannedLine>,
    /// What could not be watched, with the reasons.
    pub refused: Vec<RefusedSite>,
}

/// A function of the source, whatever the number of its copies.
#[derive(Debug, Clone)]
pub struct PlannedFunction {
    /// Readable full name.
    pub name: String,
    /// The symbol's name, where there is one only.
    pub linkage_name: Option<String>,
    /// The file that declares it.
    pub file: PathBuf,
    /// The line of the declaration, from 1.
    pub line: u32,
    /// The last line that belongs to the function in `file`.
    pub last_line: u32,
    /// The row of `line`; it exists even where no site has that line.
    pub declaration: LineId,
}

/// A row of a function's table: a line of the source as that function sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlannedLine {
    /// The function whose table has the row; the same source line in two functions is two rows.
    pub function: FunctionId,
    /// The file of an inlined macro or include; `None` for the function's own file.
    pub file: Option<PathBuf>,
    /// The line, from 1.
    pub line: u32,
    /// Whether any site has this line.
    pub has_site: bool,
}

/// One out-of-line copy of a function.
#[derive(Debug, Clone)]
pub struct PlannedInstance {
    /// The function it is a copy of.
    pub function: FunctionId,
    /// Whether code of the instance jumps to its entry: an arrival there may then be a loop inside the same frame.
    pub entry_reached_by_jump: bool,
    /// Static flow of control: `(s, t)` when `t` can be reached from `s` without passing another site.
    pub edges: Vec<(SiteIndex, SiteIndex)>,
    /// Where its code is.
    pub ranges: Vec<AddrRange>,
    /// Whether its code does elsewhere what it does where it is.
    pub movable: Movable,
    /// Whether a compiler optimised it.
    pub optimised: bool,
    /// What its callers can rely on, beyond the ABI.
    pub allocation: Allocation,
    /// The site at the function's first instruction, or behind it where that is `endbr64`.
    pub entry: SiteIndex,
}

/// Whether an instance can be copied whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Movable {
    /// It can; exceptions enter it at these addresses and no others.
    Yes(Vec<FileAddr>),
    /// The file's tables do not tell where exceptions enter it.
    UnknownPads,
    /// The kernel knows a part of it by its addresses (rseq(2)).
    Restartable,
    /// It has data among its code.
    HasData,
}

/// An address at which a thread stops.
#[derive(Debug, Clone)]
pub struct PlannedSite {
    /// Where it is in its file.
    pub address: FileAddr,
    /// The instance whose code it is.
    pub instance: InstanceId,
    /// The lines that begin here, in the order of their rows; none at a site that is only an entry or exit.
    pub lines: Vec<LineId>,
    /// Whether calls arrive here: the return address is then at the top of the stack.
    pub entry: bool,
    /// Whether the frame ends here.
    pub exit: Exit,
}

/// Whether the instruction of a site ends the frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Exit {
    /// It does not.
    #[default]
    Never,
    /// A return, or a jump out of the function that is always taken.
    Always,
    /// A conditional jump out of the function: the frame goes on when it is not taken.
    Conditional,
}

/// A row that is not watched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefusedSite {
    /// The row's address in its file.
    pub address: FileAddr,
    /// The function whose row it is.
    pub function: FunctionId,
    /// The row's line.
    pub line: u32,
    /// Why, as a fragment of a sentence.
    pub reason: String,
}

impl Plan {
    /// The function `id`.
    pub fn function(&self, id: FunctionId) -> &PlannedFunction {
        &self.functions[id.index()]
    }

    /// The instance `id`.
    pub fn instance(&self, id: InstanceId) -> &PlannedInstance {
        &self.instances[id.index()]
    }

    /// The site `index`.
    pub fn site(&self, index: SiteIndex) -> &PlannedSite {
        &self.sites[index.index()]
    }

    /// The line `id`.
    pub fn line(&self, id: LineId) -> &PlannedLine {
        &self.lines[id.index()]
    }
}
