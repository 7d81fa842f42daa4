//! Compiles the agent, the code that the inline engine puts into profiled processes.
//!
//! Must not know: what it does. The compiler that cargo uses makes a program of it without a standard library; the linker
//! lays that out as one block of code and constants that may lie at any address (`agent.ld`), and anything that would
//! need to be relocated or written to makes it fail.

use std::env;
use std::ffi::OsString;
use std::path::Path;
use std::process::Command;

const SOURCES: &str = "src/agent";

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed={SOURCES}");
    let variable = |name| env::var_os(name).unwrap_or_else(|| panic!("cargo sets {name} for build scripts"));
    let sources = Path::new(&variable("CARGO_MANIFEST_DIR")).join(SOURCES);
    let output = Path::new(&variable("OUT_DIR")).join("agent.bin");
    let mut compiler = Command::new(variable("RUSTC"));
    compiler
        .arg("--edition=2024")
        .arg("--crate-name=agent")
        .args([
            "-C",
            "opt-level=3",
            "-C",
            "panic=abort",
            "-C",
            "relocation-model=pic",
        ])
        .args([
            "-C",
            "codegen-units=1",
            "-C",
            "debug-assertions=off",
            "-C",
            "overflow-checks=off",
        ])
        // No vector registers beyond those that `inline::slow` saves.
        .args(["-C", "target-cpu=x86-64", "-C", "force-unwind-tables=no"])
        .args(["-C", "linker-flavor=gcc"])
        .arg("--target")
        .arg(variable("TARGET"));
    if let Some(linker) = env::var_os("RUSTC_LINKER") {
        let mut option = OsString::from("linker=");
        option.push(linker);
        compiler.arg("-C").arg(option);
    }
    let mut script = OsString::from("link-arg=-Wl,-T,");
    script.push(sources.join("agent.ld"));
    compiler.arg("-C").arg(script);
    for argument in [
        "-nostdlib",
        "-nostartfiles",
        "-static",
        "-no-pie",
        "-Wl,--oformat=binary",
        "-Wl,--build-id=none",
        "-fuse-ld=bfd",
    ] {
        compiler.arg("-C").arg(format!("link-arg={argument}"));
    }
    compiler.arg("-o").arg(&output).arg(sources.join("main.rs"));
    let status = compiler.status();
    let status = status.unwrap_or_else(|error| panic!("cannot run the compiler: {error}"));
    assert!(status.success(), "cannot compile {}", sources.display());
}
