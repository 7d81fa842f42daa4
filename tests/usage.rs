//! Memory over time from a program: of processes, commands and calls.

mod support;

use lineprof::usage::{Call, Error};
use lineprof::{MemoryUsage, MemoryUsageMonitor, memory_usage};
use std::process::Command;
use std::time::Duration;
use support::{served, serving};

const BLOCK: usize = 64 << 20;

fn often() -> MemoryUsage {
    MemoryUsage {
        interval: Duration::from_millis(1),
        ..MemoryUsage::default()
    }
}

#[test]
fn a_call_is_read_before_and_after_and_gives_its_result() {
    let usage = memory_usage(Call(|| vec![1_u8; BLOCK]), often()).expect("measured");
    assert_eq!(usage.result.len(), BLOCK);
    let (first, last) = (&usage.samples[0], &usage.samples[usage.samples.len() - 1]);
    assert!(
        last.memory.0 >= first.memory.0 + BLOCK as u64,
        "{first:?} {last:?}"
    );
    assert!(usage.peak >= Some(last.memory));
    assert_eq!((first.at, first.children.len()), (None, 0));
}

#[test]
fn a_call_that_panics_ends_the_readings_and_goes_on_as_a_panic() {
    let panicked = std::panic::catch_unwind(|| memory_usage(Call(|| panic!("on purpose")), often()));
    let message = panicked.expect_err("it panics").downcast_ref::<&str>().copied();
    assert_eq!(message, Some("on purpose"));
}

#[test]
fn only_the_greatest_reading_is_kept_with_its_time() {
    let greatest = MemoryUsage {
        max_usage: true,
        timestamps: true,
        ..often()
    };
    let usage = memory_usage(Call(|| vec![1_u8; BLOCK]), greatest).expect("measured");
    assert_eq!(usage.samples.len(), 1);
    assert_eq!(Some(usage.samples[0].memory), usage.peak);
    assert!(usage.samples[0].at.is_some());
}

#[test]
fn a_process_without_a_time_limit_is_read_once_and_with_one_until_then() {
    let mut target = serving("c/attach_target.c", 1);
    let pid = target.pid().as_raw().cast_unsigned();
    assert_eq!(memory_usage(pid, often()).expect("measured").samples.len(), 1);
    let limited = MemoryUsage {
        interval: Duration::from_millis(10),
        timeout: Some(Duration::from_millis(45)),
        ..MemoryUsage::default()
    };
    let usage = memory_usage(pid, limited).expect("measured");
    // Due at 0, 10, 20, 30 and 40 ms; what this machine is too late for is left out.
    assert!((1..=5).contains(&usage.samples.len()), "{usage:?}");
    served(&mut target);
    assert_eq!(target.finish().code(), 0);
}

#[test]
fn a_command_is_read_to_its_end_with_its_children_beside_it() {
    let mut command = Command::new("sh");
    // A subshell that is there while the shell waits.
    command.args(["-c", "(sleep 0.3; true) & wait; exit 7"]);
    let with_children = MemoryUsage {
        include_children: true,
        multiprocess: true,
        ..often()
    };
    let usage = memory_usage(command, with_children).expect("measured");
    assert_eq!(usage.result.code(), Some(7));
    let with = usage.samples.iter().find(|sample| !sample.children.is_empty());
    let with = with.expect("the subshell is there for most of the time");
    let children: u64 = with.children.iter().map(|child| child.memory.0).sum();
    assert!(with.memory.0 > children, "{with:?}");
}

#[test]
fn what_is_not_there_is_an_error() {
    // The greatest number that a pid can have is 2^22 (proc_sys_kernel_pid_max(5)).
    let error = memory_usage(1 << 23, MemoryUsage::default()).expect_err("no such process");
    assert!(matches!(error, Error::Process(_)), "{error}");
    let error = memory_usage(Command::new("/no/such/program"), MemoryUsage::default());
    assert_eq!(
        error.expect_err("no such program").to_string(),
        "cannot run `/no/such/program`"
    );
}

#[test]
fn a_monitor_has_a_timeline_from_start_to_stop() {
    let mut monitor = MemoryUsageMonitor::of_this_process(often());
    assert_eq!(monitor.peak(), None);
    monitor.start().expect("started");
    monitor.start().expect("started already");
    let block = vec![1_u8; BLOCK];
    let with_block = monitor.sample().expect("read");
    drop(block);
    monitor.stop().expect("stopped");
    monitor.stop().expect("stopped already");
    let timeline = monitor.timeline();
    assert_eq!(timeline[0].0, Duration::ZERO);
    assert!(timeline.is_sorted_by_key(|(at, _)| *at));
    assert!(with_block.0 >= timeline[0].1.0 + BLOCK as u64);
    assert!(timeline.iter().any(|(_, memory)| *memory == with_block));
    assert!(monitor.peak() >= Some(with_block));
    monitor.start().expect("again");
    monitor.stop().expect("stopped");
    assert!(monitor.peak() < Some(with_block), "what was before is forgotten");
}
