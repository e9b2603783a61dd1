//! The command line of bgpwarden: reads the arguments, runs one command, turns its outcome into an exit status.

use std::io::Write;
use std::process::ExitCode;

use clap::Parser;
use detector::cli::{Cli, Command, WELCOME};
use detector::failure::Failure;
use detector::{alert, app, check, demo, explain, history, init, investigate, manual, notify, replay};

fn main() -> ExitCode {
    let cli = Cli::parse();
    let outcome = match cli.command {
        None => print(WELCOME),
        Some(Command::Schema) => print(&format!("{:#}\n", alert::schema())),
        Some(Command::Explain(args)) => explain::command(&args).and_then(|text| print(&text)),
        Some(Command::Investigate(args)) => investigate::command(&args).and_then(|text| print(&text)),
        Some(Command::Init(args)) => init::command(&args).and_then(|text| print(&text)),
        Some(Command::Check(args)) => check::command(&args).and_then(|text| print(&text)),
        Some(Command::Replay(args)) => replay::command(&args),
        Some(Command::History(args)) => history::command(&args),
        Some(Command::Notify(args)) => notify::command(&args),
        Some(Command::Run(args)) => app::command(&args),
        Some(Command::Demo(args)) => demo::command(&args),
        Some(Command::Completions { shell }) => print(&manual::completions(shell)),
        Some(Command::Man { command }) => manual::page(&command).and_then(|page| print(&page)),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("bgpwarden: {failure}");
            failure.exit_code()
        }
    }
}

/// Writes to stdout; a reader that has gone away (`| head`) is no failure.
fn print(text: &str) -> Result<(), Failure> {
    let mut out = std::io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            Err(Failure::failed(format!("cannot write to stdout: {error}")))
        }
        _ => Ok(()),
    }
}
