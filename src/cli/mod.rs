//! The command line. Each subcommand has one file with its clap arguments, one call into the library, and the printing.

pub mod ablate;
mod ablate_script;
mod ablate_view;
pub mod audit;
mod audit_script;
mod closing;
pub mod completions;
#[cfg(feature = "engine")]
pub mod engine_options;
#[cfg(feature = "engine")]
pub mod evaluate;
pub mod explain;
pub mod fixture;
mod help;
#[cfg(feature = "engine")]
pub mod inspect;
pub mod ladder;
pub mod pack;
#[cfg(feature = "engine")]
pub mod progress;
#[cfg(feature = "engine")]
pub mod recipe;
pub mod rehearse;
pub mod render;
pub mod report_options;
#[cfg(feature = "engine")]
pub mod reproduce;
pub mod rulebook_option;
pub mod rules;
pub mod schema;
pub mod size;
pub mod submit;
mod submit_script;
#[cfg(feature = "engine")]
pub mod train;
pub mod unpack;
pub mod unwrap;
pub mod verify;

use std::io::IsTerminal;
use std::process::ExitCode;

use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};

use crate::Result;
use crate::error::exit;

/// The examples of every build, in lines of at most 80 columns, because clap breaks longer ones at any word.
macro_rules! examples {
    ($own:literal) => {
        concat!(
            "Examples:\n",
            $own,
            "  caddie verify FOLDER                re-derive every number of a records folder
  caddie verify records/              all of them, as a table
  caddie verify --diff main..HEAD     what a pull request adds
  caddie explain size-cap-decimal     what a rule says, who says so, what to do
  caddie rules --family size          the rules, and what becomes of each
  caddie size FOLDER                  counted bytes, limit, headroom
  caddie ladder                       the records that a score is tested against

Exit codes:
  0  fine
  1  findings, over the limit, not reproduced, diverged
  2  wrong usage or unreadable input
  3  interrupted (run it again to continue)
  4  a bug in caddie"
        )
    };
}

#[cfg(feature = "engine")]
const EXAMPLES: &str = examples!(
    "  caddie fixture demo/data            a small corpus with a known floor
  caddie submit demo --data demo/data --track non_record_16mb --out demo
                                      from a recipe to a records folder
"
);
#[cfg(not(feature = "engine"))]
const EXAMPLES: &str = examples!("");

/// Carries a Parameter Golf entry from a recipe to a records folder, and checks any other.
#[derive(Debug, Parser)]
#[command(name = "caddie", version, after_help = EXAMPLES, max_term_width = 110)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Submit(submit::SubmitArgs),
    Ablate(ablate::AblateArgs),
    #[cfg(feature = "engine")]
    Train(train::TrainArgs),
    #[cfg(feature = "engine")]
    Evaluate(evaluate::EvaluateArgs),
    #[cfg(feature = "engine")]
    Recipe(recipe::RecipeArgs),
    #[cfg(feature = "engine")]
    Inspect(inspect::InspectArgs),
    #[cfg(feature = "engine")]
    Reproduce(reproduce::ReproduceArgs),
    Rehearse(rehearse::RehearseArgs),
    Verify(verify::VerifyArgs),
    Rules(rules::RulesArgs),
    Audit(audit::AuditArgs),
    Explain(explain::ExplainArgs),
    Size(size::SizeArgs),
    Ladder(ladder::LadderArgs),
    Render(render::RenderArgs),
    Unpack(unpack::UnpackArgs),
    Unwrap(unwrap::UnwrapArgs),
    Pack(pack::PackArgs),
    Fixture(fixture::FixtureArgs),
    Schema(schema::SchemaArgs),
    Completions(completions::CompletionsArgs),
}

/// Runs the command line and returns its exit code. A panic is reported as a bug, with an exit code of its own.
pub fn main() -> ExitCode {
    #[cfg(feature = "engine")]
    caddie_engine::parallel::prepare_process();
    let code = std::panic::catch_unwind(|| {
        let matches = help::grouped(Cli::command()).get_matches();
        let cli = Cli::from_arg_matches(&matches).unwrap_or_else(|error| error.exit());
        match dispatch(cli.command) {
            Ok(code) => code,
            Err(error) => {
                eprintln!("error: {error}");
                if error.no_room() {
                    eprintln!("earlier work is intact: make room, then run the same command again to continue");
                }
                error.exit_code()
            }
        }
    });
    ExitCode::from(code.unwrap_or_else(|_| {
        eprintln!("error: this is a bug in caddie; please report the command and the lines above");
        exit::INTERNAL
    }))
}

/// Writes results to stdout. A reader that stops early (`caddie … | head`) is not an error; a full disk is.
fn print(text: &str) -> caddie_files::Result<()> {
    print_bytes(text.as_bytes())
}

/// Writes bytes as [`print`] does; they need not be UTF-8.
fn print_bytes(bytes: &[u8]) -> caddie_files::Result<()> {
    use std::io::Write as _;
    let mut out = std::io::stdout().lock();
    match out.write_all(bytes).and_then(|()| out.flush()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            Err(caddie_files::Error::io("standard output", "writing")(error))
        }
        _ => Ok(()),
    }
}

/// Returns the columns of the terminal that standard output is; `None` for a pipe or a file.
fn columns_of_stdout() -> Option<usize> {
    let out = std::io::stdout();
    let size = out.is_terminal().then(|| terminal_size::terminal_size_of(out)).flatten();
    size.map(|(width, _)| usize::from(width.0)).filter(|width| *width > 0)
}

/// Parses the decimal bytes of `--cap`. A unit is refused, because contests count in both kinds.
fn bytes(text: &str) -> std::result::Result<u64, String> {
    text.replace(['_', ','], "").parse().map_err(|_| "give decimal bytes, for example 16000000".to_owned())
}

/// Writes a message that names strangers' files and texts as one line for standard error.
fn shown(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

fn dispatch(command: Command) -> Result<u8> {
    match command {
        Command::Submit(args) => submit::run(&args),
        Command::Ablate(args) => ablate::run(&args),
        #[cfg(feature = "engine")]
        Command::Train(args) => train::run(&args),
        #[cfg(feature = "engine")]
        Command::Evaluate(args) => evaluate::run(&args),
        #[cfg(feature = "engine")]
        Command::Recipe(args) => recipe::run(&args),
        #[cfg(feature = "engine")]
        Command::Inspect(args) => inspect::run(&args),
        #[cfg(feature = "engine")]
        Command::Reproduce(args) => reproduce::run(&args),
        Command::Rehearse(args) => Ok(rehearse::run(&args)?),
        Command::Verify(args) => Ok(verify::run(&args)?),
        Command::Rules(args) => Ok(rules::run(&args)?),
        Command::Audit(args) => Ok(audit::run(&args)?),
        Command::Explain(args) => Ok(explain::run(&args)?),
        Command::Size(args) => Ok(size::run(&args)?),
        Command::Ladder(args) => Ok(ladder::run(&args)?),
        Command::Render(args) => Ok(render::run(&args)?),
        Command::Unpack(args) => Ok(unpack::run(&args)?),
        Command::Unwrap(args) => Ok(unwrap::run(&args)?),
        Command::Pack(args) => Ok(pack::run(&args)?),
        Command::Fixture(args) => Ok(fixture::run(&args)?),
        Command::Schema(args) => Ok(schema::run(&args)?),
        Command::Completions(args) => Ok(completions::run(&args, &mut Cli::command())?),
    }
}
