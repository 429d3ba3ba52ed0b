//! The apitap command.

use std::process::ExitCode;

use apitap::cli::{self, args::Apitap};
use clap::Parser;

fn main() -> ExitCode {
    cli::run(&Apitap::parse()).into()
}
