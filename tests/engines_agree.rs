//! The engines give one answer: to the byte where one thread runs, the same counts where several do.

mod support;

every_program!(engines_agree);

use support::{Engine, Expected, Function, Lineprof, Program, every_program};

/// The functions of a report as text, memory counted from each function's baseline.
///
/// What lies below the baseline is not the program's doing: the loader's pages, the stack's random start, the
/// profiler's own.
fn comparable(functions: &[Function]) -> String {
    let mut text = String::new();
    for function in functions {
        let Function {
            name,
            file,
            line,
            calls,
            baseline,
            increment,
            peak,
            ..
        } = function;
        let above = |memory: Option<u64>| {
            memory
                .zip(*baseline)
                .map(|(m, b)| m.cast_signed() - b.cast_signed())
        };
        text += &format!(
            "{name} {file}:{line} calls {calls} increment {increment} peak {:?}\n",
            above(*peak)
        );
        for line in &function.lines {
            let memory = above(line.memory);
            text += &format!(
                "  {} hits {} increment {} {memory:?}\n",
                line.line, line.hits, line.increment
            );
        }
    }
    text
}

fn engines_agree(name: &str) {
    // What the slower engine can do in time, the other does too.
    let program = Program::load_for(name, Engine::InPlace);
    let binary = program.build_first();
    let [displaced, in_place, inline] = [Engine::Displaced, Engine::InPlace, Engine::Inline].map(|engine| {
        let run = Lineprof::new()
            .engine(engine)
            .metric("anon")
            .functions(&program.patterns);
        run.report(&binary.path, &program.args).0.functions
    });
    if program.threads == 1 {
        assert_eq!(
            comparable(&displaced),
            comparable(&in_place),
            "{name}: displaced is left, in place right"
        );
        assert_eq!(
            comparable(&displaced),
            comparable(&inline),
            "{name}: displaced is left, inline right"
        );
    } else {
        // What is not annotated may be left to chance, like the turns of a loop that another thread ends.
        let fixed = |function: &&Function| {
            program.annotations.iter().any(|annotation| {
                annotation.line == function.line
                    && annotation
                        .expected
                        .iter()
                        .any(|expected| matches!(expected, Expected::Function { .. }))
            })
        };
        let counts = |functions: &[Function]| -> Vec<(u64, Vec<u64>)> {
            let fixed = functions.iter().filter(fixed);
            fixed
                .map(|f| (f.calls, f.lines.iter().map(|line| line.hits).collect()))
                .collect()
        };
        assert_eq!(
            counts(&displaced),
            counts(&in_place),
            "{name}: displaced is left, in place right"
        );
        assert_eq!(
            counts(&displaced),
            counts(&inline),
            "{name}: displaced is left, inline right"
        );
    }
}
