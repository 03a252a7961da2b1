//! The 16,000,000 bytes: the cap for every seed, the sum of the parts, and the script that is shipped.

use super::context::{counted_bytes, run_name};
use super::{Check, Context};
use crate::folder::{Field, RunLog, Scope};
use crate::report::{Code, Finding, Severity, thousands};

/// Metadata of the cap.
pub const CAP: Check = Check {
    name: "size-cap",
    about: "The counted bytes of every run, and the claimed ones, are within the cap.",
    rules: &["size-cap-decimal", "size-every-seed"],
    run: cap,
};

/// Metadata of the sum.
pub const PARTS: Check = Check {
    name: "size-parts",
    about: "Model bytes plus code bytes are the total that the log states.",
    rules: &["size-parts"],
    run: parts,
};

/// Metadata of the shipped script.
pub const CODE: Check = Check {
    name: "code-size",
    about: "The code size that the logs count is that of the script in the folder.",
    rules: &["size-code-representation"],
    run: code,
};

/// The line that states the total, or the part that the sum needs.
fn size_line(run: &RunLog) -> Option<u64> {
    run.line("bytes_total").or_else(|| run.line("bytes_model"))
}

fn cap(context: &Context<'_>) -> Vec<Finding> {
    let limit = context.limits.artifact_bytes;
    let runs = context.runs();
    let mut findings = Vec::new();
    let over = runs.iter().filter(|run| counted_bytes(run).is_some_and(|total| total > limit)).count();
    // One seed over while others fit is its own rule: the cap does not hold for the mean.
    let rule = if over < runs.len() { "size-every-seed" } else { "size-cap-decimal" };
    for run in runs {
        let name = run_name(run);
        let finding = match counted_bytes(run) {
            Some(total) if total > limit => {
                let message = format!(
                    "{name}: {} bytes are {} over the cap of {}",
                    thousands(total),
                    thousands(total - limit),
                    thousands(limit)
                );
                context.finding(rule, message).code(Code::SizeOverCapLogged).measured(total)
            }
            Some(total) if limit - total < context.limits.thin_headroom_bytes => {
                let message = format!(
                    "{name}: {} of {} bytes; another seed or compressor version may tip it over the cap",
                    thousands(total),
                    thousands(limit)
                );
                context.finding("size-cap-decimal", message).severity(Severity::Info).measured(total)
            }
            Some(_) => continue,
            None => {
                let message = format!(
                    "{name}: the counted bytes are unknown; the log states no total, and not both model and code size"
                );
                let finding = context.finding("size-cap-decimal", message).code(Code::SizeNotLogged);
                findings.push(finding.severity(Severity::Unknown).limit(limit).at(
                    run.log.clone(),
                    None,
                    "no size line",
                ));
                continue;
            }
        };
        let text = format!("counted {} bytes", counted_bytes(run).map_or_else(String::new, thousands));
        findings.push(finding.limit(limit).at(run.log.clone(), size_line(run), text));
    }
    findings.extend(claimed_over_cap(context));
    if runs.is_empty() {
        let message = "the counted bytes are unknown: there is no log that states them";
        let finding = context.finding("size-cap-decimal", message).code(Code::SizeNotLogged);
        findings.push(finding.severity(Severity::Unknown).limit(limit));
    }
    findings
}

fn claimed_over_cap(context: &Context<'_>) -> Option<Finding> {
    let limit = context.limits.artifact_bytes;
    let metadata = context.folder.metadata()?;
    let totals = metadata.claims.iter().filter(|claim| claim.field == Field::BytesTotal);
    let worst = totals.max_by(|a, b| a.stated.value.total_cmp(&b.stated.value))?;
    if worst.stated.value <= limit as f64 || !matches!(worst.scope, Scope::Whole | Scope::Max | Scope::Seed(_)) {
        return None;
    }
    let claimed = worst.stated.value as u64;
    let message =
        format!("{} claims {} bytes, over the cap of {}", context.json_name(), thousands(claimed), thousands(limit));
    let finding = context.finding("size-cap-decimal", message).code(Code::SizeOverCapLogged);
    Some(finding.claimed(claimed).limit(limit).at(context.json_name(), Some(worst.line), worst.text.clone()))
}

fn parts(context: &Context<'_>) -> Vec<Finding> {
    context.runs().iter().filter_map(|run| parts_of(context, run)).collect()
}

fn parts_of(context: &Context<'_>, run: &RunLog) -> Option<Finding> {
    let total = run.bytes_total?;
    let name = run_name(run);
    let Some((model, code)) = run.bytes_model.zip(run.bytes_code) else {
        let missing = if run.bytes_model.is_none() { "model" } else { "code" };
        let message = format!("{name}: the log states a total of {} bytes but no {missing} size", thousands(total));
        let finding = context.finding("size-parts", message).code(Code::SizeNotLogged).severity(Severity::Unknown);
        return Some(finding.measured(total).at(run.log.clone(), run.line("bytes_total"), format!("total {total}")));
    };
    let sum = model.checked_add(code);
    if sum == Some(total) {
        return None;
    }
    let message = format!(
        "{name}: model {} plus code {} is {}, not the stated total of {}",
        thousands(model),
        thousands(code),
        sum.map_or_else(|| "too large".to_owned(), thousands),
        thousands(total)
    );
    let mut finding = context.finding("size-parts", message).code(Code::SizePartsNeTotal).claimed(total);
    if let Some(sum) = sum {
        finding = finding.measured(sum);
    }
    let places = [("bytes_model", model), ("bytes_code", code), ("bytes_total", total)];
    Some(places.into_iter().fold(finding, |finding, (field, value)| {
        finding.at(run.log.clone(), run.line(field), format!("{field} {value}"))
    }))
}

fn code(context: &Context<'_>) -> Vec<Finding> {
    let Some(script) = context.folder.script.as_ref().filter(|script| script.bytes > 0) else { return Vec::new() };
    let limit = context.limits.artifact_bytes;
    let mut findings: Vec<Finding> = other_code(context, &script.path).into_iter().collect();
    for run in context.runs() {
        let name = run_name(run);
        // Scripts that count a packed estimate log the raw size as well; that one is the file's.
        let (logged, field) = match (run.bytes_code_uncompressed, run.bytes_code) {
            (Some(raw), _) => (raw, "bytes_code_uncompressed"),
            (None, Some(code)) => (code, "bytes_code"),
            (None, None) => continue,
        };
        if logged != script.bytes {
            let message = format!(
                "{name}: the log counts a script of {} bytes, {} in the folder has {}",
                thousands(logged),
                script.path,
                thousands(script.bytes)
            );
            let finding = context.finding("size-code-representation", message).code(Code::CodeSizeNeCommitted);
            let finding = finding.measured(script.bytes).claimed(logged);
            findings.push(finding.at(run.log.clone(), run.line(field), format!("Code size: {logged} bytes")));
        }
        let shipped = run.bytes_model.and_then(|model| model.checked_add(script.bytes));
        let fits_as_logged = counted_bytes(run).is_some_and(|total| total <= limit);
        if let Some(shipped) = shipped.filter(|shipped| fits_as_logged && *shipped > limit) {
            let message = format!(
                "{name}: with {} as it is shipped the total is {} bytes, {} over the cap; the log counts another form \
                 of the code, and how small a packed form would be is not measured here",
                script.path,
                thousands(shipped),
                thousands(shipped - limit)
            );
            let finding = context.finding("size-code-representation", message).code(Code::SizeOverCapShipped);
            let finding = finding.measured(shipped).limit(limit);
            findings.push(finding.at(script.path.clone(), None, format!("{} bytes", script.bytes)));
        }
    }
    findings
}

/// The script is the one whose digest submission.json states.
fn other_code(context: &Context<'_>, script: &camino::Utf8Path) -> Option<Finding> {
    let (claimed, line) = context.folder.metadata()?.text("code_sha256")?;
    let measured = context.folder.script_sha256.as_deref();
    let (message, severity) = match measured {
        Some(measured) if claimed.eq_ignore_ascii_case(measured) => return None,
        Some(_) => {
            (format!("{script} is not the script whose SHA-256 {} states", context.json_name()), Severity::Error)
        }
        None => {
            (format!("{script} was not hashed; its SHA-256 in {} is unchecked", context.json_name()), Severity::Unknown)
        }
    };
    let finding = context.finding("size-code-representation", message).code(Code::CodeDigestMismatch);
    let finding = finding.severity(severity).claimed(claimed).at(context.json_name(), Some(line), claimed);
    Some(match measured {
        Some(measured) => finding.measured(measured).at(script, None, format!("SHA-256 {measured}")),
        None => finding,
    })
}
