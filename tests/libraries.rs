//! Functions of shared libraries: there at the start, loaded later, gone and back.

mod support;

use nix::sys::signal::Signal;
use std::path::PathBuf;
use std::process::Command;
use support::{Engine, Finished, Lineprof, Report, Running, compile, testprogs};

fn build(flags: &[&str], source: &str, name: &str) -> PathBuf {
    let words: Vec<String> = ["cc", "-g", "-O0"]
        .iter()
        .chain(flags)
        .map(ToString::to_string)
        .collect();
    compile(&words, &[testprogs().join("libraries").join(source)], name)
}

fn plugin() -> PathBuf {
    build(&["-shared", "-fPIC"], "plugin.c", "libplugin.so")
}

fn host() -> PathBuf {
    build(&["-ldl"], "host.c", "host")
}

/// A program that was linked with the plugin.
fn linked() -> PathBuf {
    let plugin = plugin();
    let folder = plugin
        .parent()
        .expect("a file lies in a folder")
        .display()
        .to_string();
    build(
        &[
            &format!("-L{folder}"),
            &format!("-Wl,-rpath,{folder}"),
            "-lplugin",
        ],
        "linked.c",
        "linked",
    )
}

/// Checks the profile of `calls` calls, each of `turns` turns.
fn check(report: &Report, calls: u64, turns: u64) {
    let grow = report.function("grow");
    assert_eq!(grow.calls, calls);
    assert!(grow.file.ends_with("libraries/plugin.c"), "{}", grow.file);
    let by_text = |text: &str| {
        let line = grow
            .lines
            .iter()
            .find(|line| line.text.as_deref().is_some_and(|t| t.contains(text)));
        line.unwrap_or_else(|| panic!("no line `{text}`"))
    };
    let all = calls * turns;
    assert_eq!(by_text("for (int i").hits, all + calls);
    assert_eq!(by_text("memset").hits, all);
    assert_eq!(by_text("munmap").hits, all);
    let touched = i64::try_from(all << 20).expect("not so much");
    assert_eq!(by_text("munmap").increment, -touched);
    assert_eq!(
        grow.lines.iter().map(|line| line.increment).sum::<i64>(),
        grow.increment
    );
}

fn anon() -> Lineprof {
    Lineprof::new().functions(&["grow"]).metric("anon")
}

#[test]
fn a_library_that_the_program_was_linked_with() {
    for engine in Engine::ALL {
        let (report, finished) = anon().engine(engine).report(&linked(), &[""; 0]);
        assert_eq!(finished.code(), 0, "{}", finished.stderr_text());
        assert!(
            finished.stderr_text().contains("libplugin.so: 1 function, "),
            "{}",
            finished.stderr_text()
        );
        check(&report, 1, 3);
    }
}

#[test]
fn c049_a_library_loaded_a_hundred_times_is_planted_each_time() {
    for engine in Engine::ALL {
        let plugin = plugin().display().to_string();
        let run = anon().option("--pending").engine(engine);
        let (report, finished) = run.report(&host(), &[plugin.as_str(), "100"]);
        assert_eq!(finished.code(), 0, "{}", finished.stderr_text());
        check(&report, 100, 1);
    }
}

#[test]
fn without_pending_a_name_that_nothing_has_is_an_error_before_the_program_begins() {
    let plugin = plugin().display().to_string();
    let finished = anon().run(&host(), &[plugin.as_str()]);
    assert_eq!(finished.code(), 125);
    assert_eq!(finished.stdout_text(), "", "it has not said that it is ready");
    let said = finished.stderr_text();
    assert!(
        said.contains("no function matches `grow`") && said.contains("--pending"),
        "{said}"
    );
}

/// Attaches to a host, in which the plugin is loaded already or not yet.
fn attach(host: &Running) -> Running {
    let run = anon()
        .options(["--pending", "--format", "json"])
        .options(["--pid".to_string(), host.pid().to_string()]);
    let mut lineprof = Running::start(&mut run.command());
    lineprof.hear_error("attached");
    lineprof
}

fn leave(lineprof: Running) -> (Report, Finished) {
    lineprof.signal(Signal::SIGINT);
    let finished = lineprof.finish();
    assert_eq!(finished.code(), 0, "{}", finished.stderr_text());
    (Report::parse(&finished.stdout_text()), finished)
}

fn ask(host: &mut Running, command: &str, answer: &str) {
    host.say(command);
    assert_eq!(host.hear(), answer);
}

#[test]
fn c048_memory_where_a_library_was_is_the_programs_own() {
    let mut host = Running::start(Command::new(host()).arg(plugin()));
    assert_eq!(host.hear(), "ready");
    ask(&mut host, "load", "grown");
    let lineprof = attach(&host);
    ask(&mut host, "unload", "unloaded");
    ask(&mut host, "check", "same");
    leave(lineprof);
    ask(&mut host, "check", "same");

    // Once more from the other side: attached before it comes, left while it is there.
    let lineprof = attach(&host);
    ask(&mut host, "load", "grown");
    ask(&mut host, "unload", "unloaded");
    ask(&mut host, "load", "grown");
    let (report, _) = leave(lineprof);
    check(&report, 2, 1);
    ask(&mut host, "unload", "unloaded");
    ask(&mut host, "check", "same");
    assert_eq!(host.finish().code(), 0);
}
