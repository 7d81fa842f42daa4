//! Compiles the program that `lineprof demo` profiles.
//!
//! Must not know: lineprof. cargo builds no other package's programs on `cargo run`, and its profiles would optimise
//! this one in a release build; so the compiler that cargo uses is called once more, without optimisation and with
//! debug information, and the result is embedded (`src/cli/demo.rs`).

use std::env;
use std::path::Path;
use std::process::Command;

const SOURCE: &str = "src/demo/program.rs";

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed={SOURCE}");
    let variable = |name| env::var_os(name).unwrap_or_else(|| panic!("cargo sets {name} for build scripts"));
    let source = Path::new(&variable("CARGO_MANIFEST_DIR")).join(SOURCE);
    let mut compiler = Command::new(variable("RUSTC"));
    compiler
        .arg("--edition=2024")
        .arg("--crate-name=demo")
        .args(["-C", "opt-level=0", "-C", "debuginfo=2", "-C", "panic=abort"])
        // One unit, so that the linker leaves out what is not used of it.
        .args(["-C", "codegen-units=1"])
        .arg("--target")
        .arg(variable("TARGET"))
        .arg("-o")
        .arg(Path::new(&variable("OUT_DIR")).join("demo"));
    if let Some(linker) = env::var_os("RUSTC_LINKER") {
        let mut option = std::ffi::OsString::from("linker=");
        option.push(linker);
        compiler.arg("-C").arg(option);
    }
    let status = compiler.arg(&source).status();
    let status = status.unwrap_or_else(|error| panic!("cannot run the compiler: {error}"));
    assert!(status.success(), "cannot compile {}", source.display());
}
