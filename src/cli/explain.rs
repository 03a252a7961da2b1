//! `caddie explain`

use std::fmt::Write;

use clap::Args;

use super::rulebook_option::RulebookOption;
use super::terminal;
use crate::checks::coverage;
use crate::report::{Code, Explanation, Topic};
use caddie_files::exit;
use caddie_files::{Error, Result};
use caddie_rulebook::Rulebook;

/// Explain a rule or a code of a finding: what it says, who says so, how it is cleared.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  caddie explain size-cap-decimal
  caddie explain TRAIN_TIME_OVER_600S
  caddie explain --list")]
pub struct ExplainArgs {
    /// Rules or codes, in upper or lower case
    #[arg(required_unless_present = "list", value_name = "RULE|CODE")]
    pub names: Vec<String>,
    /// List every rule and code
    #[arg(long, conflicts_with = "names")]
    pub list: bool,
    #[command(flatten)]
    pub rulebook: RulebookOption,
}

/// Explains each name.
///
/// # Errors
/// When a name is neither a rule nor a code; the nearest ones are named.
pub fn run(args: &ExplainArgs) -> Result<u8> {
    let book = args.rulebook.load()?;
    let text = if args.list { list(&book) } else { explain(&args.names, &book)? };
    terminal::show(&text)?;
    Ok(exit::OK)
}

fn explain(names: &[String], book: &Rulebook) -> Result<String> {
    let about = |name: &str| coverage::named(name).map(|check| check.about);
    let width = width();
    let pages: Vec<String> = names
        .iter()
        .map(|name| {
            let topic = Topic::find(name, book).ok_or_else(|| unknown(name, book))?;
            Ok(Explanation::new(topic, &book.repository, about).plain(width))
        })
        .collect::<Result<_>>()?;
    Ok(pages.join("\n"))
}

fn unknown(name: &str, book: &Rulebook) -> Error {
    let nearest = Topic::nearest(name, book);
    let hint = match nearest.as_slice() {
        [] => String::new(),
        names => format!("did you mean {}? ", names.join(", ")),
    };
    Error::Usage(format!("{name:?} is neither a rule nor a code; {hint}caddie explain --list lists them"))
}

/// Returns the columns of the terminal, up to a width that is pleasant to read.
fn width() -> Option<usize> {
    super::columns_of_stdout().map(|width| width.min(110))
}

fn list(book: &Rulebook) -> String {
    let mut text = format!("rules of {}\n", book.id());
    let longest = book.rules.iter().map(|rule| rule.id.len()).max().unwrap_or(0);
    for rule in &book.rules {
        let decided = if rule.checks.is_empty() { "  (no check)" } else { "" };
        let _ = writeln!(text, "  {:longest$}  {:7}  {}{decided}", rule.id, rule.severity.name(), rule.statement);
    }
    text.push_str("\ncodes\n");
    let longest = Code::ALL.iter().map(|code| code.name().len()).max().unwrap_or(0);
    for code in Code::ALL {
        let _ = writeln!(text, "  {:longest$}  {}", code.name(), code.description());
    }
    text
}
