//! The apitap command.

use std::process::ExitCode;

use apitap::cli::{self, args::Apitap};

fn main() -> ExitCode {
    match Apitap::of(std::env::args_os()) {
        Ok(command_line) => cli::run(&command_line).into(),
        // With status 0 when it was help that was asked for.
        Err(error) => error.exit(),
    }
}
