//! Bytes of any kind give an answer or an error: no panic, no endless loop, no memory without bound.
//!
//! Must not know: which error. The mutations are the same in every run.

#![allow(clippy::unwrap_used, reason = "a failed preparation ends the test")]

mod common;

use std::path::Path;
use std::time::{Duration, Instant};

use common::{Workshop, query};
use lineprof_dwarf::{AddrRange, ErrorKind, FileAddr, ObjectFile, Query};

const SOURCE: &str = "#include <stdlib.h>
template <class T> T max(T a, T b) { return a < b ? b : a; }
namespace ns { struct Widget { int draw(int n); }; int Widget::draw(int n) { return max(n, 3); } }
static inline int tiny(int n) { return n * n; }
int main(int argc, char **argv) {
    ns::Widget w;
    if (argc > 100) abort();
    return w.draw(argc) + tiny(argc) + (int)max(1.0, 2.0) + argv[0][0];
}
";

/// A generator of numbers (Steele, Lea, Flood: SplitMix), the same in every run.
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, limit: usize) -> usize {
        usize::try_from(self.next() % limit as u64).unwrap()
    }
}

/// Asks everything of a file.
fn ask(path: &Path, shop: &Workshop) {
    let Ok(file) = ObjectFile::open(path, &shop.search()) else {
        return;
    };
    for query in [
        query(&["max"]),
        query(&["Widget::draw", "main"]),
        Query::default(),
    ] {
        let _ = file.inlined_only(&query);
        for function in file.functions(&query).unwrap_or_default() {
            for instance in &function.instances {
                let _ = file.rows(instance);
                let _ = file.frame_rule(instance.entry);
                let _ = file.landing_pads(&instance.ranges);
                let code = instance.ranges.iter().map(|range| file.code(*range));
                assert!(!instance.ranges.is_empty() && code.count() > 0);
                assert!(instance.ranges.iter().any(|range| range.contains(instance.entry)));
                assert!(instance.ranges.is_sorted() && instance.ranges.iter().all(|range| !range.is_empty()));
            }
        }
    }
    let _ = file.marks();
    let _ = file.nearest_names(&"mian".parse().unwrap(), 3);
    for address in [0, 1, 0x1000, u64::MAX] {
        let _ = file.frame_rule(FileAddr(address));
    }
    ask_of_unwinding(&file);
}

/// Asks for the frames and the landing pads of the code, as a whole and in pieces.
fn ask_of_unwinding(file: &ObjectFile) {
    let range = |start, end| AddrRange {
        start: FileAddr(start),
        end: FileAddr(end),
    };
    for range in [range(0, u64::MAX), range(u64::MAX - 1, u64::MAX), range(9, 3)] {
        let _ = file.landing_pads(&[range]);
    }
    let pieces = (0x1000..0x1800).step_by(0x40);
    for piece in pieces.map(|start| range(start, start + 8)) {
        let _ = file.frame_rule(piece.start);
        let pads = file.landing_pads(&[piece]).unwrap_or_default();
        assert!(pads.is_sorted_by(|one, next| one < next));
    }
}

#[test]
fn cut_and_flipped_files_never_panic() {
    for flags in ["-O0 -gdwarf-4", "-O2 -gdwarf-5", "-O0 -g -gz", "-O2 -gdwarf-3"] {
        let shop = Workshop::new();
        shop.write("prog.cpp", SOURCE);
        shop.run(&format!("g++ {flags} -o prog prog.cpp"));
        let original = std::fs::read(shop.path("prog")).unwrap();
        let debug = debug_bytes(&original);
        let path = shop.path("mutant");
        let mut numbers = Numbers(42);
        let start = Instant::now();
        for round in 0..150 {
            let mut bytes = original.clone();
            match round % 3 {
                0 => bytes.truncate(numbers.below(original.len())),
                1 => {
                    for _ in 0..8 {
                        let at = debug.start + numbers.below(debug.len());
                        bytes[at] = u8::try_from(numbers.below(256)).unwrap();
                    }
                }
                _ => {
                    // Extreme values in what may be counts, sizes and offsets.
                    let at = debug.start + numbers.below(debug.len() - 8);
                    let value = [0, u64::MAX, 1 << 31, 0x7fff_ffff_ffff_ffff][numbers.below(4)];
                    bytes[at..at + 4].copy_from_slice(&value.to_le_bytes()[..4]);
                }
            }
            std::fs::write(&path, &bytes).unwrap();
            ask(&path, &shop);
        }
        // Headers: each byte of the ELF header and of the section headers' region at the end.
        for at in (0..64).chain((original.len() - 40 * 64..original.len()).step_by(13)) {
            let mut bytes = original.clone();
            bytes[at] ^= 0xff;
            std::fs::write(&path, &bytes).unwrap();
            ask(&path, &shop);
        }
        assert!(
            start.elapsed() < Duration::from_secs(120),
            "{flags}: {:?}",
            start.elapsed()
        );
    }
}

#[test]
fn flipped_tables_of_unwinding_never_panic() {
    let source = "struct Guard { int n; ~Guard(); }; Guard::~Guard() { n = 0; }
__attribute__((noipa)) void risky(int n) { if (n > 1) throw n; }
int holds(int n) { Guard one{n}; risky(n); try { risky(n); } catch (int) { risky(2); } return n; }
int main(int n, char **) { return holds(n); }
";
    let shop = Workshop::new();
    shop.write("prog.cpp", source);
    shop.run("g++ -O1 -o prog prog.cpp");
    let original = std::fs::read(shop.path("prog")).unwrap();
    let path = shop.path("mutant");
    let mut numbers = Numbers(7);
    let ask_of = |bytes: &[u8]| {
        std::fs::write(&path, bytes).unwrap();
        let file = ObjectFile::open(&path, &shop.search()).unwrap();
        ask_of_unwinding(&file);
    };
    let start = Instant::now();
    let mut flipped = 0;
    for section in [".eh_frame_hdr", ".eh_frame", ".gcc_except_table"] {
        let range = section_bytes(&original, section);
        for at in range.clone() {
            for value in [
                0,
                0x7f,
                0x80,
                0xff,
                original[at] ^ 1,
                original[at].wrapping_add(0x10),
            ] {
                let mut bytes = original.clone();
                bytes[at] = value;
                ask_of(&bytes);
                flipped += 1;
            }
        }
        for _ in 0..200 {
            let mut bytes = original.clone();
            let at = range.start + numbers.below(range.len() - 8);
            let value = [u64::MAX, 1 << 63, 1 << 31, 0x7fff_ffff_ffff_ffff][numbers.below(4)];
            bytes[at..at + 8].copy_from_slice(&value.to_le_bytes());
            ask_of(&bytes);
        }
    }
    // What the header claims, in the widest encodings: its products and differences must not overflow.
    let header = section_bytes(&original, ".eh_frame_hdr").start;
    for encodings in [
        [0x04, 0x04, 0x04],
        [0x1b, 0x04, 0x3b],
        [0x1b, 0x04, 0x3c],
        [0x00, 0x04, 0x00],
    ] {
        let mut bytes = original.clone();
        bytes[header + 1..header + 4].copy_from_slice(&encodings);
        bytes[header + 4..header + 20].fill(0xff);
        ask_of(&bytes);
    }
    assert!(flipped > 1000);
    assert!(
        start.elapsed() < Duration::from_secs(120),
        "{:?}",
        start.elapsed()
    );
}

#[test]
fn one_huge_table_of_exceptions_is_not_read_for_every_function_without_end() {
    // 20,000 functions that name one LSDA with 20,000 call sites.
    let text = ".section .text.many,\"ax\",@progbits\npersonality: ret
.rept 20000\n.cfi_startproc\n.cfi_personality 0x1b, personality\n.cfi_lsda 0x1b, .Lhuge\nnop\n.cfi_endproc\n.endr
.fill 256, 1, 0x90
.section .gcc_except_table,\"a\",@progbits
.Lhuge: .byte 0xff, 0xff, 1\n.uleb128 .Lhuge_end - .Lhuge_begin
.Lhuge_begin:\n.rept 20000\n.byte 0, 1, 9, 0\n.endr\n.Lhuge_end:";
    let (_shop, file) = assembled(text);
    let start = Instant::now();
    let everywhere = AddrRange {
        start: FileAddr(0),
        end: FileAddr(u64::MAX),
    };
    let error = file.landing_pads(&[everywhere]).unwrap_err();
    assert!(matches!(error.kind, ErrorKind::TooMany { .. }), "{error}");
    assert!(start.elapsed() < Duration::from_secs(20), "{:?}", start.elapsed());
}

/// Where the debug sections are: from the first to the symbol table, as gcc and GNU ld lay them out.
fn debug_bytes(bytes: &[u8]) -> std::ops::Range<usize> {
    use object::{Object, ObjectSection};
    let file = object::File::parse(bytes).unwrap();
    let ranges = file
        .sections()
        .filter(|section| section.name().unwrap().contains("debug"));
    let ranges: Vec<(u64, u64)> = ranges.filter_map(|section| section.file_range()).collect();
    let start = ranges.iter().map(|range| range.0).min().unwrap();
    let end = ranges.iter().map(|range| range.0 + range.1).max().unwrap();
    usize::try_from(start).unwrap()..usize::try_from(end).unwrap()
}

/// A program whose debug information is assembled from `text`.
fn assembled(text: &str) -> (Workshop, ObjectFile) {
    let shop = Workshop::new();
    let head = ".text\n.globl main\nmain:\nxor %eax, %eax\nret\n.Lend:\n";
    shop.write(
        "prog.s",
        &format!("{head}{text}\n.section .note.GNU-stack,\"\",@progbits\n"),
    );
    shop.run("gcc -o prog prog.s");
    let file = shop.open("prog");
    (shop, file)
}

/// A DWARF 4 unit with these entries below the root; abbreviations: see the table.
fn unit(entries: &str) -> String {
    format!(
        ".section .debug_abbrev,\"\",@progbits
.uleb128 1, 0x11\n.byte 1\n.uleb128 0, 0
.uleb128 2, 0x2e\n.byte 0\n.uleb128 3, 8, 0x47, 0x13, 0x11, 1, 0x12, 7, 0, 0
.uleb128 3, 0x2e\n.byte 0\n.uleb128 0x47, 0x13, 0x31, 0x13, 0x11, 1, 0x12, 7, 0, 0
.uleb128 4, 0x39\n.byte 1\n.uleb128 3, 8, 0, 0
.uleb128 5, 0x2e\n.byte 0\n.uleb128 3, 8, 0x11, 1, 0x12, 7, 0, 0
.uleb128 6, 0x0b\n.byte 1\n.uleb128 0, 0
.uleb128 0
.section .debug_info,\"\",@progbits
.Lunit:
.long .Lunit_end - .Lversion
.Lversion:\n.value 4\n.long 0\n.byte 8
.uleb128 1
{entries}
.byte 0
.Lunit_end:"
    )
}

#[test]
fn cycles_of_references_end() {
    let cycle = "
.La: .uleb128 3\n.long .Lb - .Lunit, .Lb - .Lunit\n.quad main, .Lend - main
.Lb: .uleb128 3\n.long .La - .Lunit, .La - .Lunit\n.quad main, .Lend - main
.Lc: .uleb128 2\n.string \"self\"\n.long .Lc - .Lunit\n.quad main, .Lend - main
.uleb128 5\n.string \"good\"\n.quad main, .Lend - main";
    let (_shop, file) = assembled(&unit(cycle));
    let found = file.functions(&Query::default()).unwrap();
    assert_eq!(
        found.iter().map(|f| f.name.as_str()).collect::<Vec<_>>(),
        ["good"]
    );
}

#[test]
fn deep_nesting_is_walked_without_recursion() {
    let function = ".uleb128 5\n.string \"deep\"\n.quad main, .Lend - main";
    for opening in [".uleb128 6", ".uleb128 4\n.string \"n\""] {
        // A function in each hundredth scope and one in the innermost.
        let entries = format!(
            ".rept 1000\n.rept 100\n{opening}\n.endr\n{function}\n.endr\n.rept 100000\n.byte 0\n.endr"
        );
        let (_shop, file) = assembled(&unit(&entries));
        let start = Instant::now();
        let found = file.functions(&query(&["deep"])).unwrap();
        assert!(!found.is_empty());
        file.functions(&Query::default()).unwrap();
        assert!(start.elapsed() < Duration::from_secs(20), "{:?}", start.elapsed());
    }
}

#[test]
fn a_name_that_begins_everywhere_in_one_long_string_is_looked_for_once() {
    // Half a million beginnings of a name, each with the rest of the string behind it.
    let text = ".rept 500000\n.ascii \"deep<\"\n.endr\n.byte 0";
    let entries = format!(
        ".uleb128 5\n{text}\n.quad main, .Lend - main\n.uleb128 5\n.string \"deep\"\n.quad main, .Lend - main"
    );
    let strings = format!(".section .debug_str,\"MS\",@progbits,1\n{text}");
    let (_shop, file) = assembled(&format!("{}\n{strings}", unit(&entries)));
    let start = Instant::now();
    let found = file.functions(&query(&["deep"])).unwrap();
    assert_eq!(found.len(), 1);
    assert!(start.elapsed() < Duration::from_secs(20), "{:?}", start.elapsed());
}

#[test]
fn functions_nested_deeply_have_their_calls_read_once() {
    // Each function is inside the one before it.
    let abbreviations = ".section .debug_abbrev,\"\",@progbits
.uleb128 1, 0x11\n.byte 1\n.uleb128 0, 0
.uleb128 2, 0x2e\n.byte 1\n.uleb128 3, 8, 0x11, 1, 0x12, 7, 0, 0, 0
.section .debug_info,\"\",@progbits
.Lunit:\n.long .Lunit_end - .Lversion\n.Lversion:\n.value 4\n.long 0\n.byte 8\n.uleb128 1";
    let text = format!(
        "{abbreviations}\n.rept 20000\n.uleb128 2\n.string \"f\"\n.quad main, .Lend - main\n.endr
.rept 20001\n.byte 0\n.endr\n.Lunit_end:"
    );
    let (_shop, file) = assembled(&text);
    let found = file.functions(&Query::default()).unwrap();
    let instances: Vec<_> = found.iter().flat_map(|function| &function.instances).collect();
    let start = Instant::now();
    assert_eq!(file.inlined_calls(&instances).unwrap().len(), instances.len());
    assert!(start.elapsed() < Duration::from_secs(20), "{:?}", start.elapsed());
}

#[test]
fn entries_after_a_broken_one_are_missing_and_said_to_be() {
    let entries = ".uleb128 5\n.string \"good\"\n.quad main, .Lend - main\n.uleb128 77";
    let (_shop, file) = assembled(&unit(entries));
    let found = file.functions(&Query::default()).unwrap();
    assert_eq!(found.len(), 1);
    assert_eq!(file.damage().len(), 1);
}

#[test]
fn counts_without_bytes_behind_them_cost_nothing() {
    // A line table of DWARF 5 that claims 2^32 - 1 directories of no bytes each, and as many files.
    let header = |directories: &str| {
        format!(
            ".section .debug_line,\"\",@progbits
.Lline:\n.long .Lline_end - .Lline_version
.Lline_version:\n.value 5\n.byte 8, 0\n.long .Lprogram - .Lheader
.Lheader:\n.byte 1, 1, 1, -5, 14, 13, 0,1,1,1,1,0,0,0,1,0,0,1
{directories}
.Lprogram:\n.Lline_end:"
        )
    };
    let abbreviations = ".section .debug_abbrev,\"\",@progbits
.uleb128 1, 0x11\n.byte 1\n.uleb128 0x10, 0x17, 0, 0
.uleb128 5, 0x2e\n.byte 0\n.uleb128 3, 8, 0x11, 1, 0x12, 7, 0x3a, 0xb, 0x3b, 0xb, 0, 0, 0
.section .debug_info,\"\",@progbits
.Lunit:\n.long .Lunit_end - .Lversion\n.Lversion:\n.value 4\n.long 0\n.byte 8
.uleb128 1\n.long 0
.uleb128 5\n.string \"good\"\n.quad main, .Lend - main\n.byte 1, 1
.byte 0\n.Lunit_end:";
    let huge = ".uleb128 0xffffffff";
    for tables in [
        format!(".byte 0\n{huge}\n.byte 0\n{huge}"),
        format!(".byte 1\n.uleb128 1, 0x0b\n{huge}\n.byte 1\n.uleb128 1, 0x0b\n{huge}"),
        // DW_FORM_implicit_const and DW_FORM_flag_present take no bytes.
        format!(".byte 1\n.uleb128 1, 0x19\n{huge}\n.byte 1\n.uleb128 1, 0x19\n{huge}"),
        format!(".byte 1\n.uleb128 0x2001, 0x19\n{huge}\n.byte 1\n.uleb128 0x2001, 0x21\n{huge}"),
    ] {
        let (_shop, file) = assembled(&format!("{}\n{abbreviations}", header(&tables)));
        let start = Instant::now();
        for function in file.functions(&Query::default()).unwrap() {
            let _ = file.rows(&function.instances[0]);
        }
        assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
    }
}

#[test]
fn compressed_section_that_claims_too_much_is_refused() {
    let shop = Workshop::new();
    shop.write("prog.c", "int main(void) { return 0; }\n");
    shop.run("gcc -g -gz -o prog prog.c");
    let mut bytes = std::fs::read(shop.path("prog")).unwrap();
    let section = section_bytes(&bytes, ".debug_info");
    // ch_size of Elf64_Chdr: bytes 8 to 16.
    bytes[section.start + 8..section.start + 16].copy_from_slice(&(1_u64 << 40).to_le_bytes());
    std::fs::write(shop.path("bomb"), &bytes).unwrap();
    let error = shop.open("bomb").functions(&query(&["main"])).unwrap_err();
    assert!(matches!(error.kind, ErrorKind::Compression { .. }), "{error}");
}

fn section_bytes(bytes: &[u8], name: &str) -> std::ops::Range<usize> {
    use object::{Object, ObjectSection};
    let file = object::File::parse(bytes).unwrap();
    let section = file
        .sections()
        .find(|section| section.name() == Ok(name))
        .unwrap();
    let (start, size) = section.file_range().unwrap();
    usize::try_from(start).unwrap()..usize::try_from(start + size).unwrap()
}
