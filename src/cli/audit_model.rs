//! `caddie audit` of model files: one, several, those of a folder, and those in an artifact.

use std::fmt::Write;

use camino::{Utf8Path, Utf8PathBuf};

use super::audit::{AuditArgs, AuditFormat};
use super::requests::Asked;
use super::{audit_tensors, terminal};
use crate::artifact::{self, UnpackLimits};
use crate::checks::find;
use crate::report::Finding;
use caddie_audit::model::{self as audit, Audit, AuditOptions, SHORTEST, Search};
use caddie_files::text::{one_line, thousands};
use caddie_files::{Error, Result, exit};
use caddie_folder::Folder;
use caddie_rulebook::Rulebook;

/// Ends of the names of model files, of which a folder is searched.
const ENDS: [&str; 16] = [
    ".pt",
    ".pth",
    ".ptz",
    ".ckpt",
    ".pkl",
    ".pickle",
    ".safetensors",
    ".npy",
    ".npz",
    ".zlib",
    ".lzma",
    ".xz",
    ".zstd",
    ".brotli",
    ".br",
    ".q2bn",
];
/// End of the name of an artifact.
const ARTIFACT: &str = ".tar.zst";
/// Most places that one line on several findings shows.
const PLACES: usize = 3;

/// Tells whether `path` is audited for its weights: a file other than a script, or a folder with model files and without a
/// script or a records folder.
pub(super) fn is_of_models(path: &Utf8PathBuf, rulebook: &Rulebook) -> bool {
    if !path.is_dir() {
        return path.extension() != Some("py");
    }
    let found = find::find(std::slice::from_ref(path), &rulebook.track_prefix).folders;
    let alone = found.is_empty() || found == [path.clone()];
    let scripted = || Folder::read(path).is_ok_and(|folder| folder.script.is_some() || folder.submission.is_some());
    alone && !models_of(path).is_empty() && !scripted()
}

/// Lists the files of a folder that are models by their names.
fn models_of(folder: &Utf8Path) -> Vec<Utf8PathBuf> {
    let files = caddie_files::list(folder).map(|listing| listing.files).unwrap_or_default();
    files.into_iter().map(|file| folder.join(file.path)).filter(|path| is_named_as_one(path)).collect()
}

/// Tells whether a name is that of a model file.
fn is_named_as_one(path: &Utf8Path) -> bool {
    ENDS.iter().any(|end| path.as_str().ends_with(end))
}

/// Says what a file is that was taken for a records folder, and which command reads it; `None` for other files.
pub(super) fn instead_of_a_folder(path: &Utf8Path) -> Option<&'static str> {
    if !path.is_file() {
        return None;
    }
    if path.as_str().ends_with(ARTIFACT) {
        return Some(
            "an artifact, not a folder; caddie reproduce scores its models again, caddie audit examines them, caddie size \
             counts it, caddie unpack opens it",
        );
    }
    is_named_as_one(path).then_some("a model file, not a folder; caddie audit examines it")
}

/// A model to audit: where it lies, and the name that it is shown by.
struct AuditedModel {
    path: Utf8PathBuf,
    name: Utf8PathBuf,
}

/// Audits and prints; a file that cannot be read does not stop the others.
///
/// # Errors
/// When nothing can be audited, or `args` names models and scripts together.
pub(super) fn run(args: &AuditArgs, asked: &Asked, rulebook: &Rulebook) -> Result<u8> {
    if let Some(script) = asked.paths.iter().find(|path| !is_of_models(path, rulebook)) {
        let reason = "is no model file and no folder of them; audit scripts in a command of their own";
        return Err(Error::unreadable(script, reason));
    }
    args.filter.check(rulebook)?;
    let options = AuditOptions { cap: args.cap, val: args.val.clone(), train: args.train.clone() };
    let room = tempfile::tempdir().map_err(Error::io("a temporary folder", "creating"))?;
    let room = Utf8Path::from_path(room.path()).ok_or_else(|| Error::Usage("TMPDIR is not UTF-8".to_owned()))?;
    let subjects = subjects(&asked.paths, room)?;
    let (mut audits, mut code, mut left_out) = (Vec::new(), exit::OK, 0);
    for subject in &subjects {
        match audit::audit(&subject.path, &options, rulebook) {
            Ok(mut audit) => {
                let before = audit.findings.len();
                audit.findings.retain(|finding| args.filter.keeps(finding, rulebook));
                left_out += before - audit.findings.len();
                audit.path.clone_from(&subject.name);
                code = code.max(judged(&audit, args));
                audits.push(audit);
            }
            // One file is the command; of several each has its own line.
            Err(error) if subjects.len() == 1 => return Err(error),
            Err(error) => {
                eprintln!("error: {}", super::shown(&error.to_string()));
                code = code.max(error.exit_code());
            }
        }
    }
    super::filter::tell(left_out);
    let one = matches!(asked.paths.as_slice(), [path] if path.is_file() && !path.as_str().ends_with(ARTIFACT));
    match args.format {
        AuditFormat::Plain => terminal::show(&audits.iter().map(plain).collect::<Vec<_>>().join("\n"))?,
        // Plain structs with string keys always serialize.
        AuditFormat::Json => {
            let json = match audits.as_slice() {
                [audit] if one => serde_json::to_string_pretty(audit),
                audits => serde_json::to_string_pretty(&serde_json::json!({ "models": audits })),
            };
            super::print(&format!("{}\n", json.unwrap_or_else(|_| "{}".to_owned())))?;
        }
    }
    Ok(code)
}

/// Lists the models that the paths stand for. Artifacts are unpacked into `room`, after every hash was checked.
fn subjects(paths: &[Utf8PathBuf], room: &Utf8Path) -> Result<Vec<AuditedModel>> {
    let mut subjects = Vec::new();
    let named = |path: Utf8PathBuf| AuditedModel { name: path.clone(), path };
    for (index, path) in paths.iter().enumerate() {
        if path.is_dir() {
            subjects.extend(models_of(path).into_iter().map(named));
        } else if path.as_str().ends_with(ARTIFACT) {
            let out = room.join(index.to_string());
            let manifest = artifact::unpack(path, &out, &UnpackLimits::default(), false)?;
            let runs = manifest.counted.runs.iter();
            subjects.extend(runs.map(|run| AuditedModel { path: out.join(&run.model), name: path.join(&run.model) }));
        } else {
            subjects.push(named(path.clone()));
        }
    }
    Ok(subjects)
}

/// Returns the exit code that one audit asks for.
fn judged(audit: &Audit, args: &AuditArgs) -> u8 {
    if args.fail_on.reached(audit.worst()) {
        return exit::FINDINGS;
    }
    if audit.is_unread() {
        let path = super::shown(audit.path.as_str());
        eprintln!("error: {path}: nothing in it could be read, so this audit clears nothing; its findings say why");
        return exit::USAGE;
    }
    exit::OK
}

fn plain(audit: &Audit) -> String {
    let mut text = String::new();
    // Writing to a string does not fail.
    let _ = header(&mut text, audit)
        .and_then(|()| audit_tensors::table(&mut text, &audit.tensors))
        .and_then(|()| rest(&mut text, audit));
    text
}

fn header(text: &mut String, audit: &Audit) -> std::fmt::Result {
    let formats: Vec<&str> = audit.formats.iter().map(|format| format.name()).collect();
    writeln!(text, "{}: {}", one_line(audit.path.as_str()), formats.join(", "))?;
    let (bytes, cap) = (thousands(audit.bytes), thousands(audit.cap));
    writeln!(text, "  {bytes} bytes, {:.2} % of the {cap} of code and model", audit.share * 100.0)?;
    writeln!(text, "  SHA-256 {}", audit.sha256)?;
    for layer in &audit.layers {
        let place = if layer.stream.is_empty() { String::new() } else { format!("{}: ", layer.stream) };
        let (from, to) = (thousands(layer.bytes_in), thousands(layer.bytes_out));
        writeln!(text, "  {place}{}  {from} -> {to}", layer.codec)?;
    }
    Ok(())
}

fn rest(text: &mut String, audit: &Audit) -> std::fmt::Result {
    for pickle in &audit.pickles {
        let names: Vec<String> = pickle.globals.iter().take(20).map(|global| one_line(&global.path())).collect();
        let names = if names.is_empty() { "no names".to_owned() } else { names.join(", ") };
        writeln!(
            text,
            "\n{}: {} bytes, parsed and not run; looks up {names}",
            one_line(&pickle.member),
            thousands(pickle.bytes)
        )?;
    }
    writeln!(text)?;
    audit.searches.iter().try_for_each(|found| search(text, found))?;
    if audit.searches.iter().all(|search| search.role != audit::Role::Val) {
        writeln!(text, "validation tokens: not looked for; give --val SHARD")?;
    }
    if audit.findings.is_empty() {
        return writeln!(text, "nothing found");
    }
    writeln!(text)?;
    alike(&audit.findings).iter().try_for_each(|found| findings(text, found))
}

fn search(text: &mut String, search: &Search) -> std::fmt::Result {
    let (role, shard) = (search.role.name(), one_line(search.shard.as_str()));
    let searched = thousands(search.found.searched_bytes);
    let chance = search.found.chance_tokens;
    match &search.found.longest {
        Some(run) => {
            let tokens = thousands(run.tokens);
            writeln!(
                text,
                "{role} tokens of {shard}: the longest run in {searched} bytes has {tokens}; by chance about {chance:.0}"
            )
        }
        None => writeln!(
            text,
            "{role} tokens of {shard}: no run of {SHORTEST} in {searched} bytes; by chance about {chance:.0}"
        ),
    }
}

/// Puts findings together that differ in nothing but the numbers of their tensors.
fn alike(findings: &[Finding]) -> Vec<Vec<&Finding>> {
    let mut groups: Vec<(String, Vec<&Finding>)> = Vec::new();
    for finding in findings {
        let (severity, confidence) = (finding.severity.name(), finding.confidence.name());
        let key = format!("{severity} {confidence} {} {}", finding.rule, audit_tensors::pattern(&finding.message));
        match groups.iter_mut().find(|(known, _)| *known == key) {
            Some((_, group)) => group.push(finding),
            None => groups.push((key, vec![finding])),
        }
    }
    groups.into_iter().map(|(_, group)| group).collect()
}

/// Writes findings that are alike: the first as it is, and the places of the others.
fn findings(text: &mut String, group: &[&Finding]) -> std::fmt::Result {
    let Some(first) = group.first() else { return Ok(()) };
    let (severity, confidence) = (terminal::pen().severity(first.severity), first.confidence.name());
    let more = if group.len() > 1 { format!(" (×{})", group.len()) } else { String::new() };
    let message = super::shown(&first.message);
    writeln!(text, "{severity} ({confidence} confidence) {}: {message}{more}", first.rule)?;
    let places: Vec<&str> =
        group.iter().flat_map(|finding| &finding.evidence).map(|place| place.text.as_str()).collect();
    // All places of one finding are evidence; of many alike, the first show the kind.
    let shown = if group.len() > 1 { PLACES } else { places.len() };
    places.iter().take(shown).try_for_each(|place| writeln!(text, "  {}", one_line(place)))?;
    match places.len().saturating_sub(shown) {
        0 => Ok(()),
        more => writeln!(text, "  … {more} more; --format json lists every one"),
    }
}
