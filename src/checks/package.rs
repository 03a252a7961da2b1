//! Checks of the package's form: the folder's name and track, and the README's instructions for a rerun.

use super::significance::{Dates, row_of, stood_at};
use super::{Check, Context, Needs};
use crate::report::{Code, Finding, Severity};
use caddie_folder::Lined;

/// Days that the two dates of a folder may lie apart without a warning: a folder may be named when the work begins and
/// dated when it ends.
const DAYS_APART: i32 = 7;
/// Days that two clocks of one moment may lie apart: one states UTC and the other the time of its place.
const ONE_MOMENT: i32 = 1;

/// Metadata of the check.
pub const CHECK: Check = Check {
    name: "package",
    about: "The folder's name, its track, the run command and the requirements are as reviewers ask.",
    rules: &["pkg-folder-name", "pkg-record-folder", "pkg-run-command", "pkg-requirements"],
    needs: Needs::Nothing,
    run,
};

fn run(context: &Context<'_>) -> Vec<Finding> {
    let readme = context.folder.files.iter().find(|file| file.path.as_str().eq_ignore_ascii_case("readme.md"));
    let readme = readme.and_then(|file| {
        let text = caddie_files::read_text(&context.folder.path.join(&file.path)).ok()?;
        Some((file.path.as_str(), text))
    });
    let of_the_place = [folder_name(context), other_track(context), dates(context), unread_date(context)];
    let mut findings: Vec<Finding> = of_the_place.into_iter().flatten().collect();
    if let Some((name, text)) = &readme {
        findings.extend(run_command(context, name, text));
    }
    findings.extend(requirements(context, readme.as_ref().map_or("", |(_, text)| text)));
    findings
}

/// Checks the folder's name; only a folder below a track has a record's name.
fn folder_name(context: &Context<'_>) -> Option<Finding> {
    context.placed_track()?;
    let absolute = context.folder.path.canonicalize_utf8().unwrap_or_else(|_| context.folder.path.clone());
    let name = absolute.file_name()?;
    let problem = name_problem(name, context.limits.year)?;
    let message = format!("the folder is named {name:?}: {problem}; name it YYYY-MM-DD_description");
    Some(context.finding("pkg-folder-name", message).severity(Severity::Warning).at(".", None, name))
}

/// Describes the problem of a folder's name.
fn name_problem(name: &str, year: u16) -> Option<String> {
    let (date, rest) = name.get(..10).zip(name.get(10..)).unwrap_or(("", name));
    let Ok(parsed) = date.parse::<jiff::civil::Date>() else {
        return Some("it does not begin with a date".to_owned());
    };
    if i32::from(parsed.year()) != i32::from(year) {
        return Some(format!("its year is {}, the challenge's is {year}", parsed.year()));
    }
    if !rest.starts_with('_') || rest.len() < 2 {
        return Some("no description follows its date".to_owned());
    }
    let unusual =
        |c: char| c.is_whitespace() || c.is_control() || matches!(c, '/' | '\\' | '"' | '\'' | '*' | '?' | '$');
    rest.contains(unusual).then(|| "it holds spaces or characters that a shell reads".to_owned())
}

/// Reports a submission.json of another track than the one that the folder lies in.
fn other_track(context: &Context<'_>) -> Option<Finding> {
    let named = |text: &str| context.rulebook.track(text).map(|track| track.name.as_str());
    let placed = named(&context.placed_track()?)?;
    let Lined { value: stated, line } = context.folder.metadata()?.text("track")?;
    let claimed = named(stated).filter(|claimed| *claimed != placed)?;
    let message = format!(
        "{} names the track {stated}, the folder lies in {placed}: correct the one that is wrong",
        context.json_name()
    );
    let finding = context.finding("pkg-record-folder", message).severity(Severity::Warning);
    Some(finding.claimed(claimed).measured(placed).at(context.json_name(), Some(line), stated))
}

/// Reports different days in submission.json and the folder's name. The difference matters most where another record
/// stood on each.
fn dates(context: &Context<'_>) -> Option<Finding> {
    let dates = Dates::of(context.folder);
    let (stated, placed, apart) = (dates.stated?, dates.placed?, dates.apart()?);
    let (then, now) = (stood_at(context, stated), stood_at(context, placed));
    // A year that is not the challenge's is told with the name.
    if i32::from(placed.year()) != i32::from(context.limits.year) {
        return None;
    }
    // A row of the leaderboard is tested against the row before it, whatever the dates are.
    let of_the_ladder = row_of(context.folder, &context.rulebook.records).is_some();
    let other_record = then != now && context.competes() && !of_the_ladder;
    if apart <= ONE_MOMENT {
        return None;
    }
    let tested = match (then, now) {
        (Some(then), Some(now)) if other_record => {
            format!(
                "; {then} stood on the first date, {now} on the second, and the score is tested against the stricter"
            )
        }
        _ => String::new(),
    };
    let message = format!(
        "{} states the date {stated}, the folder's name {placed}: {apart} days apart, correct the one that is wrong{tested}",
        context.json_name()
    );
    let line = context.folder.metadata().and_then(|metadata| metadata.date.as_ref()).map(|date| date.line);
    let severity = if apart > DAYS_APART { context.on_record(Severity::Warning) } else { Severity::Info };
    let finding = context.finding("pkg-folder-name", message).code(Code::DatesContradict).severity(severity);
    let finding = finding.claimed(stated.to_string()).measured(placed.to_string());
    Some(finding.at(context.json_name(), line, format!("\"date\": \"{stated}\"")).at(".", None, placed.to_string()))
}

/// Reports a date that is not YYYY-MM-DD, which programs cannot read.
fn unread_date(context: &Context<'_>) -> Option<Finding> {
    let date = context.folder.metadata()?.date.as_ref().filter(|date| !date.value.trim().is_empty())?;
    if Dates::of(context.folder).stated.is_some() {
        return None;
    }
    let stated = date.value.as_str();
    let message =
        format!("{} states the date {stated:?}, which is not in the form YYYY-MM-DD; write it so", context.json_name());
    let finding = context.finding("pkg-folder-name", message).code(Code::DatesContradict).severity(Severity::Info);
    Some(finding.claimed(stated).at(context.json_name(), Some(date.line), stated))
}

/// Reports a README without any command that runs the script.
fn run_command(context: &Context<'_>, name: &str, text: &str) -> Option<Finding> {
    let starts = [
        "torchrun",
        "python ",
        "python3 ",
        "accelerate launch",
        "bash ",
        "sbatch ",
        "./",
        "make ",
        "uv run",
        "modal run",
    ];
    if starts.iter().any(|start| text.contains(start)) {
        return None;
    }
    let message =
        format!("{name} gives no command that runs the script; add it with the environment that produced the logs");
    Some(context.finding("pkg-run-command", message).severity(Severity::Info).at(name, None, "no command"))
}

/// Reports packages beyond the challenge's own without instructions for installing them.
fn requirements(context: &Context<'_>, readme: &str) -> Option<Finding> {
    let folder = context.folder;
    let listed = folder.files.iter().any(|file| {
        file.path.file_name().is_some_and(|name| name.starts_with("requirements") || name == "pyproject.toml")
    });
    let installs = ["pip install", "uv pip", "uv sync", "conda install", "setup.sh"];
    if listed || installs.iter().any(|words| readme.contains(words)) {
        return None;
    }
    let script = folder.script.as_ref()?;
    let mut imports: Vec<(&str, u64)> =
        (1..).zip(context.source()?.lines()).filter_map(|(line, text)| Some((import(text)?, line))).collect();
    let packages = &context.rulebook.packages;
    let listed = |modules: &[String], module: &str| modules.iter().any(|known| known == module);
    imports.retain(|(module, _)| listed(&packages.extra, module) && !listed(&packages.provided, module));
    imports.dedup_by_key(|(module, _)| *module);
    let (_, line) = *imports.first()?;
    let names: Vec<&str> = imports.iter().map(|(module, _)| *module).collect();
    let message = format!(
        "{} imports {}; add a requirements.txt, or say in the README how they are installed",
        script.path,
        names.join(", ")
    );
    let finding = context.finding("pkg-requirements", message).severity(Severity::Info);
    Some(finding.at(script.path.clone(), Some(line), names.join(", ")))
}

/// Returns the module that a line imports.
fn import(line: &str) -> Option<&str> {
    let line = line.trim_start();
    let rest = line.strip_prefix("import ").or_else(|| line.strip_prefix("from "))?;
    rest.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).next().filter(|module| !module.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folder_names_are_a_date_of_the_challenge_and_a_description() {
        for name in ["2026-04-10_VarLenAttn", "2026-03-20_11L_XSA4_1.1271", "2026-04-05_SP8192_GPTQ-Embeddings"] {
            assert_eq!(name_problem(name, 2026), None, "{name}");
        }
        for name in ["2020-04-29_Smear", "2026-13-01_X", "VarLen", "2026-03-19_int6_STE QAT_", "2026-04-10", "é"] {
            assert!(name_problem(name, 2026).is_some(), "{name}");
        }
    }
}
