//! The command `lineprof`: a client of the library of the same name. No logic here.

mod cli;
#[cfg(test)]
mod goldens;

fn main() -> std::process::ExitCode {
    cli::main()
}
