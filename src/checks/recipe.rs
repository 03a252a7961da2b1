//! Checks that recipe.toml is the recipe of the runs.

use super::{Check, Context, Needs};
use crate::report::{Code, Finding, Severity};
use caddie_folder::recipe::differences;

/// Metadata of the check.
pub const CHECK: Check = Check {
    name: "recipe",
    about: "recipe.toml holds the values of the recipe at the head of each native log.",
    rules: &["repro"],
    needs: Needs::ANY_RUN,
    run,
};

/// Most keys that a message names; the others are counted.
const NAMED_KEYS: usize = 5;

fn run(context: &Context<'_>) -> Vec<Finding> {
    let Some(recipes) = &context.folder.recipes else { return Vec::new() };
    let file = match &recipes.file {
        Ok(file) => file,
        Err(refused) => {
            let message = format!("recipe.toml cannot be read: {}", refused.reason);
            let finding = context.finding("repro", message).code(Code::RecipeNeLog).severity(Severity::Warning);
            return vec![finding.at("recipe.toml", refused.line, refused.reason.clone())];
        }
    };
    let mut findings = Vec::new();
    for (log, head) in &recipes.logs {
        let (message, severity, text, lines) = match head {
            Ok(head) => {
                let differing = differences(file, head);
                if differing.is_empty() {
                    continue;
                }
                let keys = differing.iter().take(NAMED_KEYS).map(|difference| difference.key.as_str());
                let mut named = keys.collect::<Vec<_>>().join(", ");
                if differing.len() > NAMED_KEYS {
                    named = format!("{named} and {} more", differing.len() - NAMED_KEYS);
                }
                let message = format!("recipe.toml is not the recipe of {log}: they differ in {named}");
                // Of several keys the first that stands in the file shows the difference.
                let in_file = differing.iter().find_map(|difference| difference.lines.0);
                let in_log = differing.iter().find_map(|difference| difference.lines.1);
                (message, Severity::Error, format!("another {named}"), (in_file, in_log))
            }
            Err(refused) => {
                let message = format!("{log}: the recipe at its head cannot be read: {}", refused.reason);
                (message, Severity::Unknown, refused.reason.clone(), (None, refused.line))
            }
        };
        let finding = context.finding("repro", message).code(Code::RecipeNeLog).severity(severity);
        // The recipe is the head of its log.
        let in_log = lines.1.or(Some(1));
        findings.push(finding.at("recipe.toml", lines.0, text.clone()).at(log.clone(), in_log, text));
    }
    findings
}
