//! What compilers make of a function: inlined calls, landing pads. It does not spoil its table, nor the program.
//!
//! Must not know: how lineprof finds out.

mod support;

use std::path::{Path, PathBuf};
use std::process::Command;
use support::{Engine, Lineprof, Report};
use tempfile::TempDir;

const NO_ARGS: [&str; 0] = [];

/// A program that was built in a folder of its own.
struct Built {
    folder: TempDir,
    program: PathBuf,
}

fn build(compiler: &str, source: &str) -> Built {
    let folder = tempfile::tempdir().expect("the temporary folder is writable");
    let (file, program) = (folder.path().join("prog.c"), folder.path().join("prog"));
    std::fs::write(&file, source).expect("an own folder");
    let mut words = compiler.split(' ');
    let mut command = Command::new(words.next().expect("a compiler"));
    let output = command.args(words).arg("-o").arg(&program).arg(&file).output();
    let output = output.expect("the compiler runs");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    Built { folder, program }
}

fn line_of(source: &str, text: &str) -> u32 {
    let at = source.lines().position(|line| line.contains(text));
    u32::try_from(at.expect("the text is in the source") + 1).expect("a short source")
}

/// `early` and `late` are inlined into `work`, which stands between them with another function behind it.
const AROUND: &str = "volatile int kept[4];
static inline __attribute__((always_inline)) void early(int i) {
    kept[i] = 1;  /* early's */
}
static inline __attribute__((always_inline)) void late(int i);
__attribute__((noinline)) void work(int n) {
    for (int i = 0; i < n; i++) {
        early(i);
        late(i);
    }
}  /* work ends */

__attribute__((noinline)) int between(int n) {
    return n + 1;  /* not work's */
}

static inline __attribute__((always_inline)) void late(int i) {
    kept[i] = 2;  /* late's */
}
int main(int argc, char **argv) {
    (void)argv;
    work(between(argc));
    return 0;
}
";

#[test]
fn lines_of_inlined_functions_are_no_part_of_the_functions_own() {
    for compiler in ["gcc -g -O0", "gcc -g -Og", "gcc -g -O2", "gcc -gdwarf-4 -O2"] {
        let built = build(compiler, AROUND);
        let run = Lineprof::new().functions(&["work"]);
        let said = run.run(&built.program, &NO_ARGS).stderr_text();
        let (own, inlined) = said
            .split_once("prog.c (inlined)")
            .unwrap_or_else(|| panic!("{compiler}: {said}"));
        assert!(
            own.contains("work ends") && inlined.contains("late's"),
            "{compiler}: {said}"
        );
        assert!(!said.contains("not work's"), "{compiler}: {said}");
        assert!(
            !own.contains("early's") && !own.contains("late's"),
            "{compiler}: {said}"
        );
    }
}

#[test]
fn the_last_line_is_where_the_function_ends() {
    for compiler in ["gcc -g -O0", "gcc -g -O2"] {
        let built = build(compiler, AROUND);
        let file = built.folder.path().join("report.json");
        let run = Lineprof::new().functions(&["work"]).option("-o").option(&file);
        run.run(&built.program, &NO_ARGS);
        let text = std::fs::read_to_string(&file).expect("a report");
        Report::parse(&text);
        let report: serde_json::Value = serde_json::from_str(&text).expect("a report");
        let last = report["functions"][0]["last_line"].as_u64();
        assert_eq!(last, Some(line_of(AROUND, "work ends").into()), "{compiler}");
    }
}

#[test]
fn calls_that_were_inlined_are_said_to_be_elsewhere() {
    let source = "volatile int seen;
static inline __attribute__((always_inline)) void everywhere(int n) { seen = n; }
__attribute__((noinline)) void outside(int n) { everywhere(n); seen = n; }
static void partly(int n) { for (int i = 0; i < n; i++) seen += i; }
void (*volatile pointer)(int) = partly;
int main(void) { partly(3); outside(1); pointer(2); return 0; }
";
    let built = build("gcc -g -O2", source);
    let run = Lineprof::new().functions(&["partly", "outside", "everywhere"]);
    let said = run.run(&built.program, &NO_ARGS).stderr_text();
    assert!(
        said.contains("inlined every call of everywhere (1 place)"),
        "{said}"
    );
    assert!(said.contains("inlined some calls of partly (1 place)"), "{said}");
}

/// Calls `work` and `spin` through pointers and says whether their first instructions are what the compiler wrote.
const POINTERS: &str = "#include <stdio.h>
#include <string.h>
volatile int seen;
__attribute__((noinline)) static void work(int n) {
    seen = n;                     /* body */
}
__attribute__((noinline)) static void spin(volatile int *left) {
    do {
        seen = *left;             /* loop */
    } while (--*left > 0);
}
int main(void) {
    void (*volatile call)(int) = work;
    void (*volatile turn)(volatile int *) = spin;
    int lands = memcmp((void *)call, \"\\xf3\\x0f\\x1e\\xfa\", 4) == 0
        && memcmp((void *)turn, \"\\xf3\\x0f\\x1e\\xfa\", 4) == 0;
    for (int i = 0; i < 3; i++) {
        volatile int left = 5;
        call(i);
        turn(&left);
    }
    puts(lands ? \"lands\" : \"faults\");
    return 0;
}
";

fn hits(program: &Path, engine: Engine, function: &str, text: &str) -> (u64, u64) {
    let run = Lineprof::new()
        .engine(engine)
        .functions(&["work", "spin", "main"]);
    let (report, finished) = run.report(program, &NO_ARGS);
    assert_eq!(finished.stdout_text(), "lands\n");
    assert!(report.tracing.refused.is_empty(), "{:?}", report.tracing.refused);
    let function = report.function(function);
    let is_wanted = |text: &str, line: &&support::Line| line.text.as_ref().is_some_and(|t| t.contains(text));
    let line = function.lines.iter().find(|line| is_wanted(text, line));
    (function.calls, line.expect("the line has a site").hits)
}

#[test]
fn c040_no_breakpoint_stands_where_an_indirect_branch_lands() {
    for compiler in [
        "gcc -g -O0 -fcf-protection=full",
        "gcc -g -O1 -fcf-protection=full",
        "gcc -g -O2 -fcf-protection=branch -static-pie",
        "gcc -gdwarf-4 -O2 -fcf-protection=full",
    ] {
        // Whether this machine's processor and kernel enforce it does not matter.
        let program = build(compiler, POINTERS);
        for engine in Engine::ALL {
            assert_eq!(
                hits(&program.program, engine, "work", "body"),
                (3, 3),
                "{compiler}"
            );
            assert_eq!(
                hits(&program.program, engine, "spin", "loop"),
                (3, 15),
                "{compiler}"
            );
            // The declaration: calls only, also where a loop leads back to the first instruction behind the pad.
            assert_eq!(
                hits(&program.program, engine, "spin", "static void spin"),
                (3, 3),
                "{compiler}"
            );
        }
    }
}
