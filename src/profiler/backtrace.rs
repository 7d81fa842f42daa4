//! Who called whom, where a thread stands: the frames of its stack, with names and lines.
//!
//! Must not know: why it is asked for.
//!
//! Everything is opened when it is asked for and forgotten then: it happens once or twice in a session.
//!
//! Read on in `unwind`, which finds the frames.

use lineprof_dwarf::{FileAddr, ObjectFile, Place};
use lineprof_tracer::{Hit, Mapping, RemoteAddr, Session};

use super::images;
use crate::image::LoadBias;
use crate::profile::{self, BacktraceFrame};
use crate::unwind::{Modules, Registers};

/// A file whose code is mapped.
struct Loaded<'a> {
    mapping: &'a Mapping,
    bias: LoadBias,
    file: ObjectFile,
}

/// The frames of the thread of `hit`, innermost first; fewer where they cannot be told.
pub(super) fn of(session: &mut Session, hit: &Hit) -> Vec<BacktraceFrame> {
    let Ok(mappings) = session.mappings() else {
        // Killed meanwhile: its end is told next.
        return Vec::new();
    };
    let code = mappings
        .iter()
        .filter(|m| m.executable && !m.shared && m.inode != 0);
    let loaded: Vec<Loaded<'_>> = code
        .filter_map(|mapping| {
            let file = images::open(session.process(), mapping)?;
            let bias = LoadBias::find(file.segments(), &mappings, mapping.inode)?;
            Some(Loaded { mapping, bias, file })
        })
        .collect();
    let mut modules = Modules::default();
    for Loaded { mapping, bias, file } in &loaded {
        let range = mapping.range.start.0..mapping.range.end.0;
        modules.add(file, range, bias.remote(FileAddr(0)).0);
    }
    let registers = Registers {
        pc: hit.registers.pc().0,
        sp: hit.registers.sp().0,
        // System V ABI for AMD64, figure 3.36.
        bp: hit.registers.dwarf(6).unwrap_or_default(),
    };
    let addresses = modules.unwind(registers, |address| {
        let mut bytes = [0; 8];
        let read = session.read_memory(RemoteAddr(address), &mut bytes).ok()?;
        (read == bytes.len()).then_some(u64::from_le_bytes(bytes))
    });
    let mut frames = Vec::new();
    for address in addresses {
        let at = RemoteAddr(address.within);
        let module = loaded.iter().find(|loaded| loaded.mapping.range.contains(at));
        let places = module.map_or_else(Vec::new, |loaded| loaded.file.places_at(loaded.bias.file(at)));
        let module = module.map(|loaded| profile::path_text(&loaded.mapping.path));
        let frame = |place: Option<Place>| {
            let (function, line, inlined) = place.map_or((None, None, false), |place| {
                (place.function, place.line, place.inlined)
            });
            BacktraceFrame {
                address: address.pc,
                function,
                file: line.as_ref().map(|line| profile::path_text(line.file.path())),
                line: line.map(|line| line.line),
                inlined,
                module: module.clone(),
            }
        };
        if places.is_empty() {
            frames.push(frame(None));
        }
        frames.extend(places.into_iter().map(|place| frame(Some(place))));
    }
    frames
}
