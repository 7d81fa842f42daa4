//! Finds functions of a file, by the fast search and by the full scan, and says how long each took.
//!
//! Must not know: anything private. It is the crate as its users see it.
//!
//! `cargo run --release -p lineprof-dwarf --example lookup -- FILE PATTERN…`

use std::error::Error;
use std::path::Path;
use std::time::Instant;

use lineprof_dwarf::{DebugSearch, ObjectFile, Query};

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let path = arguments.next().ok_or("usage: lookup FILE PATTERN…")?;
    let patterns: Result<Vec<_>, _> = arguments.map(|pattern| pattern.parse()).collect();
    let query = Query {
        patterns: patterns?,
        ..Query::default()
    };
    let start = Instant::now();
    let file = ObjectFile::open(Path::new(&path), &DebugSearch::default())?;
    println!(
        "open {:?}, debug information in {:?}",
        start.elapsed(),
        file.debug_path()
    );
    let start = Instant::now();
    let functions = file.functions(&query)?;
    println!("fast search {:?}: {} functions", start.elapsed(), functions.len());
    let start = Instant::now();
    let mut rows = 0;
    for instance in functions.iter().flat_map(|function| &function.instances) {
        rows += file.rows(instance)?.len();
    }
    println!("rows {:?}: {rows}", start.elapsed());
    let start = Instant::now();
    let full = file.functions_full_scan(&query)?;
    println!("full scan {:?}: {} functions", start.elapsed(), full.len());
    println!("same answer: {}", format!("{functions:?}") == format!("{full:?}"));
    for function in functions.iter().take(20) {
        let declared = function.declaration.as_ref();
        let declared = declared.map(|line| format!("{}:{}", line.file.path().display(), line.line));
        let declared = declared.unwrap_or_default();
        println!("{} {declared} inlined {}", function.name, function.inlined_copies);
        for instance in function.instances.iter().take(5) {
            println!("  {} at {} {:?}", instance.name, instance.entry, instance.ranges);
        }
    }
    for damage in file.damage() {
        println!("damaged: {damage:?}");
    }
    Ok(())
}
