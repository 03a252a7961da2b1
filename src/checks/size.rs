//! Checks of the 16,000,000 bytes: the cap for every seed, the sum of the parts, and the script that is shipped.

use super::context::{counted_bytes, run_name};
use super::{Check, Context, Needs};
use crate::report::{Code, Finding, Severity};
use caddie_files::FileEntry;
use caddie_files::text::thousands;
use caddie_folder::executed::Executed;
use caddie_folder::{Fact, Field, Lined, Logged, RunLog, Scope, Shows};

/// Metadata of the cap.
pub const CAP: Check = Check {
    name: "size-cap",
    about: "The counted bytes of every run, and the claimed ones, are within the cap.",
    rules: &["size-cap-decimal", "size-every-seed"],
    needs: Needs::ANY_RUN,
    run: cap,
};

/// Metadata of the sum.
pub const PARTS: Check = Check {
    name: "size-parts",
    about: "Model bytes plus code bytes are the total that the log states.",
    rules: &["size-parts"],
    needs: Needs::Run(|run| run.bytes_total.is_some()),
    run: parts,
};

/// Metadata of the shipped script.
pub const CODE: Check = Check {
    name: "code-size",
    about: "The code size that the logs count is that of the script in the folder.",
    rules: &["size-code-representation", "size-code-one-file", "size-no-stub"],
    needs: Needs::Script,
    run: code,
};

/// Returns the total that the log states, or the part that the sum needs.
fn stated_size(run: &RunLog) -> Option<Logged<u64>> {
    run.bytes_total.or(run.bytes_model)
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
                over_as_logged(context, run, rule, message).measured(total)
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
            None if run.megabytes.is_some() => {
                let stated = run.megabytes.text().unwrap_or("");
                let message =
                    format!("{name}: the log states sizes in megabytes only; the bytes are not known exactly");
                let finding = context.finding("size-cap-decimal", message).code(Code::SizeOnlyInMb).limit(limit);
                findings.push(finding.severity(Severity::Warning).in_log(run, &run.megabytes, stated));
                continue;
            }
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
        findings.push(finding.limit(limit).in_log(run, stated_size(run), text));
    }
    findings.extend(claimed_over_cap(context));
    if runs.is_empty() {
        let message = "the counted bytes are unknown because no log states them";
        let finding = context.finding("size-cap-decimal", message).code(Code::SizeNotLogged);
        findings.push(finding.severity(Severity::Unknown).limit(limit));
    }
    findings
}

/// Reports a logged total over the cap: as an error where the shipped total is over it as well, because a form of the
/// code that nobody ships does not count; as a warning where the shipped script fits and only the log counts a larger
/// one.
fn over_as_logged(context: &Context<'_>, run: &RunLog, rule: &'static str, message: String) -> Finding {
    let limit = context.limits.artifact_bytes;
    let finding = |message: String| context.finding(rule, message).code(Code::SizeOverCapLogged);
    let script = context.folder.script.as_ref().filter(|script| script.bytes > 0);
    let Some((script, model)) = script.zip(run.bytes_model.value()) else { return finding(message) };
    let code = context.shipped_code().unwrap_or(script.bytes);
    let shipped = model.saturating_add(code);
    if shipped <= limit {
        let with = format!("{message}; with the shipped {} the total is {}", script.path, thousands(shipped));
        return finding(with).severity(Severity::Warning);
    }
    // Only where packing decides.
    let packed = if model <= limit { packed_in_words(context, model) } else { String::new() };
    finding(format!("{message}{packed}"))
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
    let total = run.bytes_total.value()?;
    let name = run_name(run);
    let Some((model, code)) = run.bytes_model.value().zip(run.bytes_code.value()) else {
        let missing = if run.bytes_model.is_none() { "model" } else { "code" };
        let message = format!("{name}: the log states a total of {} bytes but no {missing} size", thousands(total));
        let finding = context.finding("size-parts", message).code(Code::SizeNotLogged).severity(Severity::Unknown);
        return Some(finding.measured(total).in_log(run, run.bytes_total, format!("total {total}")));
    };
    let sum = model.checked_add(code);
    // A prefix, a table: what else is in the total stands in a line of its own.
    let further = sum.and_then(|sum| total.checked_sub(sum));
    if further.is_some_and(|further| further == 0 || context.states_bytes(run, further)) {
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
    // Who counts more than the parts gains nothing.
    if further.is_some() {
        finding = finding.severity(Severity::Warning);
    }
    let places = [("bytes_model", run.bytes_model), ("bytes_code", run.bytes_code), ("bytes_total", run.bytes_total)];
    let stated = places.into_iter().filter_map(|(field, fact)| Some((field, fact?)));
    Some(stated.fold(finding, |finding, (field, fact)| finding.in_log(run, fact, format!("{field} {}", fact.value))))
}

fn code(context: &Context<'_>) -> Vec<Finding> {
    let Some(script) = context.folder.script.as_ref().filter(|script| script.bytes > 0) else { return Vec::new() };
    let executed = context.executed();
    let mut findings: Vec<Finding> = other_code(context, &script.path).into_iter().collect();
    findings.extend(other_size(context, script, executed));
    findings.extend(changed_after_count(context, script));
    findings.extend(over_as_shipped(context, script));
    if let Some(executed) = executed {
        findings.extend(helpers(context, script, executed));
    }
    findings
}

/// Returns the raw size of the script as a log counts it. Scripts that count a packed estimate log the raw size as
/// well.
fn logged_code(run: &RunLog) -> Option<Logged<u64>> {
    run.bytes_code_uncompressed.or(run.bytes_code)
}

fn other_size(context: &Context<'_>, script: &FileEntry, executed: Option<&Executed>) -> Option<Finding> {
    let redirect = executed.and_then(|executed| executed.unwrapped.redirect());
    let committed = context.folder.files.iter().find(|file| Some(file.path.as_str()) == redirect).unwrap_or(script);
    // A folder of several scripts may have run another than the first.
    let known = |bytes: u64| context.folder.scripts().any(|file| file.bytes == bytes);
    let dumped = |run: &RunLog| {
        let dump = run.source.as_ref().filter(|dump| !dump.fragment)?;
        // The log's own line feed may or may not belong to the dump.
        (!known(dump.bytes) && !known(dump.bytes + 1)).then(|| Logged::new(dump.bytes, dump.first_line))
    };
    let logged = |run: &RunLog| logged_code(run).or_else(|| dumped(run)).filter(|code| !known(code.value));
    let other: Vec<_> = context.runs().iter().filter_map(|run| logged(run).map(|logged| (run, logged))).collect();
    let (run, Logged { value: first, .. }) = other.first()?;
    let more =
        if other.len() > 1 { format!(" ({} of {} runs)", other.len(), context.runs().len()) } else { String::new() };
    let message = format!(
        "{}: the log counts a script of {} bytes, {} in the folder has {}{more}",
        run_name(run),
        thousands(*first),
        committed.path,
        thousands(committed.bytes)
    );
    let finding = context.finding("size-code-representation", message).code(Code::CodeSizeNeCommitted);
    let finding = finding.measured(committed.bytes).claimed(*first);
    Some(
        other
            .iter()
            .fold(finding, |finding, (run, code)| finding.in_log(run, code, format!("code of {} bytes", code.value))),
    )
}

/// Bytes of change that do not move the packed size.
const SLIGHT_CHANGE: u64 = 64;

fn changed_after_count(context: &Context<'_>, script: &FileEntry) -> Option<Finding> {
    let counts: Option<Vec<(u64, u64)>> = context
        .runs()
        .iter()
        .map(|run| Some((run.bytes_code_uncompressed.value()?, run.bytes_code.value()?)))
        .collect();
    let counts = counts.filter(|counts| counts.iter().all(|(raw, _)| raw.abs_diff(script.bytes) >= SLIGHT_CHANGE))?;
    let (raw, packed) = counts.first()?;
    let message = format!(
        "every run counts a packed form ({} bytes) of a script of {} bytes; {} in the folder is another version of {}",
        thousands(*packed),
        thousands(*raw),
        script.path,
        thousands(script.bytes)
    );
    let finding = context.finding("size-code-representation", message).code(Code::CodeChangedAfterCount);
    let finding = finding.measured(script.bytes).claimed(*raw);
    Some(context.runs().iter().fold(finding, |finding, run| {
        finding.in_log(run, run.bytes_code_uncompressed, format!("packed {packed} bytes"))
    }))
}

/// Describes the size that the folder's script would have when packed without a minifier.
fn packed_in_words(context: &Context<'_>, model: u64) -> String {
    let limit = context.limits.artifact_bytes;
    let Some(packed) = context.packed_code() else { return String::new() };
    let total = model.saturating_add(packed);
    let verdict = if total <= limit { "within the cap" } else { "over it as well, unless minified" };
    format!(
        "; packed but not minified the script has {} bytes, a total of {}: {verdict}",
        thousands(packed),
        thousands(total)
    )
}

fn over_as_shipped(context: &Context<'_>, script: &FileEntry) -> Option<Finding> {
    let limit = context.limits.artifact_bytes;
    let code = context.shipped_code()?;
    let over: Vec<(&RunLog, u64)> = context
        .runs()
        .iter()
        .filter(|run| counted_bytes(run).is_some_and(|total| total <= limit))
        .filter_map(|run| Some((run, run.bytes_model.value()?.checked_add(code)?)))
        .filter(|(_, shipped)| *shipped > limit)
        .collect();
    let (run, shipped) = over.iter().max_by_key(|(_, shipped)| *shipped)?;
    let message = format!(
        "{}: with {} as it is shipped the total is {} bytes, {} over the cap; the log counts another form of the code{}",
        run_name(run),
        script.path,
        thousands(*shipped),
        thousands(shipped - limit),
        packed_in_words(context, shipped - code)
    );
    let finding = context.finding("size-code-representation", message).code(Code::SizeOverCapShipped);
    let finding =
        finding.measured(*shipped).limit(limit).at(script.path.clone(), None, format!("{} bytes", script.bytes));
    Some(over.iter().fold(finding, |finding, (run, shipped)| {
        finding.in_log(run, stated_size(run), format!("model and shipped script: {shipped} bytes"))
    }))
}

/// Reports files that the script runs or reads and that no total counts.
fn helpers(context: &Context<'_>, script: &FileEntry, executed: &Executed) -> Option<Finding> {
    let bytes = executed.helper_bytes();
    if bytes == 0 {
        return None;
    }
    let stub = executed.unwrapped.redirect().is_some();
    let limit = context.limits.artifact_bytes;
    let model = context.runs().iter().filter_map(|run| run.bytes_model.value()).max();
    let total = model.map(|model| model.saturating_add(script.bytes).saturating_add(bytes));
    let over = total.is_some_and(|total| total > limit);
    let names: Vec<&str> = executed.helpers.iter().map(|helper| helper.path.as_str()).take(5).collect();
    let with = total.map_or_else(String::new, |total| {
        let verdict = if over { "over the cap" } else { "within the cap" };
        format!("; with them the total is {}, {verdict}", thousands(total))
    });
    let message = format!(
        "{} ({} bytes) {} {} ({} bytes){with}",
        script.path,
        thousands(script.bytes),
        if stub { "only executes" } else { "uses" },
        names.join(", "),
        thousands(bytes)
    );
    let rule = if stub { "size-no-stub" } else { "size-code-one-file" };
    let severity = if stub || over { Severity::Warning } else { Severity::Info };
    let finding = context.finding(rule, message).code(Code::ExtraFiles).severity(severity).limit(limit);
    let finding = finding.measured(bytes);
    Some(
        executed
            .helpers
            .iter()
            .fold(finding, |finding, helper| finding.at(helper.path.clone(), None, format!("{} bytes", helper.bytes))),
    )
}

/// Compares the script with the digest that submission.json states.
fn other_code(context: &Context<'_>, script: &camino::Utf8Path) -> Option<Finding> {
    let Lined { value: claimed, line } = context.folder.metadata()?.text("code_sha256")?;
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
