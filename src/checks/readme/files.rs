//! Checks of the files that the README names: they are in the folder, and a log is what the text says of it.

use std::sync::LazyLock;

use camino::Utf8Path;
use regex::Regex;

use crate::checks::Context;
use crate::report::{Code, Finding, Severity};
use caddie_folder::readme::Mention;
use caddie_folder::{Fact, Readme, Shows};

/// A number of something: `2x`, `8 ×`.
static TIMES: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(r"\b(\d{1,2})\s*[xX×]\s*").ok());

/// Reads the number of GPUs of that name from the text: `2xH100`.
fn gpus(text: &str, gpu: &str) -> Option<u64> {
    let named = |rest: &str| rest.get(..gpu.len()).is_some_and(|name| name.eq_ignore_ascii_case(gpu));
    let mut counts = TIMES.as_ref()?.captures_iter(text);
    counts.find_map(|found| {
        let (count, end) = (found.get(1)?, found.get(0)?.end());
        named(text.get(end..)?).then(|| count.as_str().parse().ok())?
    })
}

/// Reports scripts to run, and files of a list, that are not in the folder. A path that leaves the folder is the
/// repository's.
pub(super) fn missing(context: &Context<'_>, readme: &Readme) -> Option<Finding> {
    let here = |mention: &Mention| {
        let file_name = Utf8Path::new(&mention.name).file_name();
        context.folder.files.iter().any(|file| file.path.as_str() == mention.name || file.path.file_name() == file_name)
    };
    let outside =
        |name: &str| name.starts_with(['/', '.']) || name.starts_with("data/") || name.starts_with("records/");
    let mut absent: Vec<&Mention> = Vec::new();
    for mention in readme.mentions.iter().filter(|mention| mention.promised && !outside(&mention.name)) {
        if !here(mention) && !absent.iter().any(|known| known.name == mention.name) {
            absent.push(mention);
        }
    }
    let names: Vec<&str> = absent.iter().take(5).map(|mention| mention.name.as_str()).collect();
    let more = absent.len().saturating_sub(names.len());
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    let message = format!("README.md points to {}{more}, which the folder does not hold", names.join(", "));
    let finding = context.finding("pkg-readme", message).code(Code::ReadmeIncomplete).severity(Severity::Info);
    let finding = absent
        .iter()
        .take(5)
        .fold(finding, |finding, mention| finding.at("README.md", Some(mention.line), mention.text.clone()));
    (!absent.is_empty()).then_some(finding)
}

/// Reports a wrong description of a log: `train_v0.txt is on 2xH100`, where that log has eight.
pub(super) fn labels(context: &Context<'_>, readme: &Readme) -> Vec<Finding> {
    let Some(machine) = context.rulebook.hardware_of(context.track) else { return Vec::new() };
    let mut findings = Vec::new();
    for mention in &readme.mentions {
        let Some(claimed) = gpus(&mention.text, &machine.gpu) else { continue };
        let logs_in_line = readme.mentions.iter().filter(|other| other.line == mention.line && is_log(&other.name));
        // With two logs in a line nobody knows which is meant.
        if logs_in_line.count() != 1 {
            continue;
        }
        let named = |run: &&caddie_folder::RunLog| {
            run.log.as_str() == mention.name || run.log.file_name() == Some(&mention.name)
        };
        let Some((run, world)) = context.every_run().find(named).and_then(|run| Some((run, run.world_size.value()?)))
        else {
            continue;
        };
        if world == claimed {
            continue;
        }
        let really = context.every_run().find(|run| run.world_size.value() == Some(claimed));
        let really = really.map(|run| format!("; {} is", run.log)).unwrap_or_default();
        let message = format!("README.md says {} ran on {claimed} GPUs, its log says {world}{really}", run.log);
        let finding = context.finding("repro", message).code(Code::ReadmeRunLabel).severity(Severity::Warning);
        let finding =
            finding.claimed(claimed).measured(world).at("README.md", Some(mention.line), mention.text.clone());
        findings.push(finding.in_log(run, run.world_size, format!("world_size:{world}")));
    }
    findings
}

fn is_log(name: &str) -> bool {
    name.ends_with(".log") || name.ends_with(".txt")
}
