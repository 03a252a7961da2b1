//! `caddie doctor`, and `caddie submit --dry-run`.

use std::fmt::Write as _;

use camino::Utf8PathBuf;
use clap::{Args, ValueEnum};

use super::rulebook_option::RulebookOption;
use super::terminal;
use crate::project::Project;
use crate::runner::ready::{Intended, Need, NeedState, look};
use crate::runner::script::launcher::Launcher;
use caddie_files::{Result, exit};
use caddie_rulebook::Rulebook;

/// Say what of a submission's needs is here, and the command that mends each lack
///
/// It looks at libtorch, CUDA, Python, torch, the sandbox, the disk, the data, the track and the author, takes what caddie.toml
/// says, changes nothing and fetches nothing. caddie submit --dry-run says the same of one submission.
#[derive(Debug, Clone, Args)]
#[command(after_help = "\
Examples:
  caddie doctor
  caddie doctor --data ./data/datasets/fineweb10B_sp1024 --track 10min_16mb
  caddie submit --script train_gpt.py --data ./data --dry-run

Exit codes:
  0  nothing is missing; what is absent or contradicts is told
  1  something is missing that a submission needs")]
pub struct DoctorArgs {
    /// A data root with datasets/ and tokenizers/, or a dataset folder with fineweb_*.bin shards
    #[arg(long, value_name = "DIR", env = "DATA_PATH")]
    pub data: Option<Utf8PathBuf>,
    /// Track, by its name or that of its folder [default: the rulebook's record track]
    #[arg(long)]
    pub track: Option<String>,
    /// Folder of the runs
    #[arg(long, value_name = "DIR", default_value = ".")]
    pub out: Utf8PathBuf,
    /// Format of the result
    #[arg(long, value_enum, default_value = "plain")]
    pub format: DoctorFormat,
    #[command(flatten)]
    pub rulebook: RulebookOption,
}

/// Forms of the result.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum DoctorFormat {
    Plain,
    Json,
}

/// Looks and prints.
///
/// # Errors
/// When the rulebook cannot be read, or standard output cannot be written.
pub fn run(args: &DoctorArgs, project: Option<&Project>) -> Result<u8> {
    let mut intended =
        Intended { data: args.data.clone(), track: args.track.clone(), out: args.out.clone(), ..Intended::default() };
    if let Some(project) = project {
        intended.script.clone_from(&project.script);
        intended.recipe.clone_from(&project.recipe);
        intended.nproc = project.nproc;
        intended.launcher = project.launcher.as_deref().and_then(|words| Launcher::parse(words).ok());
        intended.author = project.author.clone().unwrap_or_default();
        intended.github_id = project.github_id.clone().unwrap_or_default();
        intended.env = project.settings(&[]);
    }
    told(&intended, &args.rulebook.load()?, args.format)
}

/// Looks at what a submission needs, prints it, and returns the exit code.
///
/// # Errors
/// When standard output cannot be written.
pub(super) fn told(intended: &Intended, rulebook: &Rulebook, format: DoctorFormat) -> Result<u8> {
    let needs = look(intended, rulebook);
    let text = match format {
        DoctorFormat::Plain => plain(&needs),
        DoctorFormat::Json => {
            let json = serde_json::json!({ "schema_version": 1, "needs": needs });
            format!("{json:#}\n")
        }
    };
    match format {
        DoctorFormat::Plain => terminal::show(&text)?,
        DoctorFormat::Json => super::print(&text)?,
    }
    let missing = needs.iter().any(|need| need.state == NeedState::Missing);
    Ok(if missing { exit::FINDINGS } else { exit::OK })
}

fn plain(needs: &[Need]) -> String {
    let (mut text, pen) = (String::new(), terminal::pen());
    for need in needs {
        let word = match need.state {
            NeedState::Ok => pen.good("ok         "),
            NeedState::Absent => pen.dim("absent     "),
            NeedState::Contradicts => pen.doubt("contradicts"),
            NeedState::Missing => pen.alarm("missing    "),
        };
        // Writing to a String cannot fail.
        let _ = writeln!(text, "{word}  {:<9}  {}", need.name, super::shown(&need.found));
        if let Some(remedy) = &need.remedy {
            let _ = writeln!(text, "{:<24}-> {}", "", super::shown(remedy));
        }
    }
    text
}
