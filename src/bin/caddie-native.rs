//! The same command line as `caddie`, linked with libtorch; `caddie` starts it for the work of the engine.

use std::process::ExitCode;

fn main() -> ExitCode {
    // A stage of a run behind walls is this same executable; it has to begin with a single thread.
    let arguments: Vec<_> = std::env::args_os().skip(1).collect();
    if let Some(code) = caddie_walls::enter(&arguments) {
        return code.into();
    }
    caddie::cli::engine::link();
    caddie::cli::main()
}
