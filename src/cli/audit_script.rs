//! `caddie audit` of a script, or of the script of a records folder.

use std::fmt::Write;

use camino::{Utf8Path, Utf8PathBuf};
use serde::Serialize;

use super::audit::{AuditArgs, AuditFormat};
use super::filter::Filter;
use super::requests::Asked;
use super::terminal;
use crate::checks::{find, walk};
use caddie_audit::script::{Examined, ExaminedCall, FAMILIES, examine};
use caddie_files::exit;
use caddie_files::text::{one_line, thousands};
use caddie_files::{Error, Result};
use caddie_folder::Folder;
use caddie_folder::executed::executed;
use caddie_python::{Alone, Script, unwrap};
use caddie_rulebook::Rulebook;

/// Audits and prints.
///
/// # Errors
/// When the folder or the script cannot be read, or `args` asks for what only a model has.
pub(super) fn run(args: &AuditArgs, asked: &Asked, rulebook: &Rulebook) -> Result<u8> {
    if !args.val.is_empty() || !args.train.is_empty() {
        return Err(Error::Usage("--val and --train search a model file; a script holds no weights".to_owned()));
    }
    args.filter.check(rulebook)?;
    let (files, folders): (Vec<_>, Vec<_>) = asked.folders()?.into_iter().partition(|path| path.is_file());
    let mut found = find::find(&folders, &rulebook.track_prefix);
    let paths: Vec<Utf8PathBuf> = files.into_iter().chain(found.folders).collect();
    let one = |path: &Utf8Path| if path.is_dir() { of_folder(path, rulebook) } else { of_file(path, rulebook) };
    let (mut scripts, mut failures) = walk::each(&paths, one);
    super::filter::tell(scripts.iter_mut().map(|examined| filtered(examined, &args.filter, rulebook)).sum());
    failures.append(&mut found.failures);
    for examined in &mut scripts {
        examined.path = asked.named(&examined.path);
    }
    for failure in &mut failures {
        asked.rename(failure);
        eprintln!("error: {}", super::shown(&failure.to_string()));
    }
    match args.format {
        AuditFormat::Plain => {
            let texts: Vec<String> = scripts.iter().map(|examined| plain(examined, args.explain_path)).collect();
            terminal::show(&texts.join("\n"))?;
        }
        // Plain structs with string keys always serialize.
        AuditFormat::Json => {
            let text = serde_json::to_string_pretty(&Scripts { scripts: &scripts }).unwrap_or_else(|_| "{}".to_owned());
            super::print(&format!("{text}\n"))?;
        }
    }
    let worst = scripts.iter().filter_map(Examined::worst).max();
    let findings = if args.fail_on.reached(worst) { exit::FINDINGS } else { exit::OK };
    Ok(walk::exit_code(&failures).unwrap_or(findings))
}

/// Leaves out the findings that the filters do not ask for, each with its steps; returns their number.
fn filtered(examined: &mut Examined, filter: &Filter, book: &Rulebook) -> usize {
    let kept: Vec<bool> = examined.findings.iter().map(|finding| filter.keeps(finding, book)).collect();
    let mut of_findings = kept.iter();
    examined.findings.retain(|_| of_findings.next().is_none_or(|kept| *kept));
    let mut of_paths = kept.iter();
    examined.paths.retain(|_| of_paths.next().is_none_or(|kept| *kept));
    kept.iter().filter(|kept| !**kept).count()
}

/// The JSON that `--format json` prints.
#[derive(Serialize)]
struct Scripts<'a> {
    scripts: &'a [Examined],
}

fn of_file(path: &Utf8Path, rulebook: &Rulebook) -> Result<Examined> {
    let folder = path.parent().filter(|parent| !parent.as_str().is_empty()).unwrap_or(Utf8Path::new(""));
    let name = path.file_name().unwrap_or_default();
    let script = Script::read(folder, Utf8Path::new(name))?;
    let source = script.source();
    let unwrapped = unwrap(source, name, &Alone { file: name, source });
    Ok(examine(path, &unwrapped, None, rulebook))
}

fn of_folder(path: &Utf8Path, rulebook: &Rulebook) -> Result<Examined> {
    let folder = Folder::read(path)?;
    if let Some((script, pointer)) = folder.script.as_ref().and_then(|script| folder.pointer(&script.path)) {
        return Err(Error::unreadable(folder.path.join(script), pointer.to_string()));
    }
    let (Some(script), Some(executed)) = (&folder.script, executed(&folder)) else {
        return Err(Error::unreadable(path, "no script in it; give a records folder, a .py file or a model file"));
    };
    let shown = folder.path.join(&script.path);
    Ok(examine(&shown, &executed.unwrapped, Some(&folder), rulebook))
}

fn plain(examined: &Examined, explain_path: bool) -> String {
    let mut text = String::new();
    // Writing to a string does not fail.
    let _ = header(&mut text, examined)
        .and_then(|()| {
            (0..examined.findings.len()).try_for_each(|index| finding(&mut text, examined, index, explain_path))
        })
        .and_then(|()| footer(&mut text, examined));
    text
}

fn header(text: &mut String, examined: &Examined) -> std::fmt::Result {
    let found = match examined.findings.len() {
        // Without an end or with a wrapper that was not followed, the rest may hold anything.
        0 if !examined.problems.is_empty() => "nothing found in the part that could be followed".to_owned(),
        0 => "nothing found".to_owned(),
        1 => "1 finding".to_owned(),
        count => format!("{count} findings"),
    };
    writeln!(text, "{}: {found}", one_line(examined.path.as_str()))?;
    if !examined.layers.is_empty() {
        let layers: Vec<String> = examined.layers.iter().map(|layer| one_line(layer)).collect();
        writeln!(text, "  wrapper        {}; lines are those of the source inside (caddie unwrap)", layers.join("; "))?;
    }
    let configuration = examined.configuration.as_ref().map(|log| format!("of {}", one_line(log.as_str())));
    writeln!(
        text,
        "  configuration  {}",
        configuration.as_deref().unwrap_or("the script's defaults: no log states another")
    )?;
    let scores = thousands(u64::try_from(examined.scores).unwrap_or(u64::MAX));
    writeln!(
        text,
        "  scores         {scores} recognized{}",
        if examined.complete { "" } else { "; not followed to the end" }
    )?;
    examined
        .problems
        .iter()
        .try_for_each(|problem| writeln!(text, "  not read       {}", one_line(&problem.to_string())))
}

fn finding(text: &mut String, examined: &Examined, index: usize, explain_path: bool) -> std::fmt::Result {
    let Some(finding) = examined.findings.get(index) else { return Ok(()) };
    let (severity, confidence) = (terminal::pen().severity(finding.severity), finding.confidence.name());
    writeln!(text, "\n{severity}[{}] ({confidence} confidence)", finding.rule)?;
    writeln!(text, "  {}", super::shown(&finding.message))?;
    for step in examined.paths.get(index).into_iter().flatten() {
        writeln!(text, "  --> {}: {}", at(step.file.as_deref(), step.line), one_line(&step.what))?;
        writeln!(text, "      {}", one_line(&step.text))?;
        if explain_path {
            writeln!(text, "      {}", way(&step.path))?;
        }
    }
    if let Some(clear) = &finding.clear {
        writeln!(text, "  to clear it: {}", super::shown(clear))?;
    }
    if !finding.citations.is_empty() {
        writeln!(text, "  rule: {}", finding.citations.join("; "))?;
    }
    Ok(())
}

/// Writes `line 12` of the script, or `eval_utils.py line 12` of a module beside it.
fn at(file: Option<&Utf8Path>, line: u64) -> String {
    file.map_or_else(|| format!("line {line}"), |file| format!("{} line {line}", one_line(file.as_str())))
}

/// Writes the calls: `module, line 412 calls main, line 380 calls eval_val`.
fn way(path: &[ExaminedCall]) -> String {
    let calls =
        path.iter().map(|call| format!("{} calls {}", at(call.file.as_deref(), call.line), one_line(&call.function)));
    if path.is_empty() { "at the top of the module".to_owned() } else { calls.collect::<Vec<_>>().join(", ") }
}

fn footer(text: &mut String, examined: &Examined) -> std::fmt::Result {
    let families: Vec<&str> = FAMILIES.iter().map(|family| family.name).collect();
    writeln!(text, "\nlooked for: {}", families.join(", "))?;
    if examined.scores == 0 {
        writeln!(text, "no reported score was recognized, so nothing could be judged")
    } else {
        writeln!(
            text,
            "a script without findings is not thereby legal; docs/audit.md lists what the audit does not see"
        )
    }
}
