//! The demo.

use clap::Args;

/// Arguments of `apitap demo`.
#[derive(Args, Debug)]
pub struct DemoArgs {
    /// End when the story is told, after some twenty seconds, rather than at Ctrl-C
    #[arg(long)]
    pub once: bool,
}
