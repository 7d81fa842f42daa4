//! The program that `lineprof demo` profiles: memory that is kept, asked for, touched and given back.
//!
//! Must not know: lineprof. `build.rs` compiles it without optimisation, so each line has code of its own.

const MIB: usize = 1 << 20;

fn main() {
    work();
}

fn work() {
    let mut kept = Vec::new();
    for size in 1..=4 {
        kept.push(filled(size * MIB));
    }
    let mut table = vec![0_u8; 16 * MIB];
    table.fill(1);
    kept.truncate(1);
    drop(table);
}

fn filled(size: usize) -> Vec<u8> {
    let mut block = Vec::with_capacity(size);
    block.resize(size, 1);
    block
}
