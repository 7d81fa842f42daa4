//! The test programs themselves: each is right without a profiler, and none is forgotten.

mod support;

use support::{Program, every_program, programs_on_disk, run};

every_program!(ends_as_its_header_says);

fn ends_as_its_header_says(name: &str) {
    let program = Program::load(name);
    for binary in program.build_all() {
        let finished = run(&binary.path, &program.args);
        assert_eq!(
            finished.code(),
            program.exit.passed_on(),
            "{name}, built by `{}`, ends otherwise than its header says:\n{}",
            binary.build,
            finished.stderr_text()
        );
    }
}

#[test]
fn every_program_on_disk_is_in_the_list() {
    let mut listed: Vec<&str> = PROGRAMS.to_vec();
    listed.sort_unstable();
    let mut on_disk = programs_on_disk();
    on_disk.retain(|name| Program::load(name).role.is_none());
    assert_eq!(listed, on_disk);
}

#[test]
fn every_program_expects_something() {
    for name in PROGRAMS {
        let program = Program::load(name);
        assert!(!program.annotations.is_empty(), "{name} has no annotation");
        assert!(
            !program.patterns.is_empty(),
            "{name} does not say what to profile"
        );
    }
}
