//! Checks of the score ledgers: recomputes the official score from the rows, and compares every statement of their
//! digests.

use super::context::run_name;
use super::{Check, Context, Needs};
use crate::report::{Code, Finding, Severity};
use caddie_folder::{Fact, Ledger, LedgerFile, Logged, RunLog, Shows};

/// Metadata of the check.
pub const CHECK: Check = Check {
    name: "ledger",
    about: "Scores recomputed from the ledger's rows are the log's to the last digit, and the digests agree.",
    rules: &["bpb-formula", "repro"],
    needs: Needs::ANY_RUN,
    run,
};

fn run(context: &Context<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    for run in context.runs().iter().filter(|run| run.ledger_sha256.is_some()) {
        match ledger_of(context, run) {
            Some(file) => compare(context, run, file, &mut findings),
            None => {
                let message = format!(
                    "{}: the score cannot be recomputed; the log names a ledger that the folder does not hold",
                    run_name(run)
                );
                let finding = context.finding("bpb-formula", message).code(Code::LedgerMissing);
                let text = format!("sha256:{}", run.ledger_sha256.text().unwrap_or(""));
                findings.push(finding.severity(Severity::Unknown).in_log(run, &run.ledger_sha256, text));
            }
        }
    }
    findings.extend(context.folder.ledgers.iter().filter_map(|file| without_log(context, file)));
    findings
}

/// Returns the run's ledger: the one named for its seed, else the one with the digest that its log states.
fn ledger_of<'a>(context: &Context<'a>, run: &RunLog) -> Option<&'a LedgerFile> {
    let ledgers = &context.folder.ledgers;
    let named = ledgers.iter().find(|file| file.seed.is_some() && file.seed == run.seed.value());
    let digest =
        |file: &&LedgerFile| file.content.as_ref().is_ok_and(|l| Some(l.sha256.as_str()) == run.ledger_sha256.text());
    named.or_else(|| ledgers.iter().find(digest))
}

fn compare(context: &Context<'_>, run: &RunLog, file: &LedgerFile, findings: &mut Vec<Finding>) {
    let name = run_name(run);
    let ledger = match &file.content {
        Ok(ledger) => ledger,
        Err(reason) => {
            let message = format!("{name}: the ledger cannot be read: {reason}");
            let finding = context.finding("bpb-formula", message).code(Code::LedgerUnreadable);
            findings.push(finding.at(file.file.clone(), None, reason.clone()));
            return;
        }
    };
    scores(context, run, file, ledger, findings);
    counts(context, run, file, ledger, findings);
    digests(context, run, file, ledger, findings);
}

/// Compares scores at the log's own digits: a recomputed score that rounds to another last digit is another score.
fn scores(context: &Context<'_>, run: &RunLog, file: &LedgerFile, ledger: &Ledger, findings: &mut Vec<Finding>) {
    let decimals = run.decimals.unwrap_or(8);
    let half_unit = 0.5 * 10f64.powi(-(decimals as i32)) + 1e-12;
    let pairs = [("val_loss", ledger.val_loss(), run.val_loss), ("val_bpb", ledger.val_bpb(), run.val_bpb)];
    for (what, recomputed, stated) in pairs {
        let (Some(recomputed), Some(logged)) = (recomputed, stated.value()) else {
            let message =
                format!("{}: {what} cannot be recomputed; the ledger is empty or the log has no score", run_name(run));
            let finding = context.finding("bpb-formula", message).code(Code::LedgerNeLog).severity(Severity::Unknown);
            findings.push(finding.at(file.file.clone(), None, format!("{} rows", ledger.rows.len())));
            continue;
        };
        if (recomputed - logged).abs() <= half_unit {
            continue;
        }
        let places = decimals as usize;
        let message = format!(
            "{}: the ledger's {} documents give {what} {recomputed:.places$}, the log says {logged:.places$}",
            run_name(run),
            ledger.rows.len()
        );
        let finding = context.finding("bpb-formula", message).code(Code::LedgerNeLog);
        let finding = finding.measured(recomputed).claimed(logged);
        let sums = format!("{} nats, {} tokens, {} bytes", ledger.nats, ledger.tokens, ledger.bytes);
        let metric = run.metric.text().unwrap_or("metric");
        let text = format!("{metric} {what}:{logged:.places$}");
        findings.push(finding.at(file.file.clone(), None, sums).in_log(run, stated, text));
    }
}

fn counts(context: &Context<'_>, run: &RunLog, file: &LedgerFile, ledger: &Ledger, findings: &mut Vec<Finding>) {
    let pairs = [
        ("documents", ledger.rows.len() as u64, run.ledger_documents),
        ("tokens", ledger.tokens, run.ledger_tokens),
        ("bytes", ledger.bytes, run.ledger_bytes),
    ];
    for (what, held, logged) in pairs {
        if let Some(Logged { value, .. }) = logged.filter(|logged| logged.value != held) {
            let message = format!("{}: the ledger holds {held} {what}, the log says {value}", run_name(run));
            let finding = context.finding("bpb-formula", message).code(Code::LedgerNeLog).measured(held).claimed(value);
            let shown = finding.at(file.file.clone(), None, format!("{held} {what}"));
            findings.push(shown.in_log(run, logged, format!("{what}:{value}")));
        }
    }
}

fn digests(context: &Context<'_>, run: &RunLog, file: &LedgerFile, ledger: &Ledger, findings: &mut Vec<Finding>) {
    let folder = context.folder;
    let seed = run.seed.value().unwrap_or_default();
    let by_name = |key: &str| folder.ledger_digests.get(key);
    let listed = by_name(file.file.as_str()).or_else(|| by_name(&seed.to_string()));
    let claimed = folder.metadata().and_then(|metadata| metadata.ledgers.iter().find(|(of, _)| *of == seed));
    let (log, line) = run.at(&run.ledger_sha256);
    let logged = run.ledger_sha256.text().map(|digest| (log.as_str(), line, digest));
    let listed = listed.map(|digest| ("ledgers.json", Some(digest.line), digest.value.as_str()));
    let claimed = claimed.map(|(_, digest)| (context.json_name(), Some(digest.line), digest.value.as_str()));
    for (source, line, stated) in [logged, listed, claimed].into_iter().flatten() {
        if stated != ledger.sha256 {
            let message = format!("{}: the ledger is not the one that {source} states by its SHA-256", run_name(run));
            let finding = context.finding("repro", message).code(Code::LedgerDigestMismatch).severity(Severity::Error);
            let finding = finding.measured(ledger.sha256.clone()).claimed(stated);
            let shown = finding.at(file.file.clone(), None, format!("sha256:{}", ledger.sha256));
            findings.push(shown.at(source, line, format!("sha256:{stated}")));
        }
    }
}

/// Reports a ledger of a seed without a log, or whose log names none: it backs no score.
fn without_log(context: &Context<'_>, file: &LedgerFile) -> Option<Finding> {
    let of_run = |run: &RunLog| {
        let same_seed = file.seed.is_some() && run.seed.value() == file.seed;
        let same_digest =
            file.content.as_ref().is_ok_and(|ledger| Some(ledger.sha256.as_str()) == run.ledger_sha256.text());
        run.ledger_sha256.is_some() && (same_seed || same_digest)
    };
    // A log that could not be read may be the one.
    if context.runs().iter().any(of_run) || context.folder.unread_logs().next().is_some() {
        return None;
    }
    let message = format!("{} belongs to no log: none states its seed or its digest", file.file);
    let finding = context.finding("repro", message).code(Code::LedgerNeLog).severity(Severity::Warning);
    Some(finding.at(file.file.clone(), None, "no ledger: line names it"))
}
