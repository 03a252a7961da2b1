//! recipe.toml is the recipe that the runs were made with.

use super::{Check, Context};
use crate::report::{Code, Finding, Severity};
use caddie_folder::recipe::differences;

/// Metadata of the check.
pub const CHECK: Check = Check {
    name: "recipe",
    about: "recipe.toml holds the values of the recipe at the head of each native log.",
    rules: &["repro"],
    run,
};

/// Keys that a message names; the rest is counted.
const NAMED_KEYS: usize = 5;

fn run(context: &Context<'_>) -> Vec<Finding> {
    let Some(recipes) = &context.folder.recipes else { return Vec::new() };
    let file = match &recipes.file {
        Ok(file) => file,
        Err(reason) => {
            let message = format!("recipe.toml cannot be read: {reason}");
            let finding = context.finding("repro", message).code(Code::RecipeNeLog).severity(Severity::Warning);
            return vec![finding.at("recipe.toml", None, reason.clone())];
        }
    };
    let mut findings = Vec::new();
    for (log, head) in &recipes.logs {
        let (message, severity, text) = match head {
            Ok(head) if head == file => continue,
            Ok(head) => {
                let keys = differences(file, head);
                let mut named = keys.iter().take(NAMED_KEYS).cloned().collect::<Vec<_>>().join(", ");
                if keys.len() > NAMED_KEYS {
                    named = format!("{named} and {} more", keys.len() - NAMED_KEYS);
                }
                let message = format!("recipe.toml is not the recipe of {log}: they differ in {named}");
                (message, Severity::Error, format!("another {named}"))
            }
            Err(reason) => {
                let message = format!("{log}: the recipe at its head cannot be read: {reason}");
                (message, Severity::Unknown, reason.clone())
            }
        };
        let finding = context.finding("repro", message).code(Code::RecipeNeLog).severity(severity);
        findings.push(finding.at("recipe.toml", None, text.clone()).at(log.clone(), Some(1), text));
    }
    findings
}
