//! What the source calls an address: the function, the line, and the calls that were inlined there.
//!
//! Must not know: processes, stacks.
//!
//! ```text
//! address ─► the unit that has it ─► its functions ─► the one that has it ─► row: the innermost line
//!   └─ no unit: symbols                                └► inlined calls around it: the lines of the callers
//! ```
//! Only one unit is read to its end. Source: DWARF 5 §3.1.1 (a unit's ranges), §3.3.8.2.

use crate::address::FileAddr;
use crate::debug_info::UnitId;
use crate::function::{Function, Instance, Query};
use crate::inlined::InlinedCall;
use crate::name::demangled;
use crate::object_file::ObjectFile;
use crate::search::{Extent, Wanted};
use crate::source_path::SourceLine;
use crate::symbols;

/// One function at an address: the one whose code it is, or one that was inlined there.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Place {
    /// The function's readable name; `None` of a function that was inlined and is not told of otherwise.
    pub function: Option<String>,
    /// The line that the code is of; of a caller, the line of the call that was inlined.
    pub line: Option<SourceLine>,
    /// Whether it was inlined into the next one.
    pub inlined: bool,
}

impl ObjectFile {
    /// The functions whose code is at `at`, innermost first: those that were inlined, and the one they are in.
    ///
    /// Shape: empty where neither debug information nor a symbol tells. What is malformed is as if it were not there.
    pub fn places_at(&self, at: FileAddr) -> Vec<Place> {
        let told = self
            .unit_at(at)
            .and_then(|unit| self.by_debug_information(unit, at));
        told.unwrap_or_else(|| {
            let name = symbols::name_at(&[self.image(), self.debug_image()], at);
            let place = |name: String| Place {
                function: Some(demangled(&name)),
                line: None,
                inlined: false,
            };
            name.map(place).into_iter().collect()
        })
    }

    /// The unit that says that it has `at`.
    fn unit_at(&self, at: FileAddr) -> Option<UnitId> {
        let info = self.debug_info().ok()?;
        info.units().find(|id| {
            let Ok(Some(unit)) = info.read_root(*id) else {
                return false;
            };
            let Ok(mut ranges) = info.dwarf(&unit).unit_ranges(&unit.unit) else {
                return false;
            };
            while let Ok(Some(range)) = ranges.next() {
                if (range.begin..range.end).contains(&at.0) {
                    return true;
                }
            }
            false
        })
    }

    fn by_debug_information(&self, unit: UnitId, at: FileAddr) -> Option<Vec<Place>> {
        let everything = Query::default();
        let found = self.search(Wanted::Query(&everything), Extent::Unit(unit)).ok()?;
        let has = |instance: &&Instance| instance.ranges.iter().any(|range| range.contains(at));
        let instance = found
            .functions
            .iter()
            .find_map(|function| function.instances.iter().find(has))?;
        let rows = self.rows(instance).ok()?;
        let behind = rows.partition_point(|row| row.address <= at);
        let row = rows[..behind].iter().rev().find(|row| row.line != 0);
        let mut line = row.map(|row| SourceLine {
            file: std::sync::Arc::clone(&row.file),
            line: row.line,
        });
        let mut calls = self.inlined_calls(&[instance]).ok()?.pop().unwrap_or_default();
        calls.retain(|call| call.ranges.iter().any(|range| range.contains(at)));
        calls.sort_by_key(|call| std::cmp::Reverse(call.depth));
        let declared = found.functions.iter().map(
            |Function {
                 name, declaration, ..
             }| (name, declaration),
        );
        let inlined = found
            .inlined_only
            .iter()
            .map(|function| (&function.name, &function.declaration));
        let names: Vec<_> = declared.chain(inlined).collect();
        let name = |call: &InlinedCall| {
            let callee = call.callee.as_ref()?;
            let is_it =
                |(_, declaration): &&(&String, &Option<SourceLine>)| declaration.as_ref() == Some(callee);
            names.iter().find(is_it).map(|(name, _)| (*name).clone())
        };
        let mut places = Vec::new();
        for call in &calls {
            let caller = call.line.clone();
            places.push(Place {
                function: name(call),
                line: std::mem::replace(&mut line, caller),
                inlined: true,
            });
        }
        places.push(Place {
            function: Some(instance.name.clone()),
            line,
            inlined: false,
        });
        Some(places)
    }
}
