//! A real server under load, profiled again and again: no request fails, and its clients see nothing.
//!
//! Must not know: how the server works; of redis only its protocol, its counters and the names of some functions.
//!
//! ```text
//! redis-benchmark ══ requests ══► redis-server ◄── attach, count, detach ── lineprof
//!       └── each answer is right      └── INFO: each request counted, none rejected, none failed
//! ```
//!
//! `tests/run` builds redis from Debian's source (`tests/get_redis`). `LINEPROF_STRESS=1` makes twenty rounds of the few
//! of an ordinary run.

mod support;

use nix::sys::signal::Signal;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::fs::FileExt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use support::{Engine, Lineprof, Report, Running, attached_by, build_dir, tracers};

/// Requests of each kind that the clients make before they begin anew.
const REQUESTS: u64 = 5_000;

/// What a round waits for while it is attached.
const WATCHED: u64 = 500;

fn redis(program: &str) -> PathBuf {
    let path = build_dir().with_file_name("redis").join(program);
    assert!(
        path.exists(),
        "no {}: `tests/run` builds it (tests/get_redis)",
        path.display()
    );
    path
}

/// The server, listening in a folder of its own.
struct Server {
    running: Running,
    folder: tempfile::TempDir,
}

/// Clients at work.
struct Load {
    stop: Arc<AtomicBool>,
    clients: JoinHandle<u64>,
}

impl Load {
    /// Lets the clients finish; the number of requests of each kind that they have made.
    fn finish(self) -> u64 {
        self.stop.store(true, Ordering::Relaxed);
        let runs = self.clients.join().expect("no request has failed");
        runs * REQUESTS
    }
}

/// What the server has counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Counted {
    sets: u64,
    gets: u64,
    rejected: u64,
    failed: u64,
}

impl Counted {
    fn requests(self) -> u64 {
        self.sets + self.gets
    }
}

impl Server {
    fn start() -> Server {
        let folder = tempfile::tempdir().expect("the temporary folder is writable");
        let mut running = Running::start(
            Command::new(redis("redis-server"))
                .current_dir(folder.path())
                .args(["--port", "0", "--save", ""])
                .arg("--unixsocket")
                .arg(folder.path().join("socket")),
        );
        loop {
            let line = running.hear();
            assert!(!line.is_empty(), "the server does not start");
            if line.contains("ready to accept connections") {
                return Server { running, folder };
            }
        }
    }

    fn socket(&self) -> PathBuf {
        self.folder.path().join("socket")
    }

    /// Starts the clients: one run of theirs after the other, until they are told to stop.
    fn load(&self) -> Load {
        let mut command = Command::new(redis("redis-benchmark"));
        command.arg("-s").arg(self.socket());
        // Twenty clients, which end at once, and not with 0, when an answer is an error.
        command.args(["-c", "20", "-t", "set,get", "-d", "1000", "-r", "10000", "-q"]);
        command.args(["-n", &REQUESTS.to_string()]);
        let stop = Arc::new(AtomicBool::new(false));
        let told = Arc::clone(&stop);
        let clients = std::thread::spawn(move || {
            let mut runs = 0;
            while !told.load(Ordering::Relaxed) {
                let finished = Running::start(&mut command).finish();
                let said = finished.stdout_text() + &finished.stderr_text();
                assert_eq!(finished.code(), 0, "{said}");
                assert!(!said.contains("Error"), "a client got an error:\n{said}");
                runs += 1;
            }
            runs
        });
        Load { stop, clients }
    }

    /// Asks by the protocol's short form: a line, answered by a length and so many bytes.
    fn counted(&self) -> Counted {
        let mut stream = UnixStream::connect(self.socket()).expect("the server listens");
        stream.write_all(b"INFO commandstats\r\n").expect("it reads");
        let mut answer = BufReader::new(stream);
        let mut length = String::new();
        answer.read_line(&mut length).expect("it answers");
        let length = length.trim_end().strip_prefix('$').map(str::parse);
        let length = length.expect("a text").expect("its length");
        let mut text = vec![0; length];
        answer.read_exact(&mut text).expect("the whole text");
        let text = String::from_utf8(text).expect("words and numbers");

        let mut counted = Counted::default();
        for line in text.lines().filter(|line| line.starts_with("cmdstat_")) {
            let (command, values) = line.split_once(':').expect("a command and its values");
            let value = |name: &str| -> u64 {
                let found = values.split(',').find_map(|pair| pair.strip_prefix(name));
                found.expect("a count").parse().expect("a number")
            };
            match command {
                "cmdstat_set" => counted.sets = value("calls="),
                "cmdstat_get" => counted.gets = value("calls="),
                _ => {}
            }
            counted.rejected += value("rejected_calls=");
            counted.failed += value("failed_calls=");
        }
        counted
    }

    /// Asks until so many requests have been answered.
    fn wait_for(&self, requests: u64, load: &Load) -> Counted {
        loop {
            let counted = self.counted();
            if counted.requests() >= requests {
                return counted;
            }
            assert!(!load.clients.is_finished(), "the clients have ended: {counted:?}");
        }
    }

    /// Checks that nobody is traced or stopped, and that all code is what the files have.
    fn is_unharmed(&self) {
        assert_eq!(tracers(&self.running), [""; 0], "still traced");
        let process = PathBuf::from(format!("/proc/{}", self.running.pid()));
        for task in std::fs::read_dir(process.join("task")).expect("the server lives") {
            let stat = task.expect("the server lives").path().join("stat");
            let stat = std::fs::read_to_string(stat).expect("its threads stay");
            let (_, behind_name) = stat.rsplit_once(") ").expect("proc_pid_stat(5)");
            assert!(
                behind_name.starts_with(['R', 'S', 'D']),
                "a thread is stopped: {stat}"
            );
        }
        assert!(compared_text(&process) >= 3, "the server, the loader, libraries");
    }
}

/// Compares the executable mappings of a process with their files; how many there were.
fn compared_text(process: &Path) -> usize {
    let maps = std::fs::read_to_string(process.join("maps")).expect("the process lives");
    let memory = std::fs::File::open(process.join("mem")).expect("the process may be read");
    let mut compared = 0;
    for line in maps.lines() {
        let words: Vec<&str> = line.split_whitespace().collect();
        let [range, "r-xp", offset, _, _, path] = words[..] else {
            continue;
        };
        if !path.starts_with('/') {
            continue;
        }
        let hex = |number| u64::from_str_radix(number, 16).expect("proc_pid_maps(5)");
        let (start, end) = range.split_once('-').expect("proc_pid_maps(5)");
        let mut there = vec![0; usize::try_from(hex(end) - hex(start)).expect("it is mapped")];
        memory
            .read_exact_at(&mut there, hex(start))
            .expect("mapped memory is readable");
        // What is mapped behind the end of the file is zeros.
        let mut in_file = vec![0; there.len()];
        let file = std::fs::File::open(path).expect("the file is there");
        let mut read = 0;
        while let length @ 1.. = file
            .read_at(&mut in_file[read..], hex(offset) + read as u64)
            .expect("it is readable")
        {
            read += length;
        }
        assert!(there == in_file, "the text of {path} has changed");
        compared += 1;
    }
    compared
}

/// One round; the calls that the report has.
fn profile_under_load(server: &Server, engine: Engine) -> u64 {
    let at_first = server.counted();
    let load = server.load();
    let before = server.wait_for(at_first.requests() + 1, &load);
    let lineprof = attached_by(
        &mut Lineprof::new()
            .engine(engine)
            .functions(&["setCommand", "getCommand", "aeProcessEvents"])
            .options(["--format", "json"])
            .options(["--pid".to_string(), server.running.pid().to_string()])
            .command(),
    );
    let attached = server.counted();
    let leaving = server.wait_for(attached.requests() + WATCHED, &load);
    lineprof.signal(Signal::SIGINT);
    let finished = lineprof.finish();
    server.is_unharmed();
    let after = server.counted();
    assert_eq!(finished.code(), 0, "{}", finished.stderr_text());

    // They still make requests after the detach.
    server.wait_for(after.requests() + WATCHED, &load);
    let made = load.finish();
    let expected = Counted {
        sets: at_first.sets + made,
        gets: at_first.gets + made,
        ..Counted::default()
    };
    assert_eq!(server.counted(), expected, "what the server has answered");

    let report = Report::parse(&finished.stdout_text());
    assert_eq!(report.end.kind, "detached");
    assert!(report.function("aeProcessEvents").calls > 0);
    let calls = report.function("setCommand").calls + report.function("getCommand").calls;
    // The session began and ended within a request each.
    let (least, most) = (
        leaving.requests() - attached.requests() - 1,
        after.requests() - before.requests() + 1,
    );
    assert!(
        (least..=most).contains(&calls),
        "{calls} calls reported, but at least {least} and at most {most} were made"
    );
    calls
}

fn no_request_fails(engine: Engine) {
    let rounds = if std::env::var_os("LINEPROF_STRESS").is_some() {
        20
    } else {
        3
    };
    let server = Server::start();
    let calls: u64 = (0..rounds).map(|_| profile_under_load(&server, engine)).sum();
    let counted = server.counted();
    println!(
        "redis, {engine:?}: {rounds} rounds, {} requests, {} failed, {} rejected; {calls} calls profiled",
        counted.requests(),
        counted.failed,
        counted.rejected
    );
    server.running.signal(Signal::SIGTERM);
    let finished = server.running.finish();
    assert_eq!(finished.code(), 0, "{}", finished.stdout_text());
}

#[test]
fn redis_under_load_displaced() {
    no_request_fails(Engine::Displaced);
}

#[test]
fn redis_under_load_in_place() {
    no_request_fails(Engine::InPlace);
}

#[test]
fn redis_under_load_inline() {
    no_request_fails(Engine::Inline);
}
