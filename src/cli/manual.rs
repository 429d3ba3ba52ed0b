//! `apitap completions` and `apitap man`: what clap knows of the command line, for shells and for man.

use std::fs;
use std::io::{self, Write};

use clap::CommandFactory;
use clap_mangen::Man;

use super::args::{Apitap, CompletionsArgs, ManArgs};
use super::{Exit, tell};

pub(super) fn completions(args: &CompletionsArgs) -> Exit {
    let mut text = Vec::new();
    clap_complete::generate(args.shell, &mut Apitap::command(), "apitap", &mut text);
    ended(io::stdout().write_all(&text), "standard output")
}

pub(super) fn run(args: &ManArgs) -> Exit {
    match &args.to {
        None => {
            let mut text = Vec::new();
            let written = Man::new(Apitap::command()).render(&mut text).and_then(|()| io::stdout().write_all(&text));
            ended(written, "standard output")
        }
        Some(folder) => {
            let written = fs::create_dir_all(folder).and_then(|()| clap_mangen::generate_to(Apitap::command(), folder));
            ended(written, &folder.display().to_string())
        }
    }
}

fn ended(written: io::Result<()>, place: &str) -> Exit {
    match written {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            tell(&format!("cannot write {place}: {error}"));
            Exit::Failed
        }
        _ => Exit::Fine,
    }
}
