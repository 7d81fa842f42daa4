//! Programs built for control-flow enforcement: no breakpoint stands where an indirect branch lands.
//!
//! Must not know: whether this machine's processor and kernel enforce it.

mod support;

use std::path::{Path, PathBuf};
use std::process::Command;
use support::{Engine, Lineprof};
use tempfile::TempDir;

const NO_ARGS: [&str; 0] = [];

/// Calls `work` and `spin` through pointers and says whether their first instructions are what the compiler wrote.
const SOURCE: &str = "#include <stdio.h>
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

fn build(folder: &TempDir, compiler: &str) -> PathBuf {
    let (file, program) = (folder.path().join("prog.c"), folder.path().join("prog"));
    std::fs::write(&file, SOURCE).expect("an own folder");
    let mut words = compiler.split(' ');
    let mut command = Command::new(words.next().expect("a compiler"));
    let output = command.args(words).arg("-o").arg(&program).arg(&file).output();
    let output = output.expect("the compiler runs");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    program
}

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
fn c040_counts_are_the_same_and_the_pads_stay_whole() {
    for compiler in [
        "gcc -g -O0 -fcf-protection=full",
        "gcc -g -O1 -fcf-protection=full",
        "gcc -g -O2 -fcf-protection=branch -static-pie",
        "gcc -gdwarf-4 -O2 -fcf-protection=full",
    ] {
        let folder = tempfile::tempdir().expect("the temporary folder is writable");
        let program = build(&folder, compiler);
        for engine in Engine::ALL {
            assert_eq!(hits(&program, engine, "work", "body"), (3, 3), "{compiler}");
            assert_eq!(hits(&program, engine, "spin", "loop"), (3, 15), "{compiler}");
            // The declaration: calls only, also where a loop leads back to the first instruction behind the pad.
            assert_eq!(
                hits(&program, engine, "spin", "static void spin"),
                (3, 3),
                "{compiler}"
            );
        }
    }
}
