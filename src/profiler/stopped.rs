//! Waiting until a process that was left stopped is so: each thread takes the signal when it next runs.
//!
//! Must not know: why it was stopped. The thread that was given the signal runs nothing of the program before it stops;
//! the others may be in the middle of a system call.

use std::fs;
use std::time::{Duration, Instant};

use lineprof_tracer::Pid;

/// A thread in an uninterruptible sleep stops after it, whenever that is.
const LONGEST: Duration = Duration::from_secs(2);

/// Returns when every thread of `process` has stopped or is gone, or when it takes too long.
pub(super) fn wait_for(process: Pid) {
    let start = Instant::now();
    while !has_stopped(process) && start.elapsed() < LONGEST {
        std::thread::sleep(Duration::from_millis(1));
    }
}

fn has_stopped(process: Pid) -> bool {
    let Ok(tasks) = fs::read_dir(format!("/proc/{process}/task")) else {
        return true;
    };
    tasks.flatten().all(|task| {
        let stat = fs::read_to_string(task.path().join("stat"));
        stat.is_ok_and(|stat| is_stopped(&stat)) || !task.path().exists()
    })
}

/// By the state in a line of stat, which stands behind the name (proc(5)).
fn is_stopped(stat: &str) -> bool {
    let behind = stat.rsplit_once(") ").map_or("", |(_, behind)| behind);
    // Zombies run nothing either.
    behind.starts_with(['T', 't', 'Z', 'X'])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_state_stands_behind_any_name() {
        assert!(is_stopped("7 (a) R) T 1 7 7"));
        assert!(!is_stopped("7 (a) T) R 1 7 7"));
        assert!(!is_stopped(""));
    }
}
