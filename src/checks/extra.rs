//! Files that no total counts, and system programs that the scripts call.

use std::collections::BTreeMap;

use super::{Check, Context, Needs};
use crate::report::{Code, Finding, Severity};
use caddie_files::FileEntry;
use caddie_files::text::thousands;

/// Metadata of the files.
pub const FILES: Check = Check {
    name: "extra-files",
    about: "The folder holds nothing beside script, README.md, submission.json, requirements and logs.",
    rules: &["pkg-minimal", "size-tokenizer-free", "size-runtime-payload"],
    needs: Needs::Nothing,
    run: extra_files,
};

/// Metadata of the programs.
pub const PROGRAMS: Check = Check {
    name: "external-programs",
    about: "The README names the system programs that the scripts call.",
    rules: &["size-external-binary"],
    needs: Needs::Script,
    run: programs,
};

/// Endings of payloads: compiled code, weights or tables.
const BINARY: [&str; 16] = [
    "so",
    "dll",
    "dylib",
    "exe",
    "whl",
    "bin",
    "pt",
    "pth",
    "ptz",
    "npz",
    "npy",
    "pkl",
    "safetensors",
    "o",
    "a",
    "onnx",
];
const TOKENIZER: [&str; 3] = ["model", "vocab", "tiktoken"];
/// Endings of code beside the script that no total counts.
const SOURCE: [&str; 8] = ["py", "cpp", "cu", "cuh", "c", "h", "rs", "pyx"];

/// Compressors and the like that a script may call to unpack its artifact.
const PROGRAMS_OF_THE_SYSTEM: [&str; 14] =
    ["lrzip", "zpaq", "xz", "7z", "7za", "zstd", "brotli", "bzip3", "bzip2", "paq8px", "cmix", "lzip", "gzip", "kanzi"];

/// Tokenizers that ship with the folder.
pub(super) fn tokenizers<'a>(context: &Context<'a>) -> Vec<&'a FileEntry> {
    of_kind(context, &TOKENIZER)
}

/// Lists the files with these endings beside the script and the model.
fn of_kind<'a>(context: &Context<'a>, kinds: &[&str]) -> Vec<&'a FileEntry> {
    let folder = context.folder;
    let own = |file: &&FileEntry| {
        Some(&file.path) != folder.script.as_ref().map(|script| &script.path)
            && Some(&file.path) != folder.model.as_ref().map(|model| &model.path)
    };
    let is =
        |file: &&FileEntry| file.path.extension().is_some_and(|end| kinds.contains(&end.to_ascii_lowercase().as_str()));
    folder.files.iter().filter(own).filter(is).collect()
}

fn extra_files(context: &Context<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    let tokenizers = tokenizers(context);
    if !tokenizers.is_empty() {
        let message = format!("a tokenizer ships with the folder, and no total counts it: {}", list(&tokenizers));
        findings.push(report(context.finding("size-tokenizer-free", message), &tokenizers).severity(Severity::Info));
    }
    let payload = of_kind(context, &BINARY);
    if !payload.is_empty() {
        let message = format!(
            "binary files ship with the folder: {}; the bytes that the script loads from them count, so say what they are",
            list(&payload)
        );
        let finding = context.finding("size-runtime-payload", message);
        findings.push(report(finding, &payload).severity(context.on_record(Severity::Warning)));
    }
    let source = of_kind(context, &SOURCE);
    if !source.is_empty() {
        let message = format!("code beside the counted script is in no total: {}", list(&source));
        findings.push(report(context.finding("pkg-minimal", message), &source).severity(Severity::Info));
    }
    findings
}

fn list(files: &[&FileEntry]) -> String {
    const NAMED: usize = 4;
    let mut names: Vec<String> =
        files.iter().take(NAMED).map(|file| format!("{} ({} bytes)", file.path, thousands(file.bytes))).collect();
    if files.len() > NAMED {
        names.push(format!("{} more", files.len() - NAMED));
    }
    names.join(", ")
}

fn report(finding: Finding, files: &[&FileEntry]) -> Finding {
    let bytes: u64 = files.iter().map(|file| file.bytes).fold(0, u64::saturating_add);
    let finding = finding.code(Code::ExtraFiles).measured(bytes);
    // A folder may hold thousands.
    files
        .iter()
        .take(20)
        .fold(finding, |finding, file| finding.at(file.path.clone(), None, format!("{} bytes", file.bytes)))
}

/// A line on which a script calls a program: the file, the line's number and its text.
type Call = (camino::Utf8PathBuf, u64, String);

/// Lists the system programs that the scripts name in a call, each with the first such call.
pub(super) fn called(context: &Context<'_>) -> BTreeMap<&'static str, Call> {
    let folder = context.folder;
    let mut called = BTreeMap::new();
    // A script that comes in a wrapper calls what the unwrapped source calls.
    let unwrapped = context.executed().filter(|executed| !executed.unwrapped.layers.is_empty());
    let unwrapped = folder.script.as_ref().zip(unwrapped.map(|executed| executed.unwrapped.source.as_ref()));
    let unwrapped = unwrapped.and_then(|(script, source)| Some((&*script.path, std::str::from_utf8(source).ok()?)));
    for (path, text) in folder.code.iter().map(|script| (&*script.path, script.text.as_str())).chain(unwrapped) {
        if !["subprocess", "os.system", "shutil.which", "os.popen"].iter().any(|call| text.contains(call)) {
            continue;
        }
        for (number, line) in (1..).zip(text.lines()) {
            let named = PROGRAMS_OF_THE_SYSTEM.iter().find(|program| is_called(line, program));
            if let Some(program) = named {
                called.entry(*program).or_insert_with(|| (path.to_owned(), number, line.trim().to_owned()));
            }
        }
    }
    called
}

/// Reports programs that the scripts call, and whether the README declares them.
fn programs(context: &Context<'_>) -> Vec<Finding> {
    let folder = context.folder;
    let called = called(context);
    if called.is_empty() {
        return Vec::new();
    }
    let readme = folder.files.iter().find(|file| file.path.as_str().eq_ignore_ascii_case("readme.md"));
    let readme =
        readme.and_then(|file| caddie_files::read_text(&folder.path.join(&file.path)).ok()).unwrap_or_default();
    let declared = called.keys().all(|program| readme.contains(program));
    let names: Vec<&str> = called.keys().copied().collect();
    let (severity, remark) = if declared {
        (Severity::Info, "the README names it as a prerequisite")
    } else {
        (context.on_record(Severity::Warning), "name it in the README as a prerequisite")
    };
    let message = format!("the scripts call {} of the system; {remark}", names.join(", "));
    let finding = context.finding("size-external-binary", message).code(Code::ExternalBinary).severity(severity);
    vec![called.into_values().fold(finding, |finding, (path, line, text)| {
        finding.at(path, Some(line), text.chars().take(120).collect::<String>())
    })]
}

/// Tells whether the program is the first word of a command: `["lrzip", …]`, `which("lrzip")`, `"lrzip -z …"`.
fn is_called(line: &str, program: &str) -> bool {
    let command = |quote: char| {
        line.match_indices(&format!("{quote}{program}")).any(|(at, found)| {
            let before = line[..at].trim_end_matches('f').trim_end();
            let after = line[at + found.len()..].chars().next();
            // A name compared or looked up in a table is no call: `compressor == "brotli"`.
            before.ends_with(['(', '['])
                && !before.ends_with("getattr(")
                && matches!(after, Some(c) if c == quote || c == ' ')
        })
    };
    let calls = ["run(", "call(", "Popen(", "check_output(", "which(", "system(", "popen(", "cmd = [", "cmd=["];
    calls.iter().any(|call| line.contains(call)) && (command('"') || command('\''))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_is_one_that_a_command_begins_with() {
        for line in [
            "    subprocess.run([\"lrzip\", \"-d\", path], check=True)",
            "if shutil.which('lrzip') is None:",
            "os.system(\"lrzip -d model\")",
        ] {
            assert!(is_called(line, "lrzip"), "{line}");
        }
        for line in ["if compressor == \"lrzip\":", "log0(\"lrzip not found\")", "run([\"lrzipper\"])", "lrzip = 1"] {
            assert!(!is_called(line, "lrzip"), "{line}");
        }
    }
}
