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

mod attach;
mod build;
mod library;
mod lineprof;
mod mprof;
mod program;
mod real;
mod report;
mod run;

pub(crate) use attach::{
    attach, attach_to, attached, attached_by, engine_of, served, serving, serving_by, tracers,
};
pub(crate) use build::{Binary, build_dir, compile};
pub(crate) use library::{compile_with_library, run_with_lineprof, run_with_lineprof_in};
pub(crate) use lineprof::{Engine, Lineprof};
pub(crate) use mprof::mprof;
pub(crate) use program::{Annotation, Exit, Expected, Program, programs_on_disk, testprogs};
pub(crate) use real::{Real, lua, sqlite};
pub(crate) use report::{Crossing, End, Function, Line, Report};
pub(crate) use run::{Finished, Running, WATCHDOG, run};

/// Makes one test of `$check` for every test program; `$check` takes the program's path below `testprogs`.
///
/// A test bears the name before the path: of a program that shows a numbered case of issue #3, with the case's number at
/// its head. The list is checked against the disk by `natively.rs`, so that no program is forgotten. A program with a role is
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
            c022_c032_c033_c034_c036_c037_asm_awkward "asm/awkward.S"
            c042_asm_restartable "asm/restartable.S"
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
            c065_c_abort "c/abort.c"
            c055_c_alternate_stack "c/alternate_stack.c"
            c_callee "c/callee.c"
            c_condition "c/condition.c"
            c058_c_coroutines "c/coroutines.c"
            c_crowd "c/crowd.c"
            c084_c_daemon "c/daemon.c"
            c057_c_deep_recursion "c/deep_recursion.c"
            c111_c_descriptors "c/descriptors.c"
            c_early_return "c/early_return.c"
            c077_c_exec_inside "c/exec_inside.c"
            c088_c_exit_code "c/exit_code.c"
            c057_c_exit_inside "c/exit_inside.c"
            c_first_touch "c/first_touch.c"
            c079_c_fork_exec "c/fork_exec.c"
            c120_c_free "c/free.c"
            c_function_pointer "c/function_pointer.c"
            c_growth "c/growth.c"
            c_hot "c/hot.c"
            c056_c_longjmp "c/longjmp.c"
            c112_c_inherited "c/inherited.c"
            c087_c_killed_inside "c/killed_inside.c"
            c053_c_leader_gone "c/leader_gone.c"
            c_loop "c/loop.c"
            c023_c_mid_instruction "c/mid_instruction.c"
            c_marked "c/marked.c"
            c_mutual_recursion "c/mutual_recursion.c"
            c_nested_loops "c/nested_loops.c"
            c_one_line_loop "c/one_line_loop.c"
            c110_c_output "c/output.c"
            c027_c_own_trap "c/own_trap.c"
            c092_c_parents "c/parents.c"
            c091_c_raw_threads "c/raw_threads.c"
            c117_c_planted_pages "c/planted_pages.c"
            c_recursion "c/recursion.c"
            c065_c_segfault "c/segfault.c"
            c017_c_seccomp "c/seccomp.c"
            c_setjmp "c/setjmp.c"
            c060_c061_c063_c_signals "c/signals.c"
            c081_c085_c_spawn "c/spawn.c"
            c_switch "c/switch.c"
            c025_c_table_in_text "c/table_in_text.c"
            c057_c_tail_call "c/tail_call.c"
            c078_c_thread_exec "c/thread_exec.c"
            c075_c076_c_thread_exit "c/thread_exit.c"
            c074_c_thread_storm "c/thread_storm.c"
            c_threads "c/threads.c"
            c063_c_timer "c/timer.c"
            c081_c_vfork "c/vfork.c"
            c056_cpp_exceptions "cpp/exceptions.cpp"
            cpp_lambdas "cpp/lambdas.cpp"
            cpp_lifetimes "cpp/lifetimes.cpp"
            cpp_marked "cpp/marked.cpp"
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

        mod inline {
            $crate::support::every_program!(check);

            fn check(name: &str) {
                $crate::$check(name, $crate::support::Engine::Inline);
            }
        }
    };
}
pub(crate) use every_program_with_every_engine;
