//! The folders that maintainers merged, over a checkout of openai/parameter-golf (`CADDIE_UPSTREAM`): the audit of their
//! scripts accuses none of them, beyond a list of exceptions that each has its reason.

use std::collections::BTreeMap;

use caddie::checks::find;
use caddie::report::{Confidence, Severity};
use caddie_audit::script::{Examined, FAMILIES, examine};
use caddie_folder::Folder;
use caddie_folder::executed::executed;
use caddie_rulebook::Rulebook;
use camino::Utf8PathBuf;
use serde::Deserialize;

/// Merged folders without any finding of the audit at medium confidence or above, in percent.
const CLEAN: usize = 90;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Exceptions {
    #[serde(default)]
    exception: Vec<Exception>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Exception {
    folder: String,
    rule: String,
    reason: String,
    citation: String,
}

/// A contested question is raised and accuses nobody.
fn is_contested(rulebook: &Rulebook, rule: &str) -> bool {
    use caddie_rulebook::Authority;
    rulebook.rule(rule).is_some_and(|rule| rule.authority == Authority::Contested || rule.unanswered.is_some())
}

fn audited(upstream: &str, rulebook: &Rulebook) -> Vec<(String, Examined)> {
    let folders = find::find(&[Utf8PathBuf::from(upstream).join("records")], &rulebook.track_prefix).folders;
    let one = |path: &Utf8PathBuf| {
        let folder = Folder::read(path).expect("reads");
        let (script, run) = (folder.script.as_ref()?, executed(&folder)?);
        let examined = examine(&script.path, &run.unwrapped, Some(&folder), rulebook);
        Some((path.file_name().unwrap_or_default().to_owned(), examined))
    };
    folders.iter().filter_map(one).collect()
}

#[test]
fn no_merged_folder_is_accused_beyond_the_exceptions() {
    let Ok(upstream) = std::env::var("CADDIE_UPSTREAM") else {
        println!("skipped: CADDIE_UPSTREAM names no checkout of openai/parameter-golf");
        return;
    };
    let rulebook = Rulebook::builtin().expect("the rulebook");
    let list = include_str!("../fixtures/merged-exceptions.toml");
    let list: Exceptions = toml::from_str(list).expect("the exceptions");
    let audited = audited(&upstream, &rulebook);
    assert!(audited.len() >= 50, "{} scripts: is {upstream} a checkout?", audited.len());

    let mut used = vec![false; list.exception.len()];
    let mut accused = Vec::new();
    let mut by_rule: BTreeMap<(&str, &str), Vec<&str>> = BTreeMap::new();
    let mut clean = 0;
    for (folder, examined) in &audited {
        let mut found = false;
        for finding in &examined.findings {
            let names = by_rule.entry((finding.severity.name(), finding.rule.as_str())).or_default();
            names.push(folder);
            found |= finding.confidence >= Confidence::Medium && !is_contested(&rulebook, &finding.rule);
            if finding.severity < Severity::Error {
                continue;
            }
            let excepted = |known: &Exception| known.folder == *folder && known.rule == finding.rule;
            match list.exception.iter().position(excepted) {
                Some(index) => used[index] = true,
                None => accused.push(format!("{folder}: {} {}", finding.rule, finding.message)),
            }
        }
        clean += usize::from(!found);
    }
    println!("{} merged scripts, {} families: {clean} without a finding", audited.len(), FAMILIES.len());
    for ((severity, rule), folders) in &by_rule {
        println!("  {severity} {rule}: {} ({})", folders.len(), folders.join(", "));
    }
    assert!(accused.is_empty(), "errors on merged folders:\n{}", accused.join("\n"));
    assert!(clean * 100 >= audited.len() * CLEAN, "{clean} of {}", audited.len());
    for (exception, used) in list.exception.iter().zip(used) {
        assert!(used, "{} {} is no error any more: take the entry out", exception.folder, exception.rule);
        assert!(!exception.reason.is_empty() && !exception.citation.is_empty(), "{}: no reason", exception.folder);
    }
}
