//! What the integration tests share: the test programs, how they are built, and the profiler run on them.
//!
//! Must not know: what any single test proves. No test program is named here but in the list below.
//!
//! ```text
//! testprogs/c/loop.c ── program: header, annotations ──► build: one binary for each `Build:` line, cached
//!                                                           │
//!                    report: the JSON contract ◄── run: native, or under lineprof, never longer than the watchdog
//! ```
//!
//! Read on in `program.rs` for the header and the annotations.
#![allow(
    dead_code,
    reason = "every test file is a crate of its own and uses a part of this module"
)]
#![allow(unused_imports, unused_macros, reason = "see above")]

mod build;
mod lineprof;
mod program;
mod report;
mod run;

pub(crate) use build::{Binary, build_dir, compile};
pub(crate) use lineprof::{Engine, Lineprof};
pub(crate) use program::{Annotation, Exit, Expected, Program, programs_on_disk, testprogs};
pub(crate) use report::{End, Function, Line, Report};
pub(crate) use run::{Finished, Running, WATCHDOG, run};

/// Makes one test of `$check` for every test program; `$check` takes the program's path below `testprogs`.
///
/// The list is checked against the disk by `natively.rs`, so that no program is forgotten. A program with a role is
/// not in it: the tests that know its role name it.
macro_rules! every_program {
    ($check:path) => {
        $crate::support::every_c_or_cpp_program! { $check;
            rust_closures "rust/closures.rs"
            rust_generics "rust/generics.rs"
            rust_growth "rust/growth.rs"
            rust_iterators "rust/iterators.rs"
            rust_matches "rust/matches.rs"
            rust_panics "rust/panics.rs"
            rust_question_mark "rust/question_mark.rs"
            rust_threads "rust/threads.rs"
            asm_awkward "asm/awkward.S"
        }
    };
    (@ $check:path; $($name:ident $path:literal)*) => {
        /// Every program of the list, by its path below `testprogs`.
        #[allow(dead_code, reason = "only the check of the list reads it")]
        const PROGRAMS: &[&str] = &[$($path),*];
        $(
            #[test]
            fn $name() {
                $check($path);
            }
        )*
    };
}
pub(crate) use every_program;

/// Makes one test of `$check` for every test program in C or C++, and for those of `$more`.
macro_rules! every_c_or_cpp_program {
    ($check:path $(; $($more:tt)*)?) => {
        $crate::support::every_program! { @ $check;
            c_abort "c/abort.c"
            c_alternate_stack "c/alternate_stack.c"
            c_callee "c/callee.c"
            c_condition "c/condition.c"
            c_coroutines "c/coroutines.c"
            c_deep_recursion "c/deep_recursion.c"
            c_early_return "c/early_return.c"
            c_exec_inside "c/exec_inside.c"
            c_exit_code "c/exit_code.c"
            c_exit_inside "c/exit_inside.c"
            c_first_touch "c/first_touch.c"
            c_fork_exec "c/fork_exec.c"
            c_free "c/free.c"
            c_function_pointer "c/function_pointer.c"
            c_growth "c/growth.c"
            c_hot "c/hot.c"
            c_longjmp "c/longjmp.c"
            c_loop "c/loop.c"
            c_mid_instruction "c/mid_instruction.c"
            c_mutual_recursion "c/mutual_recursion.c"
            c_nested_loops "c/nested_loops.c"
            c_one_line_loop "c/one_line_loop.c"
            c_output "c/output.c"
            c_own_trap "c/own_trap.c"
            c_recursion "c/recursion.c"
            c_segfault "c/segfault.c"
            c_setjmp "c/setjmp.c"
            c_signals "c/signals.c"
            c_spawn "c/spawn.c"
            c_switch "c/switch.c"
            c_tail_call "c/tail_call.c"
            c_thread_exec "c/thread_exec.c"
            c_thread_exit "c/thread_exit.c"
            c_thread_storm "c/thread_storm.c"
            c_threads "c/threads.c"
            c_timer "c/timer.c"
            c_vfork "c/vfork.c"
            cpp_exceptions "cpp/exceptions.cpp"
            cpp_lambdas "cpp/lambdas.cpp"
            cpp_lifetimes "cpp/lifetimes.cpp"
            cpp_methods "cpp/methods.cpp"
            cpp_namespaces "cpp/namespaces.cpp"
            cpp_templates "cpp/templates.cpp"
            $($($more)*)?
        }
    };
}
pub(crate) use every_c_or_cpp_program;

/// Makes one test of `$check` for every test program and engine; `$check` takes the program's path below `testprogs`
/// and the engine, and stands at the root of the test file.
macro_rules! every_program_with_every_engine {
    ($check:ident) => {
        mod displaced {
            $crate::support::every_program!(check);

            fn check(name: &str) {
                $crate::$check(name, $crate::support::Engine::Displaced);
            }
        }

        mod in_place {
            $crate::support::every_program!(check);

            fn check(name: &str) {
                $crate::$check(name, $crate::support::Engine::InPlace);
            }
        }
    };
}
pub(crate) use every_program_with_every_engine;
