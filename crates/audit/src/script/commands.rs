//! Settings that README.md or a shell script of the folder gives a run; a setting that a log does not state may have
//! been set so.

use std::collections::BTreeMap;

use super::{FAMILIES, Lead, ScriptAudit, Step, Subject, audit};
use caddie_folder::Folder;
use caddie_python::Module;
use caddie_rulebook::Confidence;

/// Files that are looked through.
const MAX_FILES: usize = 6;
/// Settings that are compared with the script.
const MAX_SETTINGS: usize = 64;
/// Places of code that is not followed which a lead names.
const MAX_PLACES: usize = 6;
/// Options that are told apart.
const MAX_OPTIONS: usize = 1_000;
/// Settings that name data and machine, not the work that is done.
const ELSEWHERE: &[&str] = &["SEED", "RUN_ID", "RANK", "WORLD_SIZE", "PATH", "DIR", "FILE", "CUDA", "NCCL", "OMP"];

/// Returns leads beside the `known` ones, found with the settings that a command gives the run and no log states. Where there is
/// no log, a setting that README.md only names may leave the score undecided.
pub fn leads(module: &Module, subject: &Subject<'_>, found: &ScriptAudit) -> Vec<Lead> {
    let known = &found.leads;
    let Some(folder) = subject.folder else { return Vec::new() };
    let of_scoring = |rule: &str| FAMILIES.iter().any(|family| family.by_command.contains(&rule));
    let sure = |lead: &Lead| lead.confidence > Confidence::Low && of_scoring(lead.rule) || is_undecided(lead);
    let given = settings(folder);
    let mut leads = with(module, subject, &given, known, "a command of the folder sets", &sure);
    if subject.config.is_empty() && !known.iter().chain(&leads).any(is_undecided) {
        let mut named = named(folder);
        named.retain(|(name, _)| given.iter().all(|(given, _)| given != name));
        leads.extend(named_code(module, subject, &named, found));
    }
    leads
}

/// A setting that README.md names, with which the script runs code that is not followed and that it does not run otherwise.
fn named_code(
    module: &Module,
    subject: &Subject<'_>,
    settings: &[(String, String)],
    found: &ScriptAudit,
) -> Option<Lead> {
    let settings = differing(settings.to_vec(), module.source());
    if settings.is_empty() {
        return None;
    }
    let config = settings.iter().fold(subject.config.clone(), |config, (name, value)| config.with(name, value));
    let with_them = audit(module, &Subject { config, ..subject.clone() });
    let is_new = |step: &Step| found.beyond.iter().all(|known| known.line != step.line);
    let steps: Vec<Step> = with_them.beyond.into_iter().filter(is_new).take(MAX_PLACES).collect();
    let line = steps.first()?.line;
    let told: Vec<String> = settings.iter().map(|(name, value)| format!("{name}={value}")).collect();
    Some(Lead {
        rule: UNDECIDED,
        confidence: Confidence::Low,
        message: format!(
            "C1 to C4 are undecided: no log states the configuration, README.md names {}, and with it the script comes to code \
             that is not followed ({})",
            told.join(" "),
            match module.place(line) {
                (Some(file), line) => format!("{file} line {line}"),
                (None, line) => format!("line {line}"),
            }
        ),
        because: "what that code does with the tokens is not known".to_owned(),
        steps,
        clears: "ship the log of the run; `caddie probe entropy` runs the script on tokens of known probability",
        at_most: None,
    })
}

/// Tells whether a lead says that the score passes through code that is not followed.
fn is_undecided(lead: &Lead) -> bool {
    lead.rule == UNDECIDED && lead.confidence == Confidence::Low
}

/// The rule under which the audit says that C1 to C4 are undecided.
const UNDECIDED: &str = "c1-causal";

/// The leads that are `wanted` with these settings.
fn with(
    module: &Module,
    subject: &Subject<'_>,
    settings: &[(String, String)],
    known: &[Lead],
    source: &str,
    wanted: &dyn Fn(&Lead) -> bool,
) -> Vec<Lead> {
    let mut settings = differing(settings.to_vec(), module.source());
    settings.retain(|(name, _)| subject.config.text(name).is_none());
    if settings.is_empty() {
        return Vec::new();
    }
    let config =
        settings.iter().fold(subject.config.clone(), |config, (name, value)| config.with(name, value.as_str()));
    let told: Vec<String> = settings.iter().map(|(name, value)| format!("{name}={value}")).collect();
    let leads = audit(module, &Subject { config, ..subject.clone() }).leads.into_iter();
    let new = leads.filter(|lead| wanted(lead) && known.iter().all(|known| known.rule != lead.rule));
    new.map(|lead| Lead {
        confidence: lead.confidence.min(Confidence::Medium),
        because: format!("{source} {}, and no log says otherwise", told.join(" ")),
        ..lead
    })
    .collect()
}

/// Settings that README.md names within its sentences: `EVAL_MODE=ngram` between backticks.
fn named(folder: &Folder) -> Vec<(String, String)> {
    let is_readme = |path: &camino::Utf8Path| path.as_str().eq_ignore_ascii_case("readme.md");
    let Some(file) = folder.files.iter().find(|file| is_readme(&file.path)) else { return Vec::new() };
    let text = caddie_files::read_text(&folder.path.join(&file.path)).unwrap_or_default();
    // Every second part lies between fences, and of the others every second one between backticks.
    let prose = text.split("```").step_by(2);
    let spans = prose.flat_map(|prose| prose.lines().flat_map(|line| line.split('`').skip(1).step_by(2)));
    collected(spans.flat_map(str::split_whitespace))
}

/// `NAME=value` before a command that runs Python, by name; names that are given several values are left out.
pub fn settings(folder: &Folder) -> Vec<(String, String)> {
    let tells = |name: &str| name.to_ascii_lowercase().starts_with("readme.") || name.ends_with(".sh");
    let texts = folder.files.iter().filter(|file| file.path.components().count() == 1 && tells(file.path.as_str()));
    let mut found: Vec<String> = Vec::new();
    for file in texts.take(MAX_FILES) {
        let Ok(text) = caddie_files::read_text(&folder.path.join(&file.path)) else { continue };
        let blocks: Vec<&str> = match file.path.extension() {
            Some("sh") => vec![text.as_str()],
            // Every second part lies between fences.
            _ => text.split("```").skip(1).step_by(2).collect(),
        };
        let runs = blocks.into_iter().filter(|block| block.contains("torchrun") || block.contains(".py"));
        found.extend(runs.flat_map(str::split_whitespace).filter(|word| setting(word).is_some()).map(str::to_owned));
    }
    collected(found.iter().map(String::as_str))
}

/// The settings among some words, by name; names that are given several values are left out.
fn collected<'a>(words: impl Iterator<Item = &'a str>) -> Vec<(String, String)> {
    let mut found: BTreeMap<String, Option<String>> = BTreeMap::new();
    for (name, value) in words.filter_map(setting) {
        if found.len() >= MAX_SETTINGS {
            break;
        }
        let known = found.entry(name.to_owned()).or_insert_with(|| Some(value.to_owned()));
        if known.as_deref() != Some(value) {
            *known = None;
        }
    }
    found.into_iter().filter_map(|(name, value)| Some((name, value?))).collect()
}

/// Options that the texts and shell scripts of the folder give this script, with the word that follows each:
/// `--val-tokens 1000000`.
pub fn options(folder: &Folder, script: &str) -> Vec<(String, Option<String>)> {
    let tells = |name: &str| name.to_ascii_lowercase().ends_with(".md") || name.ends_with(".sh");
    let files = folder.files.iter().filter(|file| tells(file.path.as_str())).take(MAX_FILES);
    let texts = files.filter_map(|file| caddie_files::read_text(&folder.path.join(&file.path)).ok());
    texts.flat_map(|text| options_in(&text, script)).take(MAX_OPTIONS).collect()
}

/// The options after the name of the script, up to that of another.
fn options_in(text: &str, script: &str) -> Vec<(String, Option<String>)> {
    let plain = |word: &str| word.trim_matches(['`', '"', '\'', '(', ')', ',', '\\', '$']).to_owned();
    let words: Vec<String> = text.split_whitespace().map(plain).filter(|word| !word.is_empty()).collect();
    let mut of_script = false;
    let mut found = Vec::new();
    for (word, next) in words.iter().zip(words.iter().skip(1).map(Some).chain([None])) {
        if word.ends_with(".py") {
            of_script = word.rsplit('/').next() == Some(script);
        }
        let Some(option) = word.strip_prefix("--").filter(|_| of_script) else { continue };
        found.push(match option.split_once('=') {
            Some((option, value)) => (option.to_owned(), Some(value.to_owned())),
            None => (option.to_owned(), next.filter(|next| !next.starts_with('-')).cloned()),
        });
    }
    found
}

/// `TTT_ENABLED=1`
fn setting(word: &str) -> Option<(&str, &str)> {
    let (name, value) = word.split_once('=')?;
    // A list in a comment or in a sentence separates its settings by commas.
    let value = value.trim_matches(['"', '\'', '\\', ';']).trim_end_matches(',');
    let upper = name.len() > 2 && name.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_');
    let plain =
        !value.is_empty() && value.chars().all(|c| c.is_ascii_alphanumeric() || ['.', '_', '-', ','].contains(&c));
    (upper && plain && !ELSEWHERE.iter().any(|part| name.contains(part))).then_some((name, value))
}

/// Returns the settings that the script reads with another default.
fn differing(settings: Vec<(String, String)>, source: &str) -> Vec<(String, String)> {
    let differs = |(name, value): &(String, String)| {
        ['"', '\''].iter().any(|quote| {
            let read = format!("{quote}{name}{quote}");
            source.match_indices(&read).any(|(at, read)| {
                let rest = source.get(at + read.len()..).unwrap_or_default().trim_start();
                let Some(default) = rest.strip_prefix(',').and_then(|rest| rest.split([')', '\n']).next()) else {
                    return false;
                };
                default.trim().trim_matches(['"', '\'']) != value
            })
        })
    };
    settings.into_iter().filter(differs).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_names_in_capitals_with_plain_values() {
        assert_eq!(setting("TTT_ENABLED=1"), Some(("TTT_ENABLED", "1")));
        assert_eq!(setting("NGRAM_ORDERS=\"2,3,7\""), Some(("NGRAM_ORDERS", "2,3,7")));
        assert_eq!(setting("GDN_EXPAND_V=2.0,"), Some(("GDN_EXPAND_V", "2.0")));
        for other in ["lr=0.1", "SEED=42", "DATA_PATH=./data", "A=1", "LR=$LR", "TTT=", "--nproc_per_node=8"] {
            assert_eq!(setting(other), None, "{other}");
        }
    }

    #[test]
    fn options_are_those_after_the_scripts_own_name() {
        let text = "torchrun --nproc 8 train_gpt.py \\\n  --val-tokens 1000000 --fast\npython other.py --val-tokens=5";
        let option = |name: &str, value: Option<&str>| (name.to_owned(), value.map(str::to_owned));
        let found = [option("val-tokens", Some("1000000")), option("fast", Some("python"))];
        assert_eq!(options_in(text, "train_gpt.py"), found);
        assert_eq!(options_in(text, "other.py"), [option("val-tokens", Some("5"))]);
    }

    #[test]
    fn what_is_the_default_already_is_no_setting() {
        let source = "a = os.environ.get(\"TTT_ENABLED\", \"0\")\nb = int(os.environ.get('ORDER', 7))\n";
        let of = |name: &str, value: &str| differing(vec![(name.to_owned(), value.to_owned())], source).len();
        assert_eq!((of("TTT_ENABLED", "1"), of("TTT_ENABLED", "0")), (1, 0));
        assert_eq!((of("ORDER", "9"), of("ORDER", "7"), of("OTHER", "1")), (1, 0, 0));
    }
}
