//! Processes by their name.
//!
//! Must not know: what they are wanted for.

use std::fs;

use lineprof_tracer::Pid;

/// A process and its name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Named {
    /// Which.
    pub pid: i32,
    /// Its name: the kernel's, or where that is cut off at 15 bytes, the first word of its command.
    pub name: String,
}

/// The running programs with this name; where there is none, those in whose name it occurs.
///
/// *Shape*: in the order of their numbers; without `except`.
pub fn processes_named(name: &str, except: Pid) -> Vec<Named> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let numbers = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
    let all = numbers
        .filter(|pid| *pid != except.0)
        .filter_map(|pid| {
            let status = fs::read(format!("/proc/{pid}/status")).ok()?;
            let command = fs::read(format!("/proc/{pid}/cmdline")).ok()?;
            Some(Named {
                pid,
                name: name_of(&status, &command)?,
            })
        })
        .collect();
    matching(all, name)
}

fn matching(mut all: Vec<Named>, name: &str) -> Vec<Named> {
    all.sort();
    let exact: Vec<Named> = all.iter().filter(|one| one.name == name).cloned().collect();
    if exact.is_empty() {
        all.retain(|one| one.name.contains(name));
        all
    } else {
        exact
    }
}

/// The name of a program; `None` for a thread of the kernel and a zombie, which have no command.
///
/// Source: proc_pid_comm(5): a name is cut off at 15 bytes. The whole of it is looked for where psutil looks: in the
/// file name of the command's first word.
fn name_of(status: &[u8], command: &[u8]) -> Option<String> {
    const LONGEST: usize = 15;
    let first = command
        .split(|b| *b == 0)
        .next()
        .filter(|word| !word.is_empty())?;
    let line = status.split(|b| *b == b'\n').next()?.strip_prefix(b"Name:")?;
    let short = line.trim_ascii();
    let file = first.rsplit(|b| *b == b'/').next()?;
    let whole = if short.len() >= LONGEST && file.starts_with(short) {
        file
    } else {
        short
    };
    Some(String::from_utf8_lossy(whole).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(all: &[(i32, &str)]) -> Vec<Named> {
        let one = |(pid, name): &(i32, &str)| Named {
            pid: *pid,
            name: (*name).to_string(),
        };
        all.iter().map(one).collect()
    }

    #[test]
    fn a_whole_name_goes_before_a_part() {
        let all = named(&[(9, "redis-server"), (3, "redis"), (5, "redis-cli")]);
        assert_eq!(matching(all.clone(), "redis"), named(&[(3, "redis")]));
        assert_eq!(
            matching(all.clone(), "redis-"),
            named(&[(5, "redis-cli"), (9, "redis-server")])
        );
        assert_eq!(matching(all, "postgres"), []);
    }

    #[test]
    fn a_name_that_the_kernel_cut_off_is_completed() {
        let name = |status: &[u8], command: &[u8]| name_of(status, command);
        let status = b"Name:\tcluster-manager\nUmask:\t0022\n";
        assert_eq!(
            name(status, b"/opt/cluster-manager-daemon\0-v\0"),
            Some("cluster-manager-daemon".into())
        );
        assert_eq!(name(status, b"renamed itself\0"), Some("cluster-manager".into()));
        assert_eq!(
            name(b"Name:\tsh\n", b"/bin/shell\0"),
            Some("sh".into()),
            "not cut off"
        );
        assert_eq!(name(b"Name:\tkthreadd\n", b""), None);
    }
}
