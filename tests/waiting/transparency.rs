//! A program does under lineprof what it does without: the same output, byte for byte, and the same end.

mod support;

every_program!(nothing_changes);

use support::{Engine, Lineprof, Program, every_program, run};

fn nothing_changes(name: &str) {
    let program = Program::load(name);
    if program.role.is_some() {
        return;
    }
    let binary = program.build_first();
    let alone = run(&binary.path, &program.args);
    for engine in Engine::ALL {
        let profiled = Lineprof::new()
            .engine(engine)
            .functions(&program.patterns)
            .run(&binary.path, &program.args);
        let engine = engine.option();
        assert_eq!(
            profiled.code(),
            alone.code(),
            "{name}, {engine}: {}",
            profiled.stderr_text()
        );
        assert!(
            profiled.stdout == alone.stdout,
            "{name}, {engine}: the output differs; alone:\n{}\nprofiled:\n{}",
            alone.stdout_text(),
            profiled.stdout_text()
        );
        // The report goes to standard error behind what the program writes there.
        let profiled_errors = profiled.stderr_text();
        for line in alone.stderr_text().lines() {
            assert!(
                profiled_errors.contains(line),
                "{name}, {engine}: `{line}` is missing in:\n{profiled_errors}"
            );
        }
        assert!(
            profiled_errors.contains("Line Contents"),
            "{name}, {engine}: no table in:\n{profiled_errors}"
        );
    }
}
