//! The command line. Each subcommand has one file with its clap arguments, one call into the library, and the printing.

pub mod ablate;
mod ablate_script;
mod ablate_view;
pub mod audit;
mod audit_model;
mod audit_script;
mod audit_tensors;
pub mod caseops;
mod closing;
pub mod collect;
pub mod completions;
pub mod doctor;
#[cfg(feature = "engine")]
pub mod engine;
#[cfg(feature = "engine")]
pub mod engine_options;
pub mod evaluate;
pub mod explain;
mod filter;
pub mod fixture;
mod help;
pub mod init;
#[cfg(feature = "engine")]
pub mod inspect;
pub mod ladder;
mod launch;
mod next;
mod outlook;
pub mod pack;
pub mod probe;
mod probe_invariance;
#[cfg(feature = "engine")]
mod probe_native;
mod probe_report;
mod probe_source;
#[cfg(feature = "engine")]
pub mod progress;
#[cfg(feature = "engine")]
pub mod recipe;
pub mod rehearse;
pub mod render;
mod render_logs;
pub mod report_options;
pub mod reproduce;
#[cfg(feature = "engine")]
mod reproduce_native;
mod reproduce_script;
mod requests;
pub mod rulebook_option;
pub mod rules;
pub mod schema;
mod script_options;
mod script_view;
pub mod size;
pub mod submit;
mod submit_script;
mod terminal;
pub mod train;
pub mod unpack;
pub mod unwrap;
pub mod verify;
mod verify_fix;
mod working_folder;

use std::io::IsTerminal;
use std::process::ExitCode;

use clap::error::ErrorKind;
use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};

use crate::Result;
use crate::error::exit;
use crate::project::Project;

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
    Init(init::InitArgs),
    Doctor(doctor::DoctorArgs),
    Submit(submit::SubmitArgs),
    Collect(collect::CollectArgs),
    Ablate(ablate::AblateArgs),
    Train(train::TrainArgs),
    Evaluate(evaluate::EvaluateArgs),
    #[cfg(feature = "engine")]
    Recipe(recipe::RecipeArgs),
    #[cfg(feature = "engine")]
    Inspect(inspect::InspectArgs),
    Reproduce(reproduce::ReproduceArgs),
    Rehearse(rehearse::RehearseArgs),
    Probe(probe::ProbeArgs),
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
    Caseops(caseops::CaseopsArgs),
    Schema(schema::SchemaArgs),
    Completions(completions::CompletionsArgs),
}

/// Runs the command line and returns its exit code. A panic is reported as a bug, with an exit code of its own.
pub fn main() -> ExitCode {
    let code = std::panic::catch_unwind(|| {
        let project = working_folder::here();
        let command = match &project {
            Ok(Some(project)) => working_folder::with_defaults(Cli::command(), project),
            _ => Cli::command(),
        };
        let matches = help::grouped(command).try_get_matches().unwrap_or_else(|error| {
            // A broken caddie.toml is why something is missing that it would have given.
            if let (Err(broken), ErrorKind::MissingRequiredArgument) = (&project, error.kind()) {
                eprintln!("error: {broken}");
                std::process::exit(exit::USAGE.into());
            }
            error.exit()
        });
        let cli = Cli::from_arg_matches(&matches).unwrap_or_else(|error| error.exit());
        match dispatch(cli.command, &project) {
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

/// Writes a file to standard output, but never to a terminal: 20 kB of base85 in one line tell nobody anything, and a
/// terminal obeys control characters.
///
/// # Errors
/// When standard output is a terminal, or cannot be written.
fn print_file(bytes: &[u8], what: &str) -> caddie_files::Result<()> {
    if std::io::stdout().is_terminal() {
        let reason = format!("{what} is not shown on a terminal; add --out FILE, or > FILE");
        return Err(caddie_files::Error::Usage(reason));
    }
    print_bytes(bytes)
}

/// Writes a stranger's source: byte for byte to a file or a pipe, and to a terminal with its control characters escaped.
fn print_source(source: &[u8]) -> caddie_files::Result<()> {
    if std::io::stdout().is_terminal() {
        print(&harmless(&String::from_utf8_lossy(source)))
    } else {
        print_bytes(source)
    }
}

/// Escapes every control character but the ends of lines and tabs.
fn harmless(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\n' | '\t' => shown.push(c),
            // Every control character is below 0xa0, so two digits say it as Python would.
            c if c.is_control() => shown.push_str(&format!("\\x{:02x}", u32::from(c))),
            c => shown.push(c),
        }
    }
    shown
}

/// Returns the columns of the terminal that standard output is; `None` for a pipe or a file.
fn columns_of_stdout() -> Option<usize> {
    let out = std::io::stdout();
    let size = out.is_terminal().then(|| terminal_size::terminal_size_of(out)).flatten();
    size.map(|(width, _)| usize::from(width.0)).filter(|width| *width > 0)
}

/// Parses the bytes of `--cap`: a number, or one with a decimal unit (`16MB` is 16,000,000 bytes). Binary units are
/// refused, because the contest's limit is decimal and 16 MiB are 777,216 bytes more.
fn bytes(text: &str) -> std::result::Result<u64, String> {
    const UNITS: [(&str, u64); 4] = [("GB", 1_000_000_000), ("MB", 1_000_000), ("kB", 1_000), ("B", 1)];
    let wrong = || "give decimal bytes, for example 16000000 or 16MB".to_owned();
    let text = text.trim();
    if text.ends_with("iB") {
        return Err(format!("{text} counts in powers of 1,024; the limit is decimal: {}", wrong()));
    }
    let ends = |unit: &str| text.len().checked_sub(unit.len()).and_then(|at| text.split_at_checked(at));
    let with_unit = UNITS.iter().find_map(|(unit, bytes)| {
        let (number, end) = ends(unit)?;
        end.eq_ignore_ascii_case(unit).then_some((number.trim_end(), *bytes))
    });
    let (number, unit) = with_unit.unwrap_or((text, 1));
    let number: u64 = number.replace(['_', ','], "").parse().map_err(|_| wrong())?;
    number.checked_mul(unit).filter(|bytes| *bytes > 0).ok_or_else(wrong)
}

/// Writes a message that names strangers' files and texts as one line for standard error.
fn shown(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

/// Runs a command. Those that make an entry go by the `caddie.toml` of the working folder, and refuse a broken one.
fn dispatch(command: Command, found: &caddie_files::Result<Option<Project>>) -> Result<u8> {
    let project = || {
        let project = working_folder::usable(found)?;
        // The engine's program goes on with a command line of which `caddie` has told this.
        #[cfg(feature = "engine")]
        let project_is_told = engine::is_linked();
        #[cfg(not(feature = "engine"))]
        let project_is_told = false;
        if !project_is_told {
            working_folder::tell(project);
        }
        Ok::<_, crate::Error>(project)
    };
    match command {
        Command::Init(args) => init::run(&args),
        Command::Doctor(args) => Ok(doctor::run(&args, project()?)?),
        Command::Submit(args) => submit::run(&args, project()?),
        Command::Collect(args) => Ok(collect::run(&args, project()?)?),
        Command::Ablate(args) => ablate::run(&args),
        Command::Train(args) => train::run(&args),
        Command::Evaluate(args) => evaluate::run(&args),
        #[cfg(feature = "engine")]
        Command::Recipe(args) => engine::run(engine::Work::Recipe(&args)),
        #[cfg(feature = "engine")]
        Command::Inspect(args) => engine::run(engine::Work::Inspect(&args)),
        Command::Reproduce(args) => project().and_then(|_| reproduce::run(&args)),
        Command::Rehearse(args) => Ok(rehearse::run(&args, project()?)?),
        Command::Probe(args) => probe::run(&args),
        Command::Verify(args) => Ok(verify::run(&args, found)?),
        Command::Rules(args) => Ok(rules::run(&args)?),
        Command::Audit(args) => Ok(audit::run(&args)?),
        Command::Explain(args) => Ok(explain::run(&args)?),
        Command::Size(args) => Ok(size::run(&args)?),
        Command::Ladder(args) => Ok(ladder::run(&args)?),
        Command::Render(args) => Ok(render::run(&args, found.as_ref().ok().and_then(Option::as_ref))?),
        Command::Unpack(args) => Ok(unpack::run(&args)?),
        Command::Unwrap(args) => Ok(unwrap::run(&args)?),
        Command::Pack(args) => Ok(pack::run(&args)?),
        Command::Fixture(args) => Ok(fixture::run(&args)?),
        Command::Caseops(args) => Ok(caseops::run(&args)?),
        Command::Schema(args) => Ok(schema::run(&args)?),
        Command::Completions(args) => Ok(completions::run(&args, &Cli::command())?),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cap_is_decimal_whatever_its_unit() {
        for text in ["16000000", "16,000,000", "16_000_000", "16MB", "16 mb", "16000kB", "16000000B"] {
            assert_eq!(bytes(text), Ok(16_000_000), "{text}");
        }
        assert!(bytes("16MiB").unwrap_err().contains("powers of 1,024"));
        for text in ["", "0", "MB", "16 M", "-1", "1.5MB", "99999999999GB", "é"] {
            assert_eq!(bytes(text), Err("give decimal bytes, for example 16000000 or 16MB".to_owned()), "{text}");
        }
    }

    #[test]
    fn a_terminal_gets_no_control_character_of_a_stranger() {
        assert_eq!(harmless("a\tb\n\u{1b}[2J\r\u{9b}31mé"), "a\tb\n\\x1b[2J\\x0d\\x9b31mé");
    }
}
