//! What the test programs expect of themselves, in their annotations, is what lineprof reports, with each engine.

mod support;

every_program_with_every_engine!(report_matches_the_annotations);

use std::path::Path;
use support::{
    Engine, Exit, Expected, Function, Line, Lineprof, Program, Report, every_program_with_every_engine, run,
};

fn report_matches_the_annotations(name: &str, engine: Engine) {
    let program = Program::load_for(name, engine);
    for binary in program.build_all() {
        let run = Lineprof::new()
            .engine(engine)
            .metric("anon")
            .functions(&program.patterns);
        let (report, finished) = run.report(&binary.path, &program.args);
        let mut wrong = Vec::new();
        if finished.code() != program.exit.passed_on() {
            wrong.push(format!(
                "exit code: expected {}, got {}",
                program.exit.passed_on(),
                finished.code()
            ));
        }
        let (kind, code, signal) = match &program.exit {
            Exit::Code(code) => ("exited", Some(*code), None),
            Exit::Signal(signal) => ("killed", None, Some(signal.as_str().to_string())),
        };
        // A program that replaces itself is reported at the exec; what comes after is another program's.
        if report.end.kind != "executed"
            && (report.end.kind != kind || report.end.code != code || report.end.signal != signal)
        {
            wrong.push(format!(
                "end: expected {kind} {code:?} {signal:?}, got {:?}",
                report.end
            ));
        }
        wrong.extend(differences(&program, &report));
        assert!(
            wrong.is_empty(),
            "{name}, built by `{}`, engine {}:\n  {}\nlineprof said:\n{}",
            binary.build,
            engine.option(),
            wrong.join("\n  "),
            finished.stderr_text()
        );
    }
}

#[test]
fn c117_the_pages_of_code_that_are_private_now_are_counted() {
    let program = Program::load("c/code_pages.c");
    let binary = program.build_first();
    assert_eq!(run(&binary.path, &program.args).stdout_text(), "0 kB\n");
    for engine in Engine::ALL {
        let pages = |functions: &[&str]| {
            let lineprof = Lineprof::new().engine(engine).functions(functions);
            let (report, finished) = lineprof.report(&binary.path, &program.args);
            let pages = report.tracing.code_pages;
            assert_eq!(
                finished.stdout_text(),
                format!("{} kB\n", 4 * pages),
                "{engine:?}"
            );
            pages
        };
        // The loader has one as well, where breakpoints tell of libraries.
        assert_eq!(pages(&["first", "second"]), pages(&["first"]) + 1, "{engine:?}");
    }
}

#[test]
fn eight_threads_displaced_are_exact_in_twenty_runs_of_twenty() {
    for _ in 0..20 {
        report_matches_the_annotations("c/threads.c", Engine::Displaced);
    }
}

#[test]
fn eight_threads_in_place_are_exact_in_five_runs_of_five() {
    for _ in 0..5 {
        report_matches_the_annotations("c/threads.c", Engine::InPlace);
    }
}

#[test]
fn eight_threads_inline_are_exact_in_twenty_runs_of_twenty() {
    for _ in 0..20 {
        report_matches_the_annotations("c/threads.c", Engine::Inline);
    }
}

/// Where the report and the annotations differ, one sentence each.
fn differences(program: &Program, report: &Report) -> Vec<String> {
    let mut wrong = Vec::new();
    let own = |file: &str| Path::new(file).file_name() == program.source.file_name();
    for annotation in &program.annotations {
        let lines: Vec<(&Function, &Line)> = report
            .functions
            .iter()
            .filter(|function| own(&function.file))
            .flat_map(|function| function.lines.iter().map(move |line| (function, line)))
            .filter(|(_, line)| line.file.is_none() && line.line == annotation.line)
            .collect();
        let mut say = |what: &str, expected: String, got: String| {
            let (line, text) = (annotation.line, &annotation.text);
            wrong.push(format!(
                "line {line} `{text}`: {what}: expected {expected}, got {got}"
            ));
        };
        for expected in &annotation.expected {
            match expected {
                Expected::Hits(hits) => match lines.as_slice() {
                    [] => say("hits", hits.to_string(), "no such line".to_string()),
                    lines => {
                        let got: u64 = lines.iter().map(|(_, line)| line.hits).sum();
                        if got != *hits {
                            say("hits", hits.to_string(), got.to_string());
                        }
                    }
                },
                Expected::Increment(increment) => match lines.as_slice() {
                    [] => say("increment", increment.to_string(), "no such line".to_string()),
                    lines => {
                        let got: i64 = lines.iter().map(|(_, line)| line.increment).sum();
                        if got != *increment {
                            say("increment", increment.to_string(), got.to_string());
                        }
                    }
                },
                Expected::Blank => {
                    if let [(function, line), ..] = lines.as_slice() {
                        say(
                            "blank",
                            "no such line".to_string(),
                            format!("{} hits in {}", line.hits, function.name),
                        );
                    }
                }
                Expected::Refused => {
                    let refused = &report.tracing.refused;
                    if !refused.iter().any(|site| site.line == annotation.line) {
                        say("refused", "a refused site".to_string(), format!("{refused:?}"));
                    }
                }
                Expected::Function {
                    name,
                    calls,
                    increment,
                } => {
                    let found = report.functions.iter().find(|function| match name {
                        Some(name) => function.name == *name,
                        None => own(&function.file) && function.line == annotation.line,
                    });
                    let Some(function) = found else {
                        say("function", "it".to_string(), format!("only {:?}", report.names()));
                        continue;
                    };
                    if let Some(calls) = calls.filter(|calls| *calls != function.calls) {
                        say("calls", calls.to_string(), function.calls.to_string());
                    }
                    if let Some(increment) = increment.filter(|increment| *increment != function.increment) {
                        say(
                            "function's increment",
                            increment.to_string(),
                            function.increment.to_string(),
                        );
                    }
                }
            }
        }
    }
    wrong
}
