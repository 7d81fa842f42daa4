//! Scripted programs for tests: plans made by hand, a thread that is moved over them, and numbers for random ones.
//!
//! Must not know: the code under test, apart from the calls that feed it.
//!
//! Read on in the tests of `recorder` and `occurrences`.

use std::path::PathBuf;

use crate::plan::{
    Allocation, Exit, FileAddr, FunctionId, InstanceId, LineId, Movable, Plan, PlannedFunction,
    PlannedInstance, PlannedLine, PlannedSite, SiteIndex,
};
use crate::recorder::{Arrival, Recorder, Recording, StackPointer, ThreadKey};
use crate::units::Bytes;

/// What happens to a frame at a site.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum At {
    Entry,
    Middle,
    Exit,
    EntryAndExit,
    MayExit,
}

impl Plan {
    /// Adds a function declared at `line` with one instance without sites.
    pub(crate) fn add_function(&mut self, name: &str, line: u32) -> (FunctionId, InstanceId) {
        let function = FunctionId(self.functions.len() as u32);
        let declaration = LineId(self.lines.len() as u32);
        self.lines.push(PlannedLine {
            function,
            file: None,
            line,
            has_site: false,
        });
        self.functions.push(PlannedFunction {
            name: name.to_owned(),
            linkage_name: Some(name.to_owned()),
            file: PathBuf::from("/src/scripted.c"),
            line,
            last_line: line,
            declaration,
        });
        (function, self.add_instance(function))
    }

    pub(crate) fn add_instance(&mut self, function: FunctionId) -> InstanceId {
        self.instances.push(PlannedInstance {
            function,
            entry_reached_by_jump: false,
            edges: Vec::new(),
            ranges: Vec::new(),
            movable: Movable::Yes(Vec::new()),
            optimised: false,
            allocation: Allocation::ByFunction,
            entry: SiteIndex(0),
        });
        InstanceId(self.instances.len() as u32 - 1)
    }

    /// Adds a site with these lines of the source.
    pub(crate) fn add_site(&mut self, instance: InstanceId, lines: &[u32], at: At) -> SiteIndex {
        let index = SiteIndex(self.sites.len() as u32);
        let function = self.instance(instance).function;
        let lines = lines.iter().map(|&line| self.line_of(function, line)).collect();
        let entry = matches!(at, At::Entry | At::EntryAndExit);
        if entry {
            self.instances[instance.index()].entry = index;
        }
        self.sites.push(PlannedSite {
            address: FileAddr(u64::from(index.0)),
            instance,
            lines,
            entry,
            exit: match at {
                At::Entry | At::Middle => Exit::Never,
                At::Exit | At::EntryAndExit => Exit::Always,
                At::MayExit => Exit::Conditional,
            },
        });
        index
    }

    pub(crate) fn add_flow(&mut self, sites: &[SiteIndex]) {
        for pair in sites.windows(2) {
            let instance = self.site(pair[0]).instance;
            self.instances[instance.index()].edges.push((pair[0], pair[1]));
        }
    }

    /// The row of `line` in the table of `function`.
    pub(crate) fn find_line(&self, function: FunctionId, line: u32) -> LineId {
        let same = |planned: &PlannedLine| planned.function == function && planned.line == line;
        let Some(place) = self.lines.iter().position(same) else {
            panic!("line {line} has no row");
        };
        LineId(place as u32)
    }

    fn line_of(&mut self, function: FunctionId, line: u32) -> LineId {
        let known = self
            .lines
            .iter()
            .position(|planned| planned.function == function && planned.line == line);
        let place = known.unwrap_or_else(|| {
            self.lines.push(PlannedLine {
                function,
                file: None,
                line,
                has_site: false,
            });
            self.lines.len() - 1
        });
        self.lines[place].has_site = true;
        let planned = &mut self.functions[function.index()];
        planned.last_line = planned.last_line.max(line);
        LineId(place as u32)
    }
}

/// A generator of numbers that is the same everywhere: xorshift64*.
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) fn new(seed: u64) -> Dice {
        Dice(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15))
    }

    pub(crate) fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) % limit
    }
}

/// One thread on one recorder.
pub(crate) struct Thread {
    recorder: Recorder,
    pub(crate) memory: u64,
}

impl Thread {
    pub(crate) fn new(plan: &Plan) -> Thread {
        Thread {
            recorder: Recorder::new(plan),
            memory: 1000,
        }
    }

    /// Arrives after memory has changed by `change`.
    pub(crate) fn arrive(&mut self, site: SiteIndex, sp: u64, change: i64) -> &mut Self {
        self.memory = self.memory.strict_add_signed(change);
        self.recorder.arrive(Arrival::new(
            ThreadKey(1),
            site,
            StackPointer(sp),
            Bytes(self.memory),
        ));
        self
    }

    pub(crate) fn finish(self) -> Recording {
        self.recorder.finish(Bytes(self.memory))
    }
}

impl Recording {
    pub(crate) fn increment(&self, plan: &Plan, function: FunctionId, line: u32) -> i64 {
        self.line(plan.find_line(function, line)).increment.0
    }

    pub(crate) fn memory(&self, plan: &Plan, function: FunctionId, line: u32) -> Option<u64> {
        self.line(plan.find_line(function, line))
            .memory
            .map(|memory| memory.0)
    }
}
