//! `apitap store`: the embedded ClickHouse.

use super::args::StoreArgs;
use super::{Exit, tell};
use crate::config::Config;
use crate::store::gateway::{self, Confinement, Lifetime, Options, StoreError};

pub(super) fn run(args: &StoreArgs, config: &Config) -> Exit {
    let state = config.state_directory();
    let Some(path) = args.path.clone().or_else(|| state.as_ref().map(|state| state.join("store"))) else {
        tell("there is no place for the data: give a directory with --path or --state");
        return Exit::Usage;
    };
    let library = match gateway::library(args.libchdb.as_deref()) {
        Ok(library) => library,
        Err(missing) => {
            tell(&missing.to_string());
            return Exit::Failed;
        }
    };
    let options = Options {
        state: state.unwrap_or_else(|| path.clone()),
        path,
        listen: args.listen,
        library,
        memory: args.engine_memory.unwrap_or(config.store.engine_memory).bytes(),
        lifetime: if args.until_stdin_ends { Lifetime::StandardInput } else { Lifetime::Signal },
    };
    let ended = gateway::serve(&options, |store, confinement| {
        if confinement == Confinement::User {
            tell(
                "warning: this kernel has no Landlock: whoever has a password of the store can read what this user can, \
                 with the function file()",
            );
        }
        tell(&format!(
            "store: serving ClickHouse {} on http://{} from {}; credentials in {}",
            store.version,
            store.address,
            store.path.display(),
            store.credentials.display(),
        ));
    });
    match ended {
        Err(error) => {
            tell(&error.to_string());
            if matches!(error, StoreError::NotLoopback(_)) { Exit::Usage } else { Exit::Failed }
        }
    }
}
