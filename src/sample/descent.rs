//! Who descends from a process now.
//!
//! Must not know: memory.
//!
//! ```text
//! /proc/PID/task/TID/children of each thread, and of each process in it        (kernels with CONFIG_PROC_CHILDREN)
//! /proc/*/stat, for who is whose parent                                         (others)
//! ```
//! As `ps` has it: a process whose parent has ended belongs to init, or whoever adopts it, and is no descendant any
//! more. proc_pid_children(5): a child may be left out of a list while another ends; it is in the next.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use lineprof_tracer::{Identity, Pid};

/// A process and its parent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Child {
    pub(super) pid: Pid,
    pub(super) parent: Pid,
}

/// Where the kernel tells who is whose child.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Source {
    /// A list for each thread.
    Lists,
    /// The parent of each process of the machine.
    Parents,
}

impl Source {
    /// What this kernel has.
    pub(super) fn of_this_kernel() -> Source {
        if Path::new("/proc/thread-self/children").exists() {
            Source::Lists
        } else {
            Source::Parents
        }
    }

    /// The descendants of a process, parents before their children.
    pub(super) fn descendants(self, of: &Identity) -> Vec<Child> {
        match self {
            Source::Lists => descend(of.pid(), &mut |pid| {
                if pid == of.pid() {
                    children_of(&of.folder())
                } else {
                    children_of(Path::new(&format!("/proc/{pid}")))
                }
            }),
            Source::Parents => {
                let mut children: BTreeMap<i32, Vec<Pid>> = BTreeMap::new();
                for entry in entries(Path::new("/proc")) {
                    if let Some(parent) = parent_in(Path::new(&format!("/proc/{entry}"))) {
                        children.entry(parent.0).or_default().push(Pid(entry));
                    }
                }
                descend(of.pid(), &mut |pid| children.remove(&pid.0).unwrap_or_default())
            }
        }
    }
}

/// All below `root`, level by level. Lists that contradict each other, read at different times, do no harm.
fn descend(root: Pid, children_of: &mut dyn FnMut(Pid) -> Vec<Pid>) -> Vec<Child> {
    let mut seen = BTreeSet::from([root.0]);
    let mut found: Vec<Child> = Vec::new();
    let mut next = Some(root);
    let mut asked = 0;
    while let Some(parent) = next {
        for pid in children_of(parent) {
            if seen.insert(pid.0) {
                found.push(Child { pid, parent });
            }
        }
        next = found.get(asked).map(|child| child.pid);
        asked += 1;
    }
    found
}

/// The children of a process, by its folder of /proc; none when it is gone.
fn children_of(folder: &Path) -> Vec<Pid> {
    let mut children = Vec::new();
    let tasks = folder.join("task");
    for tid in entries(&tasks) {
        let list = fs::read_to_string(tasks.join(tid.to_string()).join("children")).unwrap_or_default();
        children.extend(pids(&list));
    }
    children
}

fn pids(list: &str) -> impl Iterator<Item = Pid> {
    list.split_ascii_whitespace()
        .filter_map(|pid| pid.parse().ok())
        .map(Pid)
}

/// The threads of a process, by its folder of /proc.
pub(super) fn threads(folder: &Path) -> impl Iterator<Item = i32> {
    entries(&folder.join("task"))
}

/// The entries of a folder that are numbers; none when it is gone.
fn entries(folder: &Path) -> impl Iterator<Item = i32> + use<> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok())
}

/// The parent of a process, by its folder of /proc.
pub(super) fn parent_in(folder: &Path) -> Option<Pid> {
    let stat = fs::read(folder.join("stat")).ok()?;
    // proc_pid_stat(5): the name is in parentheses and may hold any of them; the state and the parent follow.
    let behind = stat.iter().rposition(|b| *b == b')')?;
    let fields = std::str::from_utf8(&stat[behind + 1..]).ok()?;
    fields.split_ascii_whitespace().nth(1)?.parse().ok().map(Pid)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree(of: &[(i32, &[i32])]) -> Vec<(i32, i32)> {
        let mut children_of = |pid: Pid| {
            let own = of.iter().find(|(parent, _)| *parent == pid.0);
            own.map_or(Vec::new(), |(_, children)| {
                children.iter().map(|pid| Pid(*pid)).collect()
            })
        };
        let found = descend(Pid(1), &mut children_of);
        found.iter().map(|child| (child.pid.0, child.parent.0)).collect()
    }

    #[test]
    fn descendants_come_level_by_level_with_their_parents() {
        let found = tree(&[(1, &[2, 3]), (2, &[4]), (4, &[5]), (9, &[10])]);
        assert_eq!(found, [(2, 1), (3, 1), (4, 2), (5, 4)]);
    }

    #[test]
    fn lists_that_contradict_each_other_end() {
        assert_eq!(tree(&[(1, &[2]), (2, &[3]), (3, &[1, 2])]), [(2, 1), (3, 2)]);
        assert_eq!(tree(&[(1, &[1])]), []);
    }

    #[test]
    fn a_list_of_children_is_numbers_with_blanks() {
        assert_eq!(pids("12 13 \n").collect::<Vec<_>>(), [Pid(12), Pid(13)]);
        assert_eq!(pids("").count(), 0);
    }

    #[test]
    fn this_process_has_a_parent() {
        let parent = parent_in(Path::new("/proc/self")).expect("this process is there");
        assert_eq!(parent.0.cast_unsigned(), std::os::unix::process::parent_id());
    }
}
