//! From functions to a plan: rows become sites, code becomes edges.
//!
//! Must not know: processes. It reads one file's debug information and machine code.
//!
//! ```text
//! Function ─► Instance ─► rows ──────► lines by address ─┐
//!                  └────► code ─► boundaries, exits ─────┴─► sites ─► edges between them
//! ```
//! A row that is no instruction's first byte is refused with a reason: an `int3` there would become an operand of
//! the instruction before it (kcov's issues 18, 82 and 102). Nothing is dropped silently.

mod code;
mod extent;
mod rows;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::{Path, PathBuf};

use lineprof_dwarf::{
    AddrRange, Error, FileAddr, Function, InlinedCall, Instance, ObjectFile, RestartableSequence, Row,
};

use crate::plan::{
    Exit, FunctionId, InstanceId, LineId, Movable, Plan, PlannedFunction, PlannedInstance, PlannedLine,
    PlannedSite, RefusedSite, SiteIndex,
};
use code::InstanceCode;
use rows::{RowLine, lines_by_address};

/// A plan for `functions` of `object` alone.
///
/// # Errors
/// As [`extend`].
pub fn plan(object: &ObjectFile, functions: &[Function]) -> Result<Planned, Error> {
    let mut planned = Planned::default();
    extend(&mut planned, object, functions)?;
    Ok(planned)
}

/// Adds `functions` of `object` to a plan, and the bytes of each site's instruction.
///
/// Shape: one function for each, in the order given; `instructions` has one entry a site of the plan.
///
/// # Errors
/// A line table cannot be read; the plan has some of the functions then.
pub fn extend(planned: &mut Planned, object: &ObjectFile, functions: &[Function]) -> Result<(), Error> {
    let mut planner = Planner {
        planned: std::mem::take(planned),
        ..Planner::default()
    };
    let added = planner.add_all(object, functions);
    *planned = planner.planned;
    added
}

/// A plan, and what has to be known of the file to plant it.
#[derive(Debug, Clone, Default)]
pub struct Planned {
    /// The plan.
    pub plan: Plan,
    /// The bytes of the instruction under each site, as the file has them.
    pub instructions: Vec<Vec<u8>>,
}

#[derive(Default)]
struct Planner {
    planned: Planned,
    lines: HashMap<(FunctionId, Option<PathBuf>, u32), LineId>,
    /// Every address that has a site: linkers fold functions with the same code into one.
    taken: HashSet<FileAddr>,
    /// Code that the kernel begins again when a thread stops in it.
    restartable: Vec<RestartableSequence>,
}

const RESTARTABLE: &str = "in a restartable sequence";

fn index(length: usize) -> u32 {
    // 2^32 sites would be a plan of hundreds of gigabytes.
    u32::try_from(length).unwrap_or(u32::MAX)
}

impl Planner {
    fn add_all(&mut self, object: &ObjectFile, functions: &[Function]) -> Result<(), Error> {
        self.restartable = object.restartable_sequences()?;
        let instances: Vec<&Instance> = functions
            .iter()
            .flat_map(|function| &function.instances)
            .collect();
        let mut calls = object.inlined_calls(&instances)?.into_iter();
        let next = object.declared_after(functions)?;
        for (function, next) in functions.iter().zip(next) {
            let calls: Vec<Vec<InlinedCall>> = calls.by_ref().take(function.instances.len()).collect();
            self.add(object, function, &calls, next)?;
        }
        Ok(())
    }

    /// Adds a function; `calls` has the calls inlined into each of its instances, and on line `next` the next function
    /// of its file begins, if that is known.
    fn add(
        &mut self,
        object: &ObjectFile,
        function: &Function,
        calls: &[Vec<InlinedCall>],
        next: Option<u32>,
    ) -> Result<(), Error> {
        let id = FunctionId(index(self.planned.plan.functions.len()));
        let mut instances = Vec::with_capacity(function.instances.len());
        for instance in &function.instances {
            instances.push((instance, object.rows(instance)?));
        }
        let (file, line) = declaration(function, &instances);
        let last_lines = instances
            .iter()
            .zip(calls)
            .map(|((_, rows), calls)| extent::last_line(&file, line..next.unwrap_or(u32::MAX), rows, calls));
        let last_line = last_lines.fold(line, u32::max);
        let linkage_name = match function.instances.as_slice() {
            [only] => only.linkage_name.clone(),
            _ => None,
        };
        let declaration = self.line(id, None, line);
        self.planned.plan.functions.push(PlannedFunction {
            name: function.name.clone(),
            linkage_name,
            file: file.clone(),
            line,
            last_line,
            declaration,
        });
        for (instance, rows) in &instances {
            self.add_instance(object, id, &file, instance, rows);
        }
        Ok(())
    }

    fn line(&mut self, function: FunctionId, file: Option<PathBuf>, line: u32) -> LineId {
        let lines = &mut self.planned.plan.lines;
        *self
            .lines
            .entry((function, file, line))
            .or_insert_with_key(|(function, file, line)| {
                let id = LineId(index(lines.len()));
                lines.push(PlannedLine {
                    function: *function,
                    file: file.clone(),
                    line: *line,
                    has_site: false,
                });
                id
            })
    }

    fn refuse(&mut self, address: FileAddr, function: FunctionId, line: u32, reason: &str) {
        self.planned.plan.refused.push(RefusedSite {
            address,
            function,
            line,
            reason: reason.to_owned(),
        });
    }

    fn add_instance(
        &mut self,
        object: &ObjectFile,
        function: FunctionId,
        own_file: &Path,
        instance: &Instance,
        rows: &[Row],
    ) {
        let code = InstanceCode::decode(object, &instance.ranges);
        let lines = lines_by_address(rows, instance, &code);
        let exits = code.exits(instance.optimised);
        let declared = self.planned.plan.function(function).line;
        if code.instruction(instance.entry).is_none() {
            self.refuse(instance.entry, function, declared, "its code cannot be read");
            return;
        }
        let entry = code.site_for(instance.entry);
        if self.taken.contains(&entry) {
            self.refuse(
                entry,
                function,
                declared,
                "its code is shared with another function",
            );
            return;
        }
        let entry_end = code
            .instruction(entry)
            .map_or(entry, |i| FileAddr(entry.0 + u64::from(i.length)));
        if self.is_restartable(entry, entry_end) {
            self.refuse(entry, function, declared, RESTARTABLE);
            return;
        }
        let mut wanted = self.behind_landing_pads(function, own_file, lines, &code);
        for address in exits.keys().chain([&entry]) {
            wanted.entry(*address).or_default();
        }
        let id = InstanceId(index(self.planned.plan.instances.len()));
        let mut sites: BTreeMap<FileAddr, SiteIndex> = BTreeMap::new();
        for (address, lines) in wanted {
            let Some(instruction) = code.instruction(address) else {
                let reason = if code.is_data(address) {
                    "in data among the code"
                } else if code.is_unreadable(address) {
                    "behind bytes that are no instruction"
                } else {
                    "not an instruction boundary"
                };
                let line = lines.first().map_or(declared, |line| line.line);
                self.refuse(address, function, line, reason);
                continue;
            };
            let end = FileAddr(address.0 + u64::from(instruction.length));
            if self.is_restartable(address, end) {
                let line = lines.first().map_or(declared, |line| line.line);
                self.refuse(address, function, line, RESTARTABLE);
                continue;
            }
            if !self.taken.insert(address) {
                self.refuse(
                    address,
                    function,
                    declared,
                    "its code is shared with another function",
                );
                continue;
            }
            let lines = lines
                .into_iter()
                .map(|line| self.sited_line(function, own_file, line))
                .collect();
            sites.insert(address, SiteIndex(index(self.planned.plan.sites.len())));
            self.planned.plan.sites.push(PlannedSite {
                address,
                instance: id,
                lines,
                entry: address == entry,
                exit: exits.get(&address).copied().unwrap_or(Exit::Never),
            });
            let range = AddrRange { start: address, end };
            self.planned
                .instructions
                .push(object.code(range).unwrap_or_default().to_vec());
        }
        let movable = self.movable(object, instance, &code);
        let mut edges = Vec::new();
        for (address, from) in &sites {
            for reached in code.reached_from(*address, |a| sites.contains_key(&a)) {
                edges.push((*from, sites[&reached]));
            }
        }
        self.planned.plan.instances.push(PlannedInstance {
            function,
            entry_reached_by_jump: [instance.entry, entry]
                .iter()
                .any(|to| code.jump_targets().contains(to)),
            edges,
            ranges: instance.ranges.clone(),
            movable,
            optimised: instance.optimised,
            allocation: instance.allocation,
            entry: sites[&entry],
        });
    }

    fn movable(&self, object: &ObjectFile, instance: &Instance, code: &InstanceCode) -> Movable {
        let is_in = |part: &AddrRange| instance.ranges.iter().any(|range| overlap(range, part));
        let known_of = |sequence: &RestartableSequence| is_in(&sequence.code) || is_in(&sequence.signature);
        if self.restartable.iter().any(known_of) {
            return Movable::Restartable;
        }
        if code.has_data() {
            return Movable::HasData;
        }
        match object.landing_pads(&instance.ranges) {
            Ok(pads) => Movable::Yes(pads),
            Err(error) => {
                tracing::debug!(%error, "its landing pads are not known");
                Movable::UnknownPads
            }
        }
    }

    /// The lines of each address, those of an `endbr64` behind it.
    fn behind_landing_pads<'r>(
        &mut self,
        function: FunctionId,
        own_file: &Path,
        lines: BTreeMap<FileAddr, Vec<RowLine<'r>>>,
        code: &InstanceCode,
    ) -> BTreeMap<FileAddr, Vec<RowLine<'r>>> {
        let mut moved: BTreeMap<FileAddr, Vec<RowLine<'r>>> = BTreeMap::new();
        let jump_targets = code.jump_targets();
        let declared = self.planned.plan.function(function).line;
        // The declaration has the function's calls without a site.
        let is_declaration = |line: &RowLine<'_>| line.file == own_file && line.line == declared;
        for (address, lines) in lines {
            let site = code.site_for(address);
            let known = moved.get(&site).is_some_and(|known| !known.is_empty());
            let pad = FileAddr(site.0.wrapping_sub(4));
            if known && address == site && jump_targets.contains(&site) {
                // A loop that leads back here does not pass the lines of the pad.
                let dropped = moved.insert(site, lines).into_iter().flatten();
                for line in dropped.filter(|line| !is_declaration(line)) {
                    self.refuse(pad, function, line.line, "a landing pad in front of a loop");
                }
                continue;
            }
            moved.entry(site).or_default().extend(lines);
        }
        for lines in moved.values_mut() {
            lines.dedup();
        }
        moved
    }

    /// Whether a stop at the instruction from `start` to `end` is a stop in a restartable sequence.
    ///
    /// The instruction in front of one announces it: behind it the sequence has begun. And the kernel reads its signature.
    fn is_restartable(&self, start: FileAddr, end: FileAddr) -> bool {
        self.restartable.iter().any(|sequence| {
            sequence.code.contains(start) || sequence.code.start == end || sequence.signature.contains(start)
        })
    }

    fn sited_line(&mut self, function: FunctionId, own_file: &Path, line: RowLine<'_>) -> LineId {
        let file = (line.file != own_file).then(|| line.file.to_path_buf());
        let id = self.line(function, file, line.line);
        self.planned.plan.lines[id.index()].has_site = true;
        id
    }
}

fn overlap(one: &AddrRange, other: &AddrRange) -> bool {
    one.start < other.end && other.start < one.end
}

/// Where a function is declared; where nothing tells, the first row of its entry.
fn declaration(function: &Function, instances: &[(&Instance, Vec<Row>)]) -> (PathBuf, u32) {
    if let Some(declared) = &function.declaration {
        return (declared.file.path().to_path_buf(), declared.line);
    }
    let at_entry = |(instance, rows): &(&Instance, Vec<Row>)| {
        let row = rows
            .iter()
            .find(|row| row.address >= instance.entry && row.line != 0);
        row.map(|row| (row.file.path().to_path_buf(), row.line))
    };
    instances.iter().find_map(at_entry).unwrap_or_default()
}
