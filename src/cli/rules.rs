//! `caddie rules`

use std::fmt::Write;

use clap::{Args, ValueEnum};
use comfy_table::{Table, presets};
use serde_json::{Value, json};

use super::rulebook_option::RulebookOption;
use crate::checks::coverage::{self, Counts};
use crate::report::Severity;
use caddie_files::exit;
use caddie_files::read_text;
use caddie_files::text::one_line;
use caddie_files::{Error, Result};
use caddie_rulebook::{Authority, Disposition, Flaw, PARAMETER_GOLF_2026, Rule, Rulebook};
use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};

/// List the challenge's rules: what they say, who says so, and what becomes of each in a verification.
#[derive(Debug, Args)]
#[command(after_help = "\
checks: caddie's checks decide the rule. undecided: a folder's files could decide it, this version does not.
out-of-scope: no check of files can. ?: nobody answered whether it holds, so it is never passed.

Examples:
  caddie rules
  caddie rules --family time --authority ruling
  caddie rules gptq
  caddie rules --coverage
  caddie rules --format toml > mine.toml && caddie rules --coverage --rulebook mine.toml

Exit codes: 0 fine, 1 --coverage found a rule without a disposition or one that its check cannot decide,
2 wrong usage, or a rulebook that cannot be read.")]
pub struct RulesArgs {
    /// Only rules whose id or statement holds this text
    #[arg(value_name = "FILTER")]
    pub filter: Option<String>,
    /// Only rules of this authority; may be repeated
    #[arg(long, value_parser = authorities())]
    pub authority: Vec<Authority>,
    /// Only rules of this severity; may be repeated
    #[arg(long, value_enum)]
    pub severity: Vec<RuleSeverity>,
    /// Only rules of this family, such as size, time or val; may be repeated
    #[arg(long)]
    pub family: Vec<String>,
    /// Only rules with this disposition; may be repeated
    #[arg(long, value_enum)]
    pub disposition: Vec<Kind>,
    /// Only rules with a question that nobody answered
    #[arg(long)]
    pub unanswered: bool,
    /// Print the table of dispositions, of every rule or of those that the other options select
    #[arg(long)]
    pub coverage: bool,
    /// Format of the rules; toml prints the whole rulebook as a file
    #[arg(long, value_enum, default_value = "plain")]
    pub format: RulesFormat,
    #[command(flatten)]
    pub rulebook: RulebookOption,
}

/// The severity of a plain breach.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum RuleSeverity {
    Error,
    Warning,
    Info,
}

/// Kinds of disposition.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Kind {
    Checks,
    Undecided,
    OutOfScope,
}

/// The format of a list of rules.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum RulesFormat {
    Plain,
    Json,
    Toml,
}

/// Prints the selected rules; with `--coverage` the exit code tells whether the rulebook is whole.
///
/// # Errors
/// When a family is none of the rulebook's, or the rulebook cannot be read.
pub fn run(args: &RulesArgs) -> Result<u8> {
    let book = args.rulebook.load_flawed()?;
    if let Some(unknown) = args.family.iter().find(|name| !book.families.iter().any(|family| family.id == **name)) {
        let known: Vec<&str> = book.families.iter().map(|family| family.id.as_str()).collect();
        return Err(Error::Usage(format!("--family {unknown}: the families are {}", known.join(", "))));
    }
    let rules: Vec<&Rule> = book.rules.iter().filter(|rule| args.wants(rule)).collect();
    let flaws = coverage::flaws(&book);
    let text = match args.format {
        RulesFormat::Toml => match &args.rulebook.rulebook {
            Some(path) => read_text(path)?,
            None => PARAMETER_GOLF_2026.to_owned(),
        },
        RulesFormat::Json => json(&book, &rules, &flaws),
        RulesFormat::Plain if args.coverage => table(&book, &rules),
        RulesFormat::Plain => list(&book, &rules),
    };
    match args.format {
        RulesFormat::Plain => super::terminal::show(&text)?,
        RulesFormat::Json | RulesFormat::Toml => super::print(&text)?,
    }
    if !args.coverage {
        return Ok(exit::OK);
    }
    let name = args.rulebook.rulebook.as_ref().map_or_else(|| book.id(), ToString::to_string);
    for flaw in &flaws {
        eprintln!("error: {}", super::shown(&format!("{name}: {flaw}")));
    }
    Ok(if flaws.is_empty() { exit::OK } else { exit::FINDINGS })
}

impl RulesArgs {
    fn wants(&self, rule: &Rule) -> bool {
        let severity = |wanted: &RuleSeverity| match wanted {
            RuleSeverity::Error => rule.severity == Severity::Error,
            RuleSeverity::Warning => rule.severity == Severity::Warning,
            RuleSeverity::Info => rule.severity == Severity::Info,
        };
        let kind = |wanted: &Kind| {
            matches!(
                (wanted, rule.disposition()),
                (Kind::Checks, Some(Disposition::Checks(_)))
                    | (Kind::Undecided, Some(Disposition::Undecided(_)))
                    | (Kind::OutOfScope, Some(Disposition::OutOfScope(_)))
            )
        };
        let text = self.filter.as_ref().map(|filter| filter.to_lowercase());
        text.is_none_or(|text| rule.id.to_lowercase().contains(&text) || rule.statement.to_lowercase().contains(&text))
            && (self.authority.is_empty() || self.authority.contains(&rule.authority))
            && (self.severity.is_empty() || self.severity.iter().any(severity))
            && (self.family.is_empty() || self.family.contains(&rule.family))
            && (self.disposition.is_empty() || self.disposition.iter().any(kind))
            && (!self.unanswered || rule.unanswered.is_some())
    }
}

/// Lists one family after the other; the statement comes last, at full length.
fn list(book: &Rulebook, rules: &[&Rule]) -> String {
    let mut text = format!("{} of {} rules of {}\n", rules.len(), book.rules.len(), one_line(&book.id()));
    let longest = rules.iter().map(|rule| rule.id.chars().count()).max().unwrap_or(0);
    for family in &book.families {
        let of_family: Vec<&&Rule> = rules.iter().filter(|rule| rule.family == family.id).collect();
        if of_family.is_empty() {
            continue;
        }
        let _ = writeln!(text, "\n{}: {}", one_line(&family.id), one_line(&family.title));
        for rule in of_family {
            let _ = writeln!(
                text,
                "  {:longest$}  {:7}  {:9}  {:12}  {}",
                one_line(&rule.id),
                rule.severity.name(),
                rule.authority.name(),
                disposition(rule),
                super::shown(&rule.statement)
            );
        }
    }
    text.push_str("\ncaddie explain RULE says where it is written and how a finding is cleared\n");
    text
}

/// Writes `checks`, or `undecided?` where nobody answered whether the rule holds.
fn disposition(rule: &Rule) -> String {
    let name = rule.disposition().map_or("none", Disposition::name);
    format!("{name}{}", if rule.unanswered.is_some() { "?" } else { "" })
}

fn table(book: &Rulebook, rules: &[&Rule]) -> String {
    let mut table = Table::new();
    table.load_preset(presets::NOTHING);
    table.set_header(["rule", "severity", "authority", "disposition", "checks, or why none"]);
    for rule in rules {
        let why = match rule.disposition() {
            Some(Disposition::Checks(names)) => names.join(", "),
            Some(Disposition::Undecided(why) | Disposition::OutOfScope(why)) => why.to_owned(),
            None => String::new(),
        };
        let (severity, authority) = (rule.severity.name().to_owned(), rule.authority.name().to_owned());
        table.add_row([one_line(&rule.id), severity, authority, disposition(rule), super::shown(&why)]);
    }
    let lines: Vec<String> = table.lines().map(|line| line.trim().to_owned()).collect();
    let counts = Counts::of(book);
    format!(
        "{}\n\n{} rules: {} decided by checks, {} undecided, {} out of scope, {} without a disposition; {} have a question \
         that nobody answered\n",
        lines.join("\n"),
        counts.rules,
        counts.checks,
        counts.undecided,
        counts.out_of_scope,
        counts.missing,
        counts.unanswered
    )
}

fn json(book: &Rulebook, rules: &[&Rule], flaws: &[Flaw]) -> String {
    let counts = Counts::of(book);
    let value = json!({
        "schema_version": 1,
        "rulebook": book.id(),
        "source": book.source,
        "counts": {
            "rules": counts.rules, "checks": counts.checks, "undecided": counts.undecided,
            "out_of_scope": counts.out_of_scope, "missing": counts.missing, "unanswered": counts.unanswered,
        },
        "rules": rules.iter().map(|rule| rule_json(book, rule)).collect::<Vec<_>>(),
        "flaws": flaws.iter().map(|flaw| json!({ "line": flaw.line, "rule": flaw.rule, "reason": flaw.reason }))
            .collect::<Vec<_>>(),
    });
    // Plain values with string keys always serialize.
    let mut text = serde_json::to_string_pretty(&value).unwrap_or_else(|_| "{}".to_owned());
    text.push('\n');
    text
}

fn rule_json(book: &Rulebook, rule: &Rule) -> Value {
    let reason = match rule.disposition() {
        Some(Disposition::Undecided(why) | Disposition::OutOfScope(why)) => Some(why),
        _ => None,
    };
    let citations = rule.citations.iter().map(|citation| {
        let mut value = serde_json::to_value(citation).unwrap_or_default();
        if let Some(value) = value.as_object_mut() {
            value.insert("text".to_owned(), citation.to_string().into());
            value.insert("links".to_owned(), citation.links(&book.repository).into());
        }
        value
    });
    json!({
        "id": rule.id,
        "family": rule.family,
        "statement": rule.statement,
        "authority": rule.authority,
        "severity": rule.severity,
        "since": rule.since,
        "until": rule.until,
        "unanswered": rule.unanswered,
        "disposition": rule.disposition().map(Disposition::name),
        "checks": rule.checks,
        "reason": reason,
        "citations": citations.collect::<Vec<_>>(),
    })
}

/// The words of `--authority`, with their meanings in its help.
fn authorities() -> impl TypedValueParser<Value = Authority> {
    let words = Authority::ALL.map(|authority| PossibleValue::new(authority.name()).help(authority.about()));
    PossibleValuesParser::new(words).map(|word| {
        let named = Authority::ALL.into_iter().find(|authority| authority.name() == word);
        named.unwrap_or_else(|| unreachable!("clap accepts the words of the list alone"))
    })
}
