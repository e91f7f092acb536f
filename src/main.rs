//! The process: its limits, its runtime, its exit code.

use lastgood::cli;
use lastgood::error::{Error, Kind};
use lastgood::sources;
use rustix::process::{Resource, Rlimit};
use std::process::ExitCode;

/// Workers of the runtime: they wait for stores, the work is done on other threads.
const WORKERS: usize = 2;

fn main() -> ExitCode {
    set_limits();
    let cli = match cli::parse() {
        Ok(cli) => cli,
        Err(code) => return code,
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(WORKERS).enable_all().build();
    match runtime {
        Ok(runtime) => {
            let code = runtime.block_on(cli::run(cli));
            // What is still at work after an error or Ctrl-C is not waited for: a run may be cut off anywhere.
            runtime.shutdown_background();
            code
        }
        Err(e) => cli::fail(&Error::new(Kind::Internal, "Cannot start threads").because(e)),
    }
}

/// What we write is nobody else's, as many files may be open as the system allows, and no secret ends in a core file.
fn set_limits() {
    rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o077));
    sources::allow_many_open_files();
    // It may be forbidden, and then we go on without.
    let _ = rustix::process::setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) });
}
