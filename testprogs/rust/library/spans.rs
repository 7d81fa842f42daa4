// Proves: a program watches its own functions from enable to disable, and the stats are those of all spans together:
// calls and increments add up, what ran outside is not in them, and reset forgets.
#[path = "../../include/settle.rs"]
mod settle;
use lineprof::profile::Metric;
use lineprof::{LineProfiler, Profile};
use settle::{PAGE, grow, settle};

fn work(pages: usize) {
    let kept = grow(pages * PAGE);
    std::mem::forget(kept);
}

fn other() -> usize {
    PAGE
}

/// Calls of `work`, its increment, and of the line that grows: occurrences, total, mean and greatest increment in pages.
fn numbers(profile: &Profile) -> (u64, i64, u64, i64, Option<f64>, i64) {
    let page = PAGE as i64;
    let function = profile.function("work").expect("it is watched");
    let line = function.line(function.line + 1).expect("it has code");
    (
        function.calls,
        function.increment.0 / page,
        line.occurrences(),
        line.increment.0 / page,
        line.mean_increment().map(|mean| mean / PAGE as f64),
        line.greatest_increment.0 / page,
    )
}

fn main() {
    settle();
    let mut profiler = LineProfiler::new().metric(Metric::Anon);
    assert_eq!(
        profiler.snapshot().expect_err("nothing yet").to_string(),
        "nothing was profiled so far"
    );
    profiler.profile_function("spans::work").expect("a pattern");
    profiler.profile_function_at(other as *const ());
    work(1000);
    assert!(!profiler.is_enabled());
    profiler.enable().expect("enabled");
    profiler.enable().expect("still enabled");
    work(10);
    work(20);
    profiler.disable().expect("disabled");
    profiler.disable().expect("still disabled");
    work(1000);
    profiler.enable().expect("enabled");
    work(30);
    let snapshot = profiler.snapshot().expect("a snapshot");
    assert!(profiler.is_enabled());
    assert_eq!(numbers(&snapshot), (3, 60, 3, 60, Some(20.0), 30));
    assert_eq!(snapshot.function("other").expect("watched by its address").calls, 0);
    work(40);
    other();
    let snapshot = profiler.snapshot().expect("a snapshot");
    assert_eq!(numbers(&snapshot), (4, 100, 4, 100, Some(25.0), 40));
    assert_eq!(snapshot.function("other").expect("watched by its address").calls, 1);

    profiler.reset().expect("watched on");
    work(5);
    profiler.disable().expect("disabled");
    let profile = profiler.snapshot().expect("a profile");
    assert_eq!(numbers(&profile), (1, 5, 1, 5, Some(5.0), 5));
    profiler.reset().expect("forgotten");
    assert!(profiler.snapshot().is_err());

    // Called as a whole, with its own lines.
    let doubled = profiler.run(|| {
        work(7);
        other() * 2
    });
    assert_eq!(doubled.expect("run"), 2 * PAGE);
    let profile = profiler.snapshot().expect("a profile");
    assert_eq!(numbers(&profile), (1, 7, 1, 7, Some(7.0), 7));
    let closure = profile.functions.iter().find(|f| f.name.starts_with("spans::main::"));
    assert_eq!(closure.map(|f| f.calls), Some(1));

    // A panic gives the process back.
    let panicked = std::panic::catch_unwind(|| lineprof::profile_call(|| panic!("on purpose")));
    assert!(panicked.is_err());
    profiler.reset().expect("forgotten");
    profiler.enable().expect("nobody traces this process any more");
    work(1);
    assert_eq!(numbers(&profiler.snapshot().expect("a snapshot")).0, 1);
    println!("done");
}
