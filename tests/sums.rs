//! The increments of a function's lines add up to the function's increment, to the byte, for every function that does
//! not recur: with every engine, and whatever the metric, since it holds of any series of readings.

mod support;

use support::{Engine, Lineprof, Program, every_program_with_every_engine};

every_program_with_every_engine!(increments_add_up);

fn increments_add_up(name: &str, engine: Engine) {
    let program = Program::load_for(name, engine);
    let binary = program.build_first();
    // Every function of the source, also those whose numbers no annotation knows.
    let own = format!("*{name}");
    let run = Lineprof::new().engine(engine).options(["--file", own.as_str()]);
    let (report, finished) = run.report(&binary.path, &program.args);
    assert_eq!(
        finished.code(),
        program.exit.passed_on(),
        "{}",
        finished.stderr_text()
    );
    let counted = report
        .functions
        .iter()
        .filter(|function| function.calls > 0)
        .count();
    assert!(
        counted > 0,
        "{name}: no function was called:\n{}",
        finished.stderr_text()
    );
    for function in &report.functions {
        if program.recursive.contains(&function.name) {
            continue;
        }
        let sum: i64 = function.lines.iter().map(|line| line.increment).sum();
        assert_eq!(
            sum, function.increment,
            "{name}: the lines of {} add up to the left, its increment is the right: {:#?}",
            function.name, function.lines
        );
    }
}
