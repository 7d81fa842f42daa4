//! The command `lineprof`: a client of the library of the same name. No logic here.

mod cli;

fn main() -> std::process::ExitCode {
    cli::main()
}
