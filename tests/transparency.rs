//! A program does under lineprof what it does without: the same output, byte for byte, and the same end.

mod support;

use support::{Engine, Lineprof, Program, every_program_with_every_engine, run};

every_program_with_every_engine!(nothing_changes);

fn nothing_changes(name: &str, engine: Engine) {
    let program = Program::load_for(name, engine);
    let binary = program.build_first();
    let alone = run(&binary.path, &program.args);
    let profiled = Lineprof::new()
        .engine(engine)
        .functions(&program.patterns)
        .run(&binary.path, &program.args);
    assert_eq!(profiled.code(), alone.code(), "{}", profiled.stderr_text());
    assert!(
        profiled.stdout == alone.stdout,
        "the output differs; alone:\n{}\nprofiled:\n{}",
        alone.stdout_text(),
        profiled.stdout_text()
    );
    // The report goes to standard error, behind what the program writes there.
    let report = profiled
        .stderr
        .strip_prefix(alone.stderr.as_slice())
        .map(String::from_utf8_lossy);
    assert!(
        report.is_some_and(|report| report.contains("Line Contents")),
        "what the program writes to standard error differs; alone:\n{}\nprofiled:\n{}",
        alone.stderr_text(),
        profiled.stderr_text()
    );
}
