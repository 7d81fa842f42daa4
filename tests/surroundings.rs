//! Processes in surroundings of their own: namespaces, another root, a binary that is gone, another width, a frozen
//! control group, a user without privileges, filters of system calls.
//!
//! Must not know: how lineprof finds a process's files. These tests need root, or a kernel that lets users have
//! namespaces; freezing needs root.

mod support;

use nix::sys::signal::Signal;
use nix::unistd::Pid;
use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use support::{
    Engine, Finished, Lineprof, Program, Report, Running, attach_to, attached_by, served, serving_by,
};
use tempfile::TempDir;

const NOBODY: u32 = 65534;

fn target() -> PathBuf {
    Program::load("c/attach_target.c").build_first().path
}

/// A folder that everybody may look into.
fn open_folder() -> TempDir {
    let folder = tempfile::tempdir().expect("the temporary folder is writable");
    std::fs::set_permissions(folder.path(), Permissions::from_mode(0o755)).expect("an own folder");
    folder
}

fn copy(from: &Path, to: &Path) {
    std::fs::copy(from, to).unwrap_or_else(|error| panic!("{} to {}: {error}", from.display(), to.display()));
}

/// The descendants of a process that have no children, in a row of single children.
fn last_child(mut pid: Pid) -> Pid {
    loop {
        let children = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children"));
        match children.expect("it lives").split_whitespace().next() {
            Some(child) => pid = Pid::from_raw(child.parse().expect("a number")),
            None => return pid,
        }
    }
}

/// A whole session, from outside, with a process that serves; it ends well.
fn profiled_and_let_go(mut target: Running, pid: Pid) -> Report {
    let lineprof = attached_by(&mut attach_to(pid, Engine::Displaced));
    served(&mut target);
    served(&mut target);
    lineprof.signal(Signal::SIGINT);
    let finished = lineprof.finish();
    assert_eq!(finished.code(), 0, "{}", finished.stderr_text());
    served(&mut target);
    target.say("check");
    assert_eq!(target.hear(), "text same");
    let ended = target.finish();
    assert_eq!(ended.code(), 0, "{}", ended.stderr_text());
    let report = Report::parse(&finished.stdout_text());
    assert!(report.function("serve").calls >= 100, "it was seen at work");
    report
}

fn has_source(report: &Report) -> bool {
    let lines = &report.function("serve").lines;
    lines
        .iter()
        .any(|line| line.text.as_deref() == Some("    int value = n % 1000;"))
}

fn refuses(finished: &Finished, code: i32, words: &[&str]) {
    let said = finished.stderr_text();
    assert_eq!(finished.code(), code, "{said}");
    for word in words {
        assert!(said.contains(word), "`{word}` is not said:\n{said}");
    }
    assert!(said.lines().any(|line| line.starts_with("hint: ")), "{said}");
}

#[test]
fn c010_a_user_without_privileges_profiles_a_program_of_their_own() {
    let folder = open_folder();
    let (lineprof, program) = (folder.path().join("lineprof"), folder.path().join("loop"));
    copy(Path::new(env!("CARGO_BIN_EXE_lineprof")), &lineprof);
    copy(&Program::load("c/loop.c").build_first().path, &program);
    let mut command = Command::new(&lineprof);
    command
        .current_dir("/")
        .args(["--function", "work", "--"])
        .arg(&program);
    if nix::unistd::geteuid().is_root() {
        command.uid(NOBODY).gid(NOBODY);
    }
    let finished = Running::start(&mut command).finish();
    let said = finished.stderr_text();
    assert_eq!(finished.code(), 0, "{said}");
    assert!(said.contains("Line Contents"), "{said}");
}

#[test]
fn c016_a_program_that_is_set_user_id_runs_with_the_rights_of_who_runs_lineprof() {
    // Needs root, to make one.
    let folder = open_folder();
    let (lineprof, program) = (
        folder.path().join("lineprof"),
        folder.path().join("effective_user"),
    );
    copy(Path::new(env!("CARGO_BIN_EXE_lineprof")), &lineprof);
    copy(&Program::load("c/effective_user.c").build_first().path, &program);
    std::fs::set_permissions(&program, Permissions::from_mode(0o4755)).expect("an own file");
    let as_nobody = |command: &mut Command| {
        let finished = Running::start(command.current_dir("/").uid(NOBODY).gid(NOBODY)).finish();
        assert_eq!(finished.code(), 0, "{}", finished.stderr_text());
        finished
    };
    assert_eq!(as_nobody(&mut Command::new(&program)).stdout_text(), "0\n");
    let mut command = Command::new(&lineprof);
    let finished = as_nobody(command.args(["--function", "work", "--"]).arg(&program));
    assert_eq!(finished.stdout_text(), format!("{NOBODY}\n"));
    let said = finished.stderr_text();
    let note = said.lines().find(|line| line.contains("rights of user 0"));
    assert!(
        note.is_some_and(|note| note.contains("it runs with yours")),
        "{said}"
    );
    assert!(said.contains("Line Contents"), "{said}");
}

#[test]
fn c011_a_filter_that_refuses_ptrace_is_named_with_what_to_do() {
    let filter = Program::load("c/without_ptrace.c").build_first();
    let program = Program::load("c/exit_code.c").build_first();
    let mut command = Command::new(filter.path);
    command
        .arg(env!("CARGO_BIN_EXE_lineprof"))
        .args(["--function", "work"]);
    let finished = Running::start(command.arg("--").arg(program.path)).finish();
    refuses(&finished, 125, &["seccomp=unconfined"]);
}

/// lineprof, run where the kernel lets nobody write code by /proc/PID/mem.
fn without_memory_writes(lineprof: &Command) -> Command {
    let filter = Program::load("c/without_memory_writes.c").build_first();
    let mut command = Command::new(filter.path);
    command.arg(lineprof.get_program()).args(lineprof.get_args());
    command
}

#[test]
fn c052_code_that_cannot_be_written_by_its_file_is_written_by_ptrace() {
    for name in ["c/growth.c", "c/threads.c"] {
        let program = Program::load(name);
        let binary = program.build_first();
        let run = Lineprof::new()
            .functions(&program.patterns)
            .engine(Engine::Displaced);
        let mut command = without_memory_writes(&run.options(["--format", "json"]).command());
        let finished = Running::start(command.arg("--").arg(&binary.path).args(&program.args)).finish();
        assert_eq!(finished.code(), 0, "{}", finished.stderr_text());
    }
}

#[test]
fn c052_a_running_process_is_written_to_where_only_ptrace_may() {
    for engine in Engine::ALL {
        let mut target = serving_by(Command::new(target()).arg("2"));
        let lineprof = attached_by(&mut without_memory_writes(&attach_to(target.pid(), engine)));
        served(&mut target);
        lineprof.signal(Signal::SIGINT);
        let finished = lineprof.finish();
        served(&mut target);
        target.say("check");
        assert_eq!(target.hear(), "text same");
        assert_eq!(finished.code(), 0, "{}", finished.stderr_text());
        let report = Report::parse(&finished.stdout_text());
        assert_eq!(report.tracing.refused.len(), 0, "{:?}", report.tracing);
        assert!(report.function("serve").calls >= 100, "it was seen at work");
    }
}

#[test]
fn c012_a_process_in_another_pid_and_mount_namespace_is_profiled_from_outside() {
    let mut command = Command::new("unshare");
    command.args(["--map-root-user", "--pid", "--fork", "--mount-proc"]);
    let outside = serving_by(command.arg(target()).arg("2"));
    let inside = last_child(outside.pid());
    assert_ne!(inside, outside.pid());
    let report = profiled_and_let_go(outside, inside);
    assert_eq!(report.pid, inside.as_raw());
    assert!(has_source(&report));
}

#[test]
fn c013_a_process_with_another_root_is_profiled_by_the_file_that_it_runs() {
    let root = open_folder();
    let program = Program::load("c/attach_target.c").build("cc -g -O0 -pthread -static");
    copy(&program.path, &root.path().join("target"));
    std::fs::create_dir(root.path().join("proc")).expect("an own folder");
    let mut command = Command::new("unshare");
    command.args(["--map-root-user", "--mount", "--pid", "--fork"]);
    let enter = "mount -t proc proc \"$1/proc\" && exec chroot \"$1\" /target 2";
    let outside = serving_by(command.args(["sh", "-c", enter, "sh"]).arg(root.path()));
    let inside = last_child(outside.pid());
    let report = profiled_and_let_go(outside, inside);
    assert!(has_source(&report));
}

#[test]
fn c014_a_process_whose_binary_was_replaced_is_profiled_by_the_one_that_it_runs() {
    let folder = open_folder();
    let path = folder.path().join("server");
    copy(&target(), &path);
    let server = serving_by(Command::new(&path).arg("2"));
    // As installers do it: a new file takes over the name.
    let new = folder.path().join("server.new");
    copy(&Program::load("c/growth.c").build_first().path, &new);
    std::fs::rename(&new, &path).expect("an own folder");
    let pid = server.pid();
    let report = profiled_and_let_go(server, pid);
    assert!(has_source(&report));
    let new_file = std::fs::read(&path).expect("readable");
    let growth = std::fs::read(Program::load("c/growth.c").build_first().path).expect("readable");
    assert!(new_file == growth, "the file of that name is not touched");
}

#[test]
fn c014_a_process_whose_binary_was_deleted_is_profiled() {
    let folder = open_folder();
    let path = folder.path().join("server");
    copy(&target(), &path);
    let server = serving_by(Command::new(&path).arg("2"));
    std::fs::remove_file(&path).expect("an own file");
    let pid = server.pid();
    assert!(has_source(&profiled_and_let_go(server, pid)));
}

#[test]
fn c015_a_32_bit_program_is_refused_and_a_running_one_not_touched() {
    let program = Program::load("asm/thirty_two.S").build_first();
    let run = Lineprof::new().functions(&["_start"]);
    refuses(&run.run(&program.path, &[""; 0]), 126, &["i386", "x86-64"]);

    let running = serving_by(&mut Command::new(&program.path));
    let finished = Running::start(&mut attach_to(running.pid(), Engine::Displaced)).finish();
    refuses(&finished, 125, &["i386", "x86-64"]);
    assert_eq!(support::tracers(&running), [""; 0]);
}

/// A control group that freezes, and is gone in the end.
struct Freezer(PathBuf);

impl Freezer {
    fn new() -> Freezer {
        // cgroup-v2.rst, "Core Interface Files". Hybrid set-ups have it below `unified`.
        let root = ["/sys/fs/cgroup", "/sys/fs/cgroup/unified"];
        let root = root
            .into_iter()
            .find(|root| Path::new(root).join("cgroup.procs").exists());
        let root = Path::new(root.expect("the second version of control groups is mounted"));
        let group = root.join(format!("lineprof-test-{}", std::process::id()));
        std::fs::create_dir(&group).expect("this test needs root, to freeze a control group");
        Freezer(group)
    }

    fn write(&self, file: &str, text: &str) {
        std::fs::write(self.0.join(file), text).expect("an own group");
    }

    /// Freezes or thaws, and waits until it is so.
    fn set(&self, frozen: &str) {
        self.write("cgroup.freeze", frozen);
        let events = || std::fs::read_to_string(self.0.join("cgroup.events")).expect("an own group");
        while !events().contains(&format!("frozen {frozen}")) {
            std::thread::yield_now();
        }
    }
}

impl Drop for Freezer {
    fn drop(&mut self) {
        // A frozen process can be killed; what is left of a failed test is not hidden by a second panic.
        let _thawed = std::fs::write(self.0.join("cgroup.freeze"), "0");
        let root = self.0.parent().expect("below the root").join("cgroup.procs");
        for pid in std::fs::read_to_string(self.0.join("cgroup.procs"))
            .unwrap_or_default()
            .lines()
        {
            let _moved = std::fs::write(&root, pid);
        }
        let _removed = std::fs::remove_dir(&self.0);
    }
}

#[test]
fn c020_a_frozen_process_is_attached_to_and_let_go_without_waiting_for_it() {
    let freezer = Freezer::new();
    // Freezing by itself interrupts epoll_wait(2).
    let mut target = serving_by(Command::new(target()).args(["2", "awake"]));
    freezer.write("cgroup.procs", &target.pid().to_string());
    freezer.set("1");
    for engine in Engine::ALL {
        let lineprof = attached_by(&mut attach_to(target.pid(), engine));
        lineprof.signal(Signal::SIGINT);
        let finished = lineprof.finish();
        assert_eq!(finished.code(), 0, "{}", finished.stderr_text());
    }
    freezer.set("0");
    served(&mut target);
    target.say("check");
    assert_eq!(target.hear(), "text same");
    assert_eq!(support::tracers(&target), [""; 0]);
    assert_eq!(target.finish().code(), 0);
}
