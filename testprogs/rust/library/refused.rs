// Proves: what stands in the way is told with what to do, and what was to be profiled has not run then.
use lineprof::{Error, LineProfiler, show_results};

fn main() {
    let mut ran = false;
    let mut set = || ran = true;
    let mut lost = LineProfiler::new().lineprof("/no/such/lineprof");
    let error = lost.run(&mut set).expect_err("a reference to a closure has no name");
    assert!(matches!(error, Error::NoName { .. }), "{error}");
    let pointer: fn() = main;
    assert!(matches!(show_results(pointer), Err(Error::NoName { .. })));
    let error = lost.run(set).expect_err("no executable");
    assert_eq!(
        error.to_string(),
        "cannot start `/no/such/lineprof engine`, which traces this process"
    );
    let mut profiler = LineProfiler::new().lineprof("/bin/echo");
    let error = profiler.enable().expect_err("it says something else");
    assert!(matches!(error, Error::Words { .. }), "{error}");
    let mut profiler = LineProfiler::new();
    profiler.profile_function("mein").expect("a pattern");
    match profiler.enable() {
        Err(Error::Refused(failure)) => {
            println!("{}", failure.message);
            for hint in failure.hints {
                println!("hint: {hint}");
            }
        }
        other => panic!("{other:?}"),
    }
    // One process can trace another at a time.
    let mut first = LineProfiler::new();
    first.profile_function("refused::main").expect("a pattern");
    first.enable().expect("enabled");
    match show_results(main) {
        Err(Error::Refused(failure)) => println!("{}", failure.message),
        other => panic!("{other:?}"),
    }
    assert!(!ran);
}
