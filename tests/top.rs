//! `lineprof top` in a real terminal: what is seen while a program runs, and that the terminal is left as it was.
//!
//! ```text
//! test ── keys, signals ──► tmux ── terminal ── bash ── lineprof ── engine ── program
//!      ◄── the screen's text ──┘
//! ```

mod support;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Instant;
use support::{Program, Running, WATCHDOG, served, serving, tracers};

/// A shell in a terminal of tmux's.
struct Terminal {
    folder: tempfile::TempDir,
}

impl Terminal {
    fn open() -> Terminal {
        let terminal = Terminal {
            folder: tempfile::tempdir().expect("the temporary folder is writable"),
        };
        let size = ["-x", "120", "-y", "40"];
        let shell = "PS1='shell> ' exec bash --norc --noprofile -i";
        terminal.tmux(
            &[
                &["-f", "/dev/null", "new-session", "-d", "-s", "test"],
                &size[..],
                &[shell],
            ]
            .concat(),
        );
        terminal.see("shell> ");
        terminal
    }

    fn tmux(&self, words: &[&str]) -> String {
        let mut command = Command::new("tmux");
        command.arg("-S").arg(self.folder.path().join("socket"));
        let output = command.args(words).env_remove("TMUX").output();
        let output = output.expect("tests/run installs tmux");
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "tmux {words:?}: {error}");
        String::from_utf8(output.stdout).expect("tmux writes UTF-8")
    }

    fn press(&self, keys: &[&str]) {
        self.tmux(&[&["send-keys", "-t", "test"], keys].concat());
    }

    /// Clears the screen and runs a line.
    fn enter(&self, line: &str) {
        self.write(&format!("clear; {line}"));
    }

    fn write(&self, line: &str) {
        self.tmux(&["send-keys", "-t", "test", "-l", line]);
        self.press(&["Enter"]);
    }

    /// All that is on the screen, long lines as they were written.
    fn screen(&self) -> String {
        self.tmux(&["capture-pane", "-p", "-J", "-t", "test"])
    }

    /// Waits until a row of the screen has all of `parts`; the screen.
    fn see_row(&self, parts: &[&str]) -> String {
        let start = Instant::now();
        loop {
            let screen = self.screen();
            if screen
                .lines()
                .any(|row| parts.iter().all(|part| row.contains(part)))
            {
                return screen;
            }
            assert!(
                start.elapsed() < WATCHDOG,
                "{parts:?} does not come; on the screen:\n{screen}"
            );
        }
    }

    fn see(&self, text: &str) -> String {
        self.see_row(&[text])
    }

    /// The terminal's settings, as the shell's programs find them.
    fn settings(&self) -> String {
        // A mark that no screen before has had.
        static ASKED: AtomicU32 = AtomicU32::new(0);
        let number = ASKED.fetch_add(1, Ordering::Relaxed);
        self.enter(&format!("stty -g; echo end''of {number} settings"));
        let screen = self.see(&format!("endof {number} settings"));
        let row = screen.lines().find(|row| row.matches(':').count() > 10);
        row.expect("stty -g writes them").to_owned()
    }

    /// Whether the screen is the shell's, and not one that a program has put over it.
    fn is_the_shells(&self) -> bool {
        self.tmux(&[
            "display-message",
            "-p",
            "-t",
            "test",
            "#{alternate_on} #{cursor_flag}",
        ]) == "0 1\n"
    }

    /// The shell.
    fn shell(&self) -> Pid {
        let pid = self.tmux(&["display-message", "-p", "-t", "test", "#{pane_pid}"]);
        Pid::from_raw(pid.trim().parse().expect("a pid"))
    }

    /// Runs `lineprof top` with these words.
    fn top(&self, words: &[&str]) {
        let quoted: Vec<String> = words.iter().map(|word| format!("'{word}'")).collect();
        let lineprof = env!("CARGO_BIN_EXE_lineprof");
        self.enter(&format!(
            "'{lineprof}' top {}; echo \"code=\"$?",
            quoted.join(" ")
        ));
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        self.tmux(&["kill-server"]);
    }
}

fn children(pid: Pid) -> Vec<Pid> {
    let Ok(tasks) = std::fs::read_dir(format!("/proc/{pid}/task")) else {
        return Vec::new();
    };
    let lists = tasks.flatten().filter_map(|task| {
        let list = std::fs::read_to_string(task.path().join("children")).ok()?;
        let pids = list.split_whitespace().map(|pid| pid.parse().expect("a pid"));
        Some(pids.map(Pid::from_raw).collect::<Vec<_>>())
    });
    lists.flatten().collect()
}

/// The one child of `pid`.
fn child(pid: Pid) -> Pid {
    match children(pid)[..] {
        [child] => child,
        ref other => panic!("the children of {pid} are {other:?}"),
    }
}

/// The front, its engine and the program of a view that runs in `terminal`.
fn family(terminal: &Terminal, program: &Path) -> (Pid, Pid, Pid) {
    let front = child(terminal.shell());
    let engine = child(front);
    let runs = |pid: &Pid| std::fs::read_link(format!("/proc/{pid}/exe")).is_ok_and(|exe| exe == program);
    let program = children(engine).into_iter().find(runs);
    (front, engine, program.expect("the engine has started it"))
}

fn steps() -> PathBuf {
    Program::load("c/steps.c").build_first().path
}

/// A view of `step` and `turn` in a program that waits for its first step.
fn stepping() -> (Terminal, String, PathBuf) {
    let terminal = Terminal::open();
    let settings = terminal.settings();
    let program = steps();
    terminal.top(&["-f", "step", "-f", "turn", &program.display().to_string()]);
    terminal.see("no function has run yet");
    terminal.see("ready");
    (terminal, settings, program)
}

fn send(pid: Pid, signal: Signal) {
    kill(pid, signal).expect("a process that this test has started");
}

#[track_caller]
fn is_as_it_was(terminal: &Terminal, settings: &str) {
    assert!(terminal.is_the_shells(), "{}", terminal.screen());
    assert_eq!(terminal.settings(), settings);
}

#[test]
fn what_a_program_has_done_is_seen_while_it_waits_and_printed_when_it_has_ended() {
    let (terminal, settings, program) = stepping();
    let (_, _, program) = family(&terminal, &program);
    for number in 1..=3 {
        send(program, Signal::SIGUSR1);
        terminal.see(&format!("step {number}"));
        let turns = (number * 1000).to_string();
        // What it counted without telling of it, and in which its memory did not change.
        terminal.see_row(&[&format!(" {turns}  "), "turn(n);"]);
        terminal.see_row(&[&format!(" {number} "), "0.000 MiB", "return kept;"]);
    }
    send(program, Signal::SIGUSR2);
    let ended = terminal.see("ended with exit code 5");
    assert!(ended.contains("turn(n);"), "{ended}");
    terminal.press(&["q"]);
    let printed = terminal.see("code=5");
    assert!(printed.contains("return kept;"), "{printed}");
    is_as_it_was(&terminal, &settings);
}

#[test]
fn what_the_program_wrote_to_the_terminal_is_there_when_the_view_is_closed() {
    let terminal = Terminal::open();
    let program = steps();
    let report = terminal.folder.path().join("report.json").display().to_string();
    terminal.top(&["-f", "step", "-o", &report, &program.display().to_string()]);
    terminal.see("ready");
    let (_, _, program) = family(&terminal, &program);
    send(program, Signal::SIGUSR1);
    terminal.see("again");
    send(program, Signal::SIGUSR2);
    terminal.see("ended with exit code 5");
    terminal.press(&["q"]);
    let printed = terminal.see("code=5");
    assert!(printed.contains("ready\nstep 1\nagain\ncode=5\n"), "{printed}");
    let report = std::fs::read_to_string(&report).expect("it is written");
    assert_eq!(support::Report::parse(&report).function("step").calls, 1);
}

#[test]
fn a_thread_that_never_stops_is_read_while_it_runs() {
    let terminal = Terminal::open();
    let settings = terminal.settings();
    let program = Program::load("c/interactive.c").build_first().path;
    let report = terminal.folder.path().join("report.json").display().to_string();
    terminal.top(&[
        "-f",
        "work",
        "-o",
        &report,
        &program.display().to_string(),
        "busy",
    ]);
    let calls = |screen: &str| -> Option<u64> {
        let row = screen.lines().find(|row| row.trim_end().ends_with("  work"))?;
        row.split_whitespace().next()?.parse().ok()
    };
    let first = calls(&terminal.see_row(&["MiB", "  work"])).expect("it was seen");
    let start = Instant::now();
    let mut later = first;
    while later <= first {
        assert!(start.elapsed() < WATCHDOG, "{}", terminal.screen());
        later = calls(&terminal.screen()).unwrap_or(later);
    }
    // As without a view, it is the program's.
    terminal.press(&["C-c"]);
    terminal.see("code=9");
    is_as_it_was(&terminal, &settings);
    let report = std::fs::read_to_string(&report).expect("it is written");
    assert!(support::Report::parse(&report).function("work").calls >= later);
}

#[test]
fn a_program_that_is_let_run_goes_on_unprofiled() {
    let (terminal, settings, program) = stepping();
    let (_, _, program) = family(&terminal, &program);
    terminal.press(&["q"]);
    terminal.see("The program still runs");
    terminal.press(&["l"]);
    terminal.see("code=0");
    is_as_it_was(&terminal, &settings);
    let status = std::fs::read_to_string(format!("/proc/{program}/status")).expect("it lives");
    assert!(status.contains("TracerPid:\t0\n"), "{status}");
    send(program, Signal::SIGKILL);
}

#[test]
fn sigterm_and_sighup_are_handed_on_and_the_terminal_is_as_it_was() {
    for (signal, code) in [(Signal::SIGTERM, "code=143"), (Signal::SIGHUP, "code=143")] {
        let (terminal, settings, program) = stepping();
        let (front, _, _) = family(&terminal, &program);
        send(front, signal);
        terminal.see(code);
        is_as_it_was(&terminal, &settings);
    }
}

#[test]
fn the_death_of_the_engine_leaves_the_terminal_as_it_was() {
    let (terminal, settings, program) = stepping();
    let (_, engine, _) = family(&terminal, &program);
    send(engine, Signal::SIGKILL);
    let said = terminal.see("code=125");
    assert!(
        said.contains("the tracing process has ended without a report"),
        "{said}"
    );
    is_as_it_was(&terminal, &settings);
}

#[test]
fn a_program_dies_with_a_front_that_is_killed() {
    let (terminal, _, program) = stepping();
    let (front, _, program) = family(&terminal, &program);
    send(front, Signal::SIGKILL);
    terminal.see("code=137");
    let start = Instant::now();
    while Path::new(&format!("/proc/{program}")).exists() {
        assert!(start.elapsed() < WATCHDOG, "{program} lives on");
    }
}

#[test]
fn ctrl_z_gives_the_terminal_to_the_shell_and_fg_takes_it_again() {
    let (terminal, settings, program) = stepping();
    let (_, _, program) = family(&terminal, &program);
    for number in 1..=2 {
        terminal.press(&["C-z"]);
        terminal.see("Stopped");
        is_as_it_was(&terminal, &settings);
        terminal.enter("fg");
        send(program, Signal::SIGUSR1);
        terminal.see(&format!("step {number}"));
    }
    send(program, Signal::SIGUSR2);
    terminal.see("ended with exit code 5");
    terminal.press(&["q"]);
    terminal.see("Function: step");
    // bash has dropped the rest of the line when the job stopped.
    terminal.write("echo end=$?");
    terminal.see("end=5");
    is_as_it_was(&terminal, &settings);
}

/// A view of a process that serves.
fn attached(target: &Running) -> (Terminal, String) {
    let terminal = Terminal::open();
    let settings = terminal.settings();
    terminal.top(&["-f", "serve", "--pid", &target.pid().to_string()]);
    terminal.see("leave it running");
    (terminal, settings)
}

#[test]
fn an_attached_process_is_seen_at_work_and_left_running() {
    let mut target = serving("c/attach_target.c", 2);
    let (terminal, settings) = attached(&target);
    served(&mut target);
    terminal.see_row(&["MiB", "  serve"]);
    terminal.press(&["q"]);
    terminal.see("code=0");
    is_as_it_was(&terminal, &settings);
    assert_eq!(tracers(&target), [""; 0]);
    served(&mut target);
    target.say("check");
    assert_eq!(target.hear(), "text same");
    assert_eq!(target.finish().code(), 0);
}

#[test]
fn what_cannot_be_profiled_is_said_before_the_view_opens() {
    let terminal = Terminal::open();
    let settings = terminal.settings();
    terminal.top(&["-f", "no_such_function", &steps().display().to_string()]);
    let said = terminal.see("code=125");
    assert!(said.contains("no_such_function"), "{said}");
    is_as_it_was(&terminal, &settings);
}

#[test]
fn without_a_terminal_it_says_so() {
    // A session of its own has none.
    let output = Command::new("setsid")
        .args(["--wait", env!("CARGO_BIN_EXE_lineprof"), "top"])
        .arg(steps())
        .output()
        .expect("setsid(1)");
    assert_eq!(output.status.code(), Some(125));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("cannot open the terminal /dev/tty"), "{said}");
    assert!(said.contains("hint: `lineprof top` is for a terminal"), "{said}");
}
