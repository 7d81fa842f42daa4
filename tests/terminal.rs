//! A shell with job control in a real terminal: what a person types reaches the program, and the shell sees a job.

mod support;

use nix::pty::openpty;
use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::path::Path;
use std::process::{Child, Command};
use std::sync::mpsc::{Receiver, channel};
use support::{Lineprof, Program, WATCHDOG};

const CTRL_C: &str = "\x03";
const CTRL_Z: &str = "\x1a";

/// An interactive bash in a terminal of its own.
struct Shell {
    keys: File,
    screen: Receiver<Vec<u8>>,
    seen: String,
    child: Child,
}

impl Shell {
    fn open() -> Shell {
        let pty = openpty(None, None).expect("there are terminals");
        let end = |fd: &OwnedFd| fd.try_clone().expect("there are descriptors");
        // setsid(1) --ctty makes the terminal the shell's own.
        let child = Command::new("setsid")
            .args(["--ctty", "--wait", "bash", "--norc", "--noprofile", "-i"])
            .env("PS1", "shell> ")
            .env_remove("PROMPT_COMMAND")
            .stdin(end(&pty.slave))
            .stdout(end(&pty.slave))
            .stderr(end(&pty.slave))
            .spawn()
            .expect("setsid and bash are there");
        drop(pty.slave);
        let mut output = File::from(end(&pty.master));
        let (send, screen) = channel();
        std::thread::spawn(move || {
            let mut piece = [0; 4096];
            // Reading from a terminal whose other end is closed fails with EIO.
            while let Ok(length @ 1..) = output.read(&mut piece) {
                if send.send(piece[..length].to_vec()).is_err() {
                    break;
                }
            }
        });
        let mut shell = Shell {
            keys: File::from(pty.master),
            screen,
            seen: String::new(),
            child,
        };
        shell.see("shell> ");
        shell
    }

    fn press(&mut self, keys: &str) {
        self.keys
            .write_all(keys.as_bytes())
            .expect("the terminal is open");
    }

    fn enter(&mut self, line: &str) {
        self.press(line);
        self.press("\n");
    }

    /// Waits until `what` is on the screen; what was there before it.
    fn see(&mut self, what: &str) -> String {
        loop {
            if let Some(at) = self.seen.find(what) {
                let before = self.seen[..at].to_string();
                self.seen.drain(..at + what.len());
                return before;
            }
            match self.screen.recv_timeout(WATCHDOG) {
                Ok(piece) => self.seen.push_str(&String::from_utf8_lossy(&piece)),
                Err(error) => panic!("`{what}` does not come ({error}); on the screen:\n{}", self.seen),
            }
        }
    }

    /// Runs a line to the next prompt; its exit code.
    fn exit_code(&mut self) -> String {
        self.enter("echo \"code=$?\"");
        self.see("code=$?\"");
        self.see("code=");
        let code = self.see("\r\n");
        self.see("shell> ");
        code
    }

    /// The terminal's settings.
    fn settings(&mut self) -> String {
        self.enter("stty -a; echo \"end of\" settings");
        self.see("\r\n");
        let settings = self.see("end of settings");
        self.see("shell> ");
        settings
    }

    fn close(mut self) {
        self.enter("exit");
        let status = self.child.wait().expect("an own child");
        assert!(status.success(), "{status}");
    }
}

/// The command line that profiles `work` of the program, with `argument`.
fn lineprof(argument: &str, report: &Path) -> String {
    let program = Program::load("c/interactive.c").build_first().path;
    let command = Lineprof::new()
        .functions(&["work"])
        .option("-o")
        .option(report)
        .command();
    let words: Vec<String> = [command.get_program()]
        .into_iter()
        .chain(command.get_args())
        .map(|word| format!("'{}'", word.display()))
        .collect();
    format!("{} '{}' {argument}", words.join(" "), program.display())
}

#[test]
fn c067_ctrl_z_stops_the_job_and_fg_lets_it_go_on() {
    let folder = tempfile::tempdir().expect("the temporary folder is writable");
    let report = folder.path().join("report.json");
    let mut shell = Shell::open();
    shell.enter(&lineprof("busy", &report));
    shell.see("working");
    for _ in 0..10 {
        shell.press(CTRL_Z);
        shell.see("Stopped");
        shell.see("shell> ");
        shell.enter("jobs");
        shell.see("Stopped");
        shell.see("shell> ");
        shell.enter("fg");
        // Only now is it in the foreground, where the next key reaches it.
        shell.see("continued");
    }
    shell.press(CTRL_C);
    shell.see("interrupted");
    shell.see("shell> ");
    assert_eq!(shell.exit_code(), "9");
    shell.close();
    let text = std::fs::read_to_string(&report).expect("the report is written");
    assert!(text.contains("\"code\": 9"), "{text}");
}

#[test]
fn c109_a_program_in_raw_mode_gets_every_key_and_the_terminal_is_left_as_it_was() {
    let folder = tempfile::tempdir().expect("the temporary folder is writable");
    let report = folder.path().join("report.json");
    let mut shell = Shell::open();
    let before = shell.settings();
    shell.enter(&lineprof("raw", &report));
    shell.see("keys please");
    // In raw mode these are keys as others are.
    for (key, number) in [("a", 97), (CTRL_C, 3), (CTRL_Z, 26)] {
        shell.press(key);
        shell.see(&format!("key {number}\r\n"));
    }
    shell.press("q");
    shell.see("shell> ");
    assert_eq!(shell.exit_code(), "7");
    assert_eq!(shell.settings(), before);
    shell.close();
}

#[test]
fn c109_a_report_to_a_terminal_from_the_background_stops_nobody() {
    let folder = tempfile::tempdir().expect("the temporary folder is writable");
    let mut shell = Shell::open();
    shell.enter("stty tostop");
    shell.see("shell> ");
    let said = folder.path().join("said").display().to_string();
    let words = lineprof(&format!("busy > {said}"), Path::new("/dev/stderr"));
    shell.enter(&format!("{words} &"));
    shell.see("shell> ");
    shell.enter(&format!("until grep -q working {said}; do :; done"));
    shell.see("shell> ");
    shell.enter("kill -INT %1; wait %1; echo \"end\"ed $?");
    shell.see("Function: work");
    shell.see("ended 9");
    shell.close();
}

#[test]
fn c067_a_stopped_job_goes_on_in_the_background() {
    let folder = tempfile::tempdir().expect("the temporary folder is writable");
    let mut shell = Shell::open();
    shell.enter(&lineprof("busy", &folder.path().join("report.json")));
    shell.see("working");
    shell.press(CTRL_Z);
    shell.see("Stopped");
    shell.enter("bg");
    shell.see("continued");
    shell.enter("kill -INT %1; wait %1; echo \"end\"ed $?");
    shell.see("interrupted");
    shell.see("ended 9");
    shell.close();
}
