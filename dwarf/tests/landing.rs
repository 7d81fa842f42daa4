//! Where exceptions land, held against what `objdump -d` shows: code that no ordinary way leads to.
//!
//! Must not know: how landing pads are written down.

#![allow(clippy::unwrap_used, reason = "a failed preparation ends the test")]

mod common;

use std::collections::BTreeSet;
use std::process::Command;

use common::{Workshop, find_one};
use lineprof_dwarf::{AddrRange, ErrorKind, FileAddr, ObjectFile};

const CPP: &str = "struct Guard { int n; ~Guard(); };
volatile int sink;
#define NOIPA __attribute__((noipa))
NOIPA Guard::~Guard() { sink = n; }
NOIPA void landed() noexcept { sink = 1; }
NOIPA void risky(int n) { if (n > 1) throw n; sink = n; }
NOIPA __attribute__((cold)) void rare(int n) { if (n > 2) throw n; sink = n; }
extern \"C\" NOIPA int catches(int n) { try { risky(n); } catch (...) { landed(); } return n; }
extern \"C\" NOIPA int cleans(int n) { Guard guard{n}; risky(n); return n + 1; }
extern \"C\" NOIPA int nested(int n) {
    try { Guard outer{n}; risky(n); try { Guard inner{n}; risky(n); } catch (long) { landed(); risky(n); } }
    catch (int) { landed(); } catch (const char *) { landed(); risky(n); }
    return 2;
}
extern \"C\" NOIPA int in_two_parts(int n) {
    Guard outer{n};
    if (n == 77) { Guard inner{n}; rare(n); rare(n + 1); }
    risky(n);
    return n;
}
extern \"C\" NOIPA int plain(int n) { sink = n; return 2 * n; }
int main(int n, char **) { return catches(n) + cleans(n) + nested(n) + in_two_parts(n) + plain(n); }
";

/// Calls of the programs here that do not return.
const ENDS: [&str; 5] = [
    "_Unwind_Resume",
    "__cxa_throw",
    "__cxa_rethrow",
    "panic_in_cleanup",
    "_ZSt9terminatev",
];

struct Instruction {
    /// The symbol before it.
    function: String,
    address: FileAddr,
    mnemonic: String,
    operands: String,
}

impl Instruction {
    /// Where a direct jump or call leads.
    fn destination(&self) -> Option<FileAddr> {
        let direct = self.mnemonic.starts_with('j') || self.mnemonic == "call";
        let word = self.operands.split_whitespace().next()?;
        let address = u64::from_str_radix(word, 16).ok()?;
        direct.then_some(FileAddr(address))
    }

    /// Whether what follows is not reached from here.
    fn ends(&self) -> bool {
        let without_return = self.mnemonic == "call" && ENDS.iter().any(|name| self.operands.contains(name));
        ["jmp", "ret", "ud2", "hlt"].contains(&self.mnemonic.as_str()) || without_return
    }

    fn is_padding(&self) -> bool {
        self.mnemonic.starts_with("nop") || ["xchg", "data16", "cs", "int3"].contains(&self.mnemonic.as_str())
    }
}

/// A program as objdump shows it.
struct Disassembly(Vec<Instruction>);

impl Disassembly {
    fn of(shop: &Workshop, name: &str) -> Disassembly {
        let output = Command::new("objdump")
            .args(["-d", "--no-show-raw-insn", "--wide", name])
            .current_dir(shop.path("."))
            .output()
            .unwrap();
        assert!(output.status.success());
        let mut instructions = Vec::new();
        let mut function = String::new();
        for line in String::from_utf8(output.stdout).unwrap().lines() {
            if let Some((_, name)) = line.strip_suffix(">:").and_then(|line| line.split_once(" <")) {
                function = name.to_string();
            } else if let Some((address, text)) = line.split_once(":\t") {
                let (mnemonic, operands) = text.split_once(' ').unwrap_or((text, ""));
                instructions.push(Instruction {
                    function: function.clone(),
                    address: FileAddr(u64::from_str_radix(address.trim(), 16).unwrap()),
                    mnemonic: mnemonic.trim().to_string(),
                    operands: operands.trim().to_string(),
                });
            }
        }
        assert!(instructions.len() > 20);
        Disassembly(instructions)
    }

    /// The code of a function, its cold part too, that nothing jumps to and nothing runs into.
    fn unreached(&self, function: &str) -> Vec<FileAddr> {
        let destinations: BTreeSet<FileAddr> = self.0.iter().filter_map(Instruction::destination).collect();
        let cold = format!("{function}.cold");
        let pairs = self.0.windows(2).map(|pair| (&pair[0], &pair[1]));
        let unreached = pairs.filter(|(before, here)| {
            (here.function == function || here.function == cold)
                && here.function == before.function
                // gcc puts a nop before a pad at the start of a cold part: the pad 0 would be none.
                && (before.ends() || before.function == cold && before.mnemonic == "nop")
                && !here.is_padding()
                && !destinations.contains(&here.address)
        });
        unreached.map(|(_, here)| here.address).collect()
    }

    /// What is called first on the way from `at`.
    fn first_call(&self, at: FileAddr) -> &str {
        let mut at = at;
        for _ in 0..100 {
            let index = self.0.iter().position(|here| here.address == at).unwrap();
            let here = &self.0[index];
            match here.mnemonic.as_str() {
                "call" => return &here.operands,
                "jmp" => at = here.destination().unwrap(),
                _ => at = self.0[index + 1].address,
            }
        }
        panic!("no call after {at}");
    }
}

fn ranges_of(file: &ObjectFile, function: &str) -> Vec<AddrRange> {
    let mut instances = find_one(file, function).instances;
    assert_eq!(instances.len(), 1);
    instances.remove(0).ranges
}

fn pads_of(file: &ObjectFile, function: &str) -> Vec<FileAddr> {
    file.landing_pads(&ranges_of(file, function)).unwrap()
}

fn range(start: u64, end: u64) -> AddrRange {
    AddrRange {
        start: FileAddr(start),
        end: FileAddr(end),
    }
}

const EVERYWHERE: AddrRange = AddrRange {
    start: FileAddr(0),
    end: FileAddr(u64::MAX),
};

#[test]
fn pads_are_the_code_that_no_ordinary_way_leads_to() {
    for flags in [
        "-O0",
        "-O2",
        "-O0 -no-pie",
        "-O2 -no-pie -mcmodel=large",
        "-O2 -Wl,--no-eh-frame-hdr",
        "-O2 -fno-asynchronous-unwind-tables",
    ] {
        let shop = Workshop::new();
        shop.write("prog.cpp", CPP);
        shop.run(&format!("g++ -g {flags} -o prog prog.cpp"));
        let (file, shown) = (shop.open("prog"), Disassembly::of(&shop, "prog"));
        let mut together = Vec::new();
        for function in ["catches", "cleans", "nested", "in_two_parts"] {
            let pads = pads_of(&file, function);
            assert!(!pads.is_empty(), "{flags}: {function}");
            assert_eq!(pads, shown.unreached(function), "{flags}: {function}");
            together.extend(ranges_of(&file, function));
        }
        let first = |function| shown.first_call(pads_of(&file, function)[0]);
        assert_eq!(pads_of(&file, "catches").len(), 1, "{flags}");
        assert!(
            first("catches").contains("__cxa_begin_catch") || flags.contains("large"),
            "{flags}"
        );
        assert!(
            first("cleans").contains("GuardD") || flags.contains("large"),
            "{flags}"
        );
        assert_eq!(pads_of(&file, "plain"), [], "{flags}");
        // The ranges of several functions, in any order.
        together.reverse();
        let all = file.landing_pads(&together).unwrap();
        assert_eq!(all, file.landing_pads(&[EVERYWHERE]).unwrap(), "{flags}");
        assert!(all.is_sorted_by(|one, next| one < next));
    }
}

#[test]
fn each_part_of_a_split_function_has_its_own_pads() {
    let shop = Workshop::new();
    shop.write("prog.cpp", CPP);
    shop.run("g++ -g -O2 -o prog prog.cpp");
    let file = shop.open("prog");
    let ranges = ranges_of(&file, "in_two_parts");
    assert_eq!(ranges.len(), 2);
    let pads_in = |part: AddrRange| {
        let pads = file.landing_pads(&[part]).unwrap();
        assert!(!pads.is_empty());
        assert!(pads.iter().all(|pad| part.contains(*pad)), "{part:?}: {pads:?}");
        pads
    };
    let parts = [pads_in(ranges[0]), pads_in(ranges[1])];
    assert_eq!(parts.concat(), pads_of(&file, "in_two_parts"));
    // Any part of the code brings in all of what tells of it.
    let last = range(ranges[0].end.0 - 1, ranges[0].end.0);
    assert_eq!(file.landing_pads(&[last]).unwrap(), parts[0]);
    assert_eq!(file.landing_pads(&[]).unwrap(), []);
    assert_eq!(
        file.landing_pads(&[range(5, 5), range(7, 6), range(1, 2)])
            .unwrap(),
        []
    );
}

#[test]
fn drops_of_rust_are_landed_at() {
    let source = "struct Guard(i32);
impl Drop for Guard { #[inline(never)] fn drop(&mut self) { std::hint::black_box(self.0); } }
#[inline(never)] fn risky(n: i32) { if std::hint::black_box(n) > 5 { std::panic::panic_any(n) } }
#[no_mangle] #[inline(never)] pub fn holds(n: i32) -> i32 { let _one = Guard(n); risky(n); n }
#[no_mangle] #[inline(never)] pub fn holds_two(n: i32) -> i32 {
    let _one = Guard(n); risky(n); let _two = Guard(n); risky(n); n
}
#[no_mangle] #[inline(never)] pub fn plain(n: i32) -> i32 { n ^ 2 }
fn main() { std::process::exit(holds(1) + holds_two(2) + plain(3)); }
";
    for flags in ["", "-O", "-O -C relocation-model=static"] {
        let shop = Workshop::new();
        shop.write("prog.rs", source);
        shop.run(&format!("rustc --edition 2021 {flags} -g -o prog prog.rs"));
        let (file, shown) = (shop.open("prog"), Disassembly::of(&shop, "prog"));
        for function in ["holds", "holds_two"] {
            let pads = pads_of(&file, function);
            assert!(!pads.is_empty(), "{flags}: {function}");
            assert_eq!(pads, shown.unreached(function), "{flags}: {function}");
        }
        assert_eq!(pads_of(&file, "plain"), [], "{flags}");
        // The standard library's, too: all are code, and the tables of all can be read.
        let all = file.landing_pads(&[EVERYWHERE]).unwrap();
        assert!(all.len() > 100, "{flags}: {}", all.len());
    }
}

#[test]
fn a_program_without_exceptions_has_no_pads() {
    let shop = Workshop::new();
    shop.write(
        "prog.c",
        "int twice(int n) { return n + n; }\nint main(void) { return twice(2); }\n",
    );
    shop.run("gcc -g -O0 -o prog prog.c");
    let file = shop.open("prog");
    assert_eq!(file.landing_pads(&[EVERYWHERE]).unwrap(), []);
    shop.run("gcc -g -O0 -static -fno-asynchronous-unwind-tables -nostdlib -e main -o bare prog.c");
    assert_eq!(shop.open("bare").landing_pads(&[EVERYWHERE]).unwrap(), []);
}

#[test]
fn cleanups_of_c_are_landed_at() {
    let source = "void done(int *n); void risky(int n);
__attribute__((noipa)) void done(int *n) { *n = 0; }
__attribute__((noipa)) void risky(int n) { (void)n; }
int holds(int n) { __attribute__((cleanup(done))) int held = n; risky(held); return n; }
int main(void) { return holds(2); }
";
    let shop = Workshop::new();
    shop.write("prog.c", source);
    shop.run("gcc -g -O0 -fexceptions -o prog prog.c");
    let (file, shown) = (shop.open("prog"), Disassembly::of(&shop, "prog"));
    let pads = pads_of(&file, "holds");
    assert_eq!(pads, shown.unreached("holds"));
    assert!(shown.first_call(pads[0]).contains("<done>"));
}

/// A program with `main`, whose LSDA is `lsda`, and two pads elsewhere.
fn assembled(lsda: &str, flags: &str) -> (Workshop, ObjectFile) {
    let shop = Workshop::new();
    let text = format!(
        ".text\n.globl main, pad_one, pad_two\n.type main, @function\n.type after, @function
.type pad_one, @function\n.type pad_two, @function
personality: ret
main: .cfi_startproc\n.cfi_personality 0x1b, personality\n.cfi_lsda 0x1b, .Llsda
nop\nxor %eax, %eax\nret\n.cfi_endproc
.globl after\nafter: .cfi_startproc\nret\n.cfi_endproc
.section .text.unlikely,\"ax\",@progbits
cold: nop\npad_one: nop\npad_two: ret
.section .gcc_except_table,\"a\",@progbits\n.byte 1, 2, 3
.Llsda:\n{lsda}
.section .note.GNU-stack,\"\",@progbits\n"
    );
    shop.write("prog.s", &text);
    shop.run(&format!("gcc {flags} -o prog prog.s"));
    let file = shop.open("prog");
    (shop, file)
}

#[test]
fn pads_far_from_their_calls_are_found_by_an_explicit_start() {
    let starts = [
        (".byte 0x10\n.quad cold - .", "-pie"),
        (".byte 0x1b\n.long cold - .", "-pie"),
        (".byte 0x1c\n.quad cold - .", "-no-pie"),
        (".byte 0x00\n.quad cold", "-no-pie"),
        (".byte 0x03\n.long cold", "-no-pie"),
    ];
    let encodings = [
        (0x00, ".quad"),
        (0x01, ".uleb128"),
        (0x02, ".value"),
        (0x03, ".long"),
        (0x04, ".quad"),
        (0x09, ".sleb128"),
        (0x0a, ".value"),
        (0x0b, ".long"),
        (0x0c, ".quad"),
    ];
    // Not all with all: each start, each encoding.
    let cases = encodings.iter().zip(starts.iter().cycle());
    for ((encoding, values), (start, flags)) in cases {
        let site = |pad: &str| format!("{values} 0, 1, {pad}\n.uleb128 0\n");
        let sites = [
            site("pad_two - cold"),
            site("0"),
            site("pad_one - cold"),
            site("pad_two - cold"),
        ]
        .concat();
        let lsda =
            format!("{start}\n.byte 0xff, {encoding}\n.uleb128 .Lend - .Lbegin\n.Lbegin:\n{sites}.Lend:");
        let (_shop, file) = assembled(&lsda, flags);
        let symbol = |name| file.symbol(name).unwrap_or_else(|| panic!("no {name}"));
        let main = symbol("main");
        let pads = file.landing_pads(&[range(main.0, main.0 + 1)]).unwrap();
        assert_eq!(pads, [symbol("pad_one"), symbol("pad_two")], "{start} {values}");
        let after = symbol("after");
        assert_eq!(file.landing_pads(&[range(after.0, after.0 + 1)]).unwrap(), []);
    }
}

#[test]
fn an_address_of_0_is_no_table_even_where_it_is_relative() {
    let shop = Workshop::new();
    // A CIE with the augmentation zLR, both relative in 4 bytes, and an FDE for `main` whose LSDA is 0.
    shop.write(
        "prog.s",
        ".text\n.globl main\nmain: ret\nnop
.section .eh_frame,\"a\",@progbits
.Lcie: .long .Lcie_end - .Lcie_id\n.Lcie_id: .long 0\n.byte 1\n.asciz \"zLR\"\n.uleb128 1\n.sleb128 -8
.byte 16\n.uleb128 2\n.byte 0x1b, 0x1b, 0x0c, 7, 8, 0x90, 1\n.balign 4\n.Lcie_end:
.long .Lfde_end - .Lfde_cie\n.Lfde_cie: .long .Lfde_cie - .Lcie\n.long main - ., 2\n.uleb128 4\n.long 0
.balign 4\n.Lfde_end:
.section .note.GNU-stack,\"\",@progbits\n",
    );
    for flags in ["-pie", "-pie -Wl,--no-eh-frame-hdr", "-no-pie"] {
        shop.run(&format!("gcc {flags} -o prog prog.s"));
        let file = shop.open("prog");
        assert_eq!(file.landing_pads(&[EVERYWHERE]).unwrap(), [], "{flags}");
    }
}

#[test]
fn a_pointer_that_only_a_process_can_follow_is_refused() {
    let (_shop, file) = assembled(".byte 0xff, 0xff, 0x81, 0", "-pie");
    // No call sites: their encoding is of no account.
    assert_eq!(file.landing_pads(&[EVERYWHERE]).unwrap(), []);
    let (_shop, file) = assembled(".byte 0xff, 0xff, 0x81, 4, 0, 1, 1, 0", "-pie");
    let error = file.landing_pads(&[EVERYWHERE]).unwrap_err();
    let ErrorKind::Malformed { section, .. } = &error.kind else {
        panic!("{error}");
    };
    assert_eq!(section, ".gcc_except_table");
    assert!(
        error.to_string().starts_with("cannot read the landing pads of "),
        "{error}"
    );
}
