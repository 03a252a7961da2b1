//! Turns the contents of a file into findings.
//!
//! Each finding speaks to a rule. Tokens of the validation split speak to `val-no-payload`. Anything that could hold
//! data of either split, and everything that could not be looked into, speaks to `size-no-val-or-train-payload`. Names
//! that a pickle looks up beyond tensors speak to `size-code-one-file`, because `torch.load` would run code that is in
//! no script. The file's length speaks to `size-cap-decimal`.

use serde::Serialize;

use super::globals::{Standing, standing};
use super::integers::{self, Look};
use super::{Audit, Search};
use caddie_checkpoint::{Contents, Histogram, Literal, LiteralKind, Payload, PickleFacts, Region, RegionKind};
use caddie_files::text::thousands;
use caddie_rulebook::Rulebook;
use caddie_rulebook::finding_on;
use caddie_rulebook::{Confidence, Finding, Severity};

const PAYLOAD: &str = "size-no-val-or-train-payload";
const VAL: &str = "val-no-payload";
const CODE: &str = "size-code-one-file";
const CAP: &str = "size-cap-decimal";

/// Most places that one finding quotes.
const MAX_EVIDENCE: usize = 10;
/// Most names of one pickle that are findings of their own.
const MAX_NAMES: usize = 50;
/// Most characters of a name that are quoted.
const MAX_PATH: usize = 200;
/// Least number of bytes without a tensor that is reported; fewer are padding.
const FEW_BYTES: u64 = 16;
/// Largest share of values unlike those of trained weights that goes without a finding.
const ODD_FLOATS: f64 = 0.1;
const FEW_FLOATS: u64 = 256;
/// Decimal logarithm of expected runs, below which chance is no explanation.
const NO_CHANCE: f64 = -9.0;
/// Tokens of a run that boilerplate of the web may explain.
const BOILERPLATE: u64 = 64;

/// The split whose tokens a shard holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    Val,
    Train,
}

impl Role {
    /// The role's name in messages.
    pub fn name(self) -> &'static str {
        match self {
            Role::Val => "validation",
            Role::Train => "training",
        }
    }
}

struct Writer<'a> {
    file: &'a str,
    rulebook: &'a Rulebook,
    findings: Vec<Finding>,
}

impl Writer<'_> {
    fn add(&mut self, rule: &'static str, severity: Severity, confidence: Confidence, message: String) -> &mut Finding {
        let finding = finding_on(self.rulebook, rule, message).severity(severity).confidence(confidence);
        self.findings.push(finding);
        let last = self.findings.len() - 1;
        &mut self.findings[last]
    }

    fn at(&mut self, rule: &'static str, severity: Severity, confidence: Confidence, message: String, place: String) {
        let file = self.file.to_owned();
        let finding = self.add(rule, severity, confidence, message);
        *finding = finding.clone().at(file, None, place);
    }
}

/// Returns every finding, the gravest first.
pub(super) fn all(audit: &Audit, contents: &Contents, rulebook: &Rulebook) -> Vec<Finding> {
    let mut writer =
        Writer { file: audit.path.file_name().unwrap_or(audit.path.as_str()), rulebook, findings: Vec::new() };
    audit.searches.iter().for_each(|search| tokens(search, audit.cap, &mut writer));
    contents.pickles.iter().for_each(|pickle| names(pickle, &mut writer));
    size(audit, &mut writer);
    regions(&contents.regions, &mut writer);
    contents.literals.iter().for_each(|literal| literal_of(literal, &mut writer));
    tensors(audit, contents, &mut writer);
    problems(contents, &mut writer);
    let mut findings = writer.findings;
    findings.sort_by_key(|finding| std::cmp::Reverse((finding.severity, finding.confidence)));
    findings
}

fn tokens(search: &Search, cap: u64, writer: &mut Writer<'_>) {
    let Some(run) = &search.found.longest else { return };
    if search.found.log10_expected.is_none_or(|expected| expected > NO_CHANCE) {
        return;
    }
    let (role, shard) = (search.role.name(), search.shard.as_str());
    let long = run.tokens >= BOILERPLATE;
    let confidence = if long { Confidence::High } else { Confidence::Medium };
    let allowed = format!("training data is allowed inside the {} MB", cap as f64 / 1e6);
    let (rule, severity, word) = match (search.role, long) {
        (Role::Val, true) => (VAL, Severity::Error, "no payload may hold them"),
        (Role::Val, false) => {
            (VAL, Severity::Warning, "runs this short also stand in both splits, as boilerplate of the web")
        }
        (Role::Train, _) => (PAYLOAD, Severity::Info, allowed.as_str()),
    };
    let message = format!(
        "{} {role} tokens stand in the payload in one run, {} in all such runs; chance would give about {:.0} ({word})",
        thousands(run.tokens),
        thousands(search.found.matched_tokens),
        search.found.chance_tokens,
    );
    let owner = run.owner.as_deref().unwrap_or("bytes of no tensor");
    let place = format!(
        "{owner}, at byte {} of {}, read as {}: tokens {} to {} of {shard}",
        run.payload_at,
        run.within,
        run.reading.name(),
        run.shard_at,
        run.shard_at + run.tokens
    );
    let file = writer.file.to_owned();
    let finding = writer.add(rule, severity, confidence, message);
    *finding =
        finding.clone().measured(run.tokens).limit(search.found.chance_tokens.ceil() as u64).at(file, None, place);
}

fn names(pickle: &PickleFacts, writer: &mut Writer<'_>) {
    let outside = pickle.globals.iter().map(|global| (standing(&global.module, &global.name), global));
    let outside = outside.filter(|(standing, _)| *standing != Standing::Rebuilds);
    for (standing, global) in outside.take(MAX_NAMES) {
        let path: String = global.path().chars().take(MAX_PATH).collect();
        let called = if global.calls > 0 { "calls" } else { "looks up" };
        let (severity, confidence, why) = match standing {
            Standing::Runs => (Severity::Error, Confidence::High, "which runs code, opens files or loads more"),
            Standing::Data => (
                Severity::Warning,
                Confidence::Medium,
                "plain data, but beyond what torch.load(weights_only=True) takes",
            ),
            Standing::Rebuilds | Standing::Other => (
                Severity::Error,
                Confidence::Medium,
                "which rebuilds no tensor: the code behind the name is not in this file",
            ),
        };
        let message = format!("the pickle {called} {path}, {why}");
        let times = if global.times > 1 { format!(", {} times", global.times) } else { String::new() };
        let place = format!("{} at byte {}{times}: {path}", pickle.member, global.at);
        writer.at(CODE, severity, confidence, message, place);
    }
    for (at, what) in pickle.odd_calls.iter().take(MAX_EVIDENCE) {
        let message = format!("in the pickle, {what}: no writer of tensors does that");
        writer.at(CODE, Severity::Error, Confidence::Medium, message, format!("{} at byte {at}", pickle.member));
    }
    if let Some(fault) = &pickle.fault {
        let message = format!(
            "a pickle could not be read to its end ({fault}); the part before would run, the part after is not known"
        );
        writer.at(CODE, Severity::Unknown, Confidence::High, message, pickle.member.clone());
    }
    // A name, a shape and a storage take some 200 bytes.
    let usual = 65_536 + 1_024 * pickle.tensors;
    if pickle.bytes > usual {
        let message = format!(
            "a pickle has {} bytes for {} tensors; names, shapes and settings take less than {}",
            thousands(pickle.bytes),
            thousands(pickle.tensors),
            thousands(usual)
        );
        writer.at(PAYLOAD, Severity::Info, Confidence::Low, message, pickle.member.clone());
    }
}

fn size(audit: &Audit, writer: &mut Writer<'_>) {
    if audit.bytes <= audit.cap {
        return;
    }
    let (bytes, cap) = (thousands(audit.bytes), thousands(audit.cap));
    // A checkpoint of a training run is not the file that is submitted.
    let (severity, confidence, message) = if audit.layers.is_empty() {
        (
            Severity::Info,
            Confidence::Low,
            format!("{bytes} bytes, not compressed: not the file that {cap} are counted for"),
        )
    } else {
        (
            Severity::Error,
            Confidence::High,
            format!("the file alone has {bytes} bytes, over the {cap} of code and model"),
        )
    };
    let finding = writer.add(CAP, severity, confidence, message);
    *finding = finding.clone().measured(audit.bytes).limit(audit.cap);
}

fn regions(regions: &[Region], writer: &mut Writer<'_>) {
    use RegionKind::{Gap, Header, Member, Opaque, Trailing, Uncovered};
    for (kind, what, why) in [
        (Trailing, "lie behind the end of the part that a reader reads", "no reader needs them"),
        (Gap, "lie between the members of the zip", "no reader needs them"),
        (Member, "lie in members of the zip that no pickle refers to", "no tensor needs them"),
        (
            Uncovered,
            "of storages belong to no tensor",
            "a slice that was saved with the whole of its storage leaves such bytes as well",
        ),
        (Header, "of the header are more than its tensors need", "names, shapes and settings take less"),
        (Opaque, "could not be looked into", "their contents are not known"),
    ] {
        let found: Vec<&Region> = regions.iter().filter(|region| region.kind == kind && region.bytes > 0).collect();
        let bytes: u64 = found.iter().map(|region| region.bytes).sum();
        if found.is_empty() || (kind != Opaque && bytes < FEW_BYTES) {
            continue;
        }
        let entropy = found.iter().map(|region| region.entropy * region.bytes as f64).sum::<f64>() / bytes as f64;
        let (severity, confidence) = match kind {
            Opaque => (Severity::Unknown, Confidence::High),
            // A single value over and over is padding.
            _ if entropy == 0.0 => (Severity::Info, Confidence::Low),
            _ => (Severity::Warning, Confidence::Medium),
        };
        let message = format!("{} bytes {what} ({entropy:.2} bits a byte); {why}", thousands(bytes));
        let file = writer.file.to_owned();
        let finding = writer.add(PAYLOAD, severity, confidence, message);
        let mut told = finding.clone().measured(bytes);
        for region in found.iter().take(MAX_EVIDENCE) {
            let text = format!("{}: {} bytes, {:.2} bits a byte", region.what, thousands(region.bytes), region.entropy);
            told = told.at(file.as_str(), None, text);
        }
        *finding = told;
    }
}

fn literal_of(literal: &Literal, writer: &mut Writer<'_>) {
    let length = thousands(literal.length);
    let entropy = literal.entropy.map_or(String::new(), |entropy| format!(", {entropy:.2} bits a byte"));
    let look = match &literal.payload {
        Payload::Integers(values) if literal.kind == LiteralKind::Integers => {
            integers::wide(&Histogram::of(values.iter().copied()))
        }
        _ => None,
    };
    let (confidence, what) = match literal.kind {
        LiteralKind::Text => (Confidence::Medium, format!("a text of {length} bytes{entropy}")),
        LiteralKind::Bytes => (Confidence::Medium, format!("{length} bytes as a value of their own{entropy}")),
        LiteralKind::Integers => match &look {
            Some(look) => (look.confidence, format!("a list of integers that {} ({})", look.what, look.why)),
            None => (Confidence::Low, format!("a list of {length} integers")),
        },
        LiteralKind::Floats => (Confidence::Low, format!("a list of {length} floats")),
        LiteralKind::Texts => (Confidence::Low, format!("a list of {length} texts")),
        LiteralKind::Table => {
            if literal.keys_of_tensors.is_some_and(|known| known * 2 >= literal.length) {
                return;
            }
            (Confidence::Medium, format!("a table of {length} entries whose keys name no tensors"))
        }
    };
    let ordinary = look.is_some_and(|look| look.ordinary);
    let severity = if ordinary { Severity::Info } else { Severity::Warning };
    let message = format!("beside the tensors lies {what}; a state dict holds none");
    writer.at(PAYLOAD, severity, confidence, message, literal.path.clone());
}

fn tensors(audit: &Audit, contents: &Contents, writer: &mut Writer<'_>) {
    let mut ordinary: Vec<(String, Look)> = Vec::new();
    for tensor in &audit.tensors {
        let Some(measured) = &tensor.measured else { continue };
        let bytes = contents.bytes(&measured.place);
        let look = measured.histogram.as_ref().and_then(|seen| integers::of_tensor(tensor.dtype, bytes, seen));
        match look {
            Some(look) if look.ordinary => ordinary.push((tensor.name.clone(), look)),
            Some(look) => {
                let kind = tensor.dtype.name();
                let message = format!("tensor {} is {kind} and its values {} ({})", tensor.name, look.what, look.why);
                writer.at(PAYLOAD, Severity::Warning, look.confidence, message, format!("tensor {}", tensor.name));
            }
            None => {}
        }
        if let Some(share) = measured.odd_floats.filter(|share| *share > ODD_FLOATS && tensor.numel >= FEW_FLOATS) {
            let message = format!(
                "{:.0} % of the values of tensor {} are subnormal, infinite or not a number; trained weights are not, \
                 integers stored as {} are",
                share * 100.0,
                tensor.name,
                tensor.dtype.name()
            );
            writer.at(PAYLOAD, Severity::Warning, Confidence::Medium, message, format!("tensor {}", tensor.name));
        }
    }
    if let Some((name, look)) = ordinary.first() {
        let message = format!(
            "{} tensors are integers of an ordinary kind, e.g. {name}, whose values {} ({})",
            ordinary.len(),
            look.what,
            look.why
        );
        let file = writer.file.to_owned();
        let finding = writer.add(PAYLOAD, Severity::Info, Confidence::Low, message);
        let mut told = finding.clone();
        for (name, look) in ordinary.iter().take(MAX_EVIDENCE) {
            told = told.at(file.as_str(), None, format!("tensor {name}: its values {} ({})", look.what, look.why));
        }
        *finding = told;
    }
}

fn problems(contents: &Contents, writer: &mut Writer<'_>) {
    for note in &contents.notes {
        writer.at(PAYLOAD, Severity::Info, Confidence::Low, note.clone(), note.clone());
    }
    let Some(first) = contents.problems.first() else { return };
    let message = match contents.problems.len() {
        1 => format!("the file contradicts itself, or was not read whole: {first}"),
        count => format!("{count} places do not agree with each other, or were not read whole: {first}"),
    };
    let file = writer.file.to_owned();
    let finding = writer.add(PAYLOAD, Severity::Unknown, Confidence::High, message);
    let mut told = finding.clone();
    for problem in contents.problems.iter().take(MAX_EVIDENCE) {
        told = told.at(file.as_str(), None, problem.as_str());
    }
    *finding = told;
}
