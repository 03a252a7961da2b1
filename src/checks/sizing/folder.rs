//! Sizes a records folder under every accounting of its bytes.

use camino::Utf8Path;

use super::{Accounting, Claimed, Part, SizedEntry, Sizing};
use crate::checks::accountings::size_of;
use crate::checks::context::{Context, counted_bytes, run_name};
use crate::checks::extra;
use caddie_files::text::thousands;
use caddie_files::{Error, Result};
use caddie_folder::{Fact, Field, Folder, RunLog, Scope};
use caddie_python::packings::{self, Minify, Options};
use caddie_rulebook::Rulebook;

/// Sizes the folder. The shipped script and the largest model (as logged, as a file of the folder, or as claimed)
/// count; the other accountings stand beside them. `cap` replaces that of the folder's track.
pub(super) fn measure(path: &Utf8Path, rulebook: &Rulebook, cap: Option<u64>, minify: Minify) -> Result<Sizing> {
    let folder = Folder::read(path)?;
    refuse_pointers(&folder)?;
    let context = Context::new(&folder, rulebook, cap);
    let limit = context.limits.artifact_bytes;
    let runs = context.runs();
    let model = model(&context);
    let logged = runs.iter().filter_map(counted_bytes).max();
    let script = folder.script.as_ref().filter(|script| script.bytes > 0);
    let code = context.shipped_code();
    let (method, parts) = match (script.zip(code), &model, logged) {
        (Some((script, code)), Some((bytes, name)), _) => {
            let part = |name: &str, bytes| Part { name: name.to_owned(), bytes };
            let mut parts = vec![part(script.path.as_str(), script.bytes)];
            if let Some(redirect) = redirect(&context).filter(|_| code > script.bytes) {
                parts.push(part(redirect, code - script.bytes));
            }
            parts.push(part(name, *bytes));
            ("script as shipped, largest model", parts)
        }
        (_, _, Some(total)) => ("as logged", vec![Part { name: "total as logged".to_owned(), bytes: total }]),
        (script, ..) => {
            let missing =
                if script.is_none() { "a script (train_gpt.py)" } else { "a model file, or a log with its size" };
            let size = size_of(&context);
            let claimed = size.claimed.zip(size.claimed_in).map_or_else(String::new, |(bytes, file)| {
                format!("; {file} claims {} bytes, which nothing in the folder shows", thousands(bytes))
            });
            let reason = format!("the counted bytes cannot be determined without {missing}{claimed}");
            return Err(Error::unreadable(path, reason));
        }
    };
    let mut sizing = Sizing::new(path.as_str(), method.to_owned(), parts, logged, limit)?;
    let model = model.map(|(bytes, _)| bytes);
    let packed = packed(&context, minify).map_err(|why| Error::unreadable(path, why))?;
    sizing.accountings = accountings(&context, model, packed, limit);
    sizing.folder = Some(describe(&context));
    Ok(sizing)
}

/// Endings of files that no accounting counts or reads: pictures and documents.
const NEVER_COUNTED: [&str; 8] = ["png", "jpg", "jpeg", "gif", "svg", "pdf", "md", "rst"];

/// Refuses a folder in which a pointer lies where a file would be counted or read: script, model, log or metadata.
fn refuse_pointers(folder: &Folder) -> Result<()> {
    let counts = |path: &Utf8Path| {
        let ending = path.extension().unwrap_or("").to_ascii_lowercase();
        !NEVER_COUNTED.contains(&ending.as_str())
    };
    match folder.pointers.iter().find(|(path, _)| counts(path)) {
        Some((path, pointer)) => Err(Error::unreadable(folder.path.join(path), pointer.to_string())),
        None => Ok(()),
    }
}

/// Returns the size of the largest model, and the place that states it.
fn model(context: &Context<'_>) -> Option<(u64, String)> {
    let folder = context.folder;
    let runs = context.runs().iter();
    let largest = runs.filter_map(|run| Some((run.bytes_model.value()?, run))).max_by_key(|(bytes, _)| *bytes);
    let claimed = || {
        let claim = folder.metadata()?.claim(Field::BytesModel, Scope::Whole)?;
        Some((claim.stated.value as u64, format!("model as {} claims", context.json_name())))
    };
    largest
        .map(|(bytes, run)| (bytes, format!("model as {} states", run.log)))
        .or_else(|| folder.model.as_ref().map(|file| (file.bytes, file.path.to_string())))
        .or_else(claimed)
}

fn redirect<'a>(context: &'a Context<'_>) -> Option<&'a str> {
    context.executed().and_then(|executed| executed.unwrapped.redirect())
}

/// Describes the script as `caddie pack` would make it, with its bytes, where that is smaller than the shipped one.
fn packed(context: &Context<'_>, minify: Minify) -> std::result::Result<Option<(String, u64)>, String> {
    let (Some(executed), Some(shipped)) = (context.executed(), context.shipped_code()) else { return Ok(None) };
    let options = Options { minify, brotli: false };
    let smallest = match packings::smallest(&executed.unwrapped.source, options, &[]) {
        Ok(smallest) => smallest,
        Err(why) if minify == Minify::Always => return Err(why),
        // A script that cannot be packed has no such accounting.
        Err(_) => return Ok(None),
    };
    let bytes = smallest.packed.script.len() as u64;
    let how = match &smallest.minifier {
        Ok((by, _)) if smallest.minified => format!("minified by {by}"),
        _ => "not minified".to_owned(),
    };
    let name = format!("packed by caddie, {how}");
    Ok((smallest.is_smaller() && bytes < shipped).then_some((name, bytes)))
}

fn accountings(
    context: &Context<'_>,
    model: Option<u64>,
    packed: Option<(String, u64)>,
    limit: u64,
) -> Vec<Accounting> {
    let as_logged = |run: &RunLog| {
        let total = counted_bytes(run)?;
        Some(Accounting::new(
            format!("as logged, {}", run_name(run)),
            run.bytes_model.value(),
            run.bytes_code.value(),
            total,
            limit,
        ))
    };
    let mut all: Vec<Accounting> = context.runs().iter().filter_map(as_logged).collect();
    let mut with = |name: String, code: Option<u64>| {
        let sum = model.zip(code).and_then(|(model, code)| model.checked_add(code));
        all.extend(sum.map(|total| Accounting::new(name, model, code, total, limit)));
    };
    let size = size_of(context);
    with("script as shipped".to_owned(), size.shipped_code.filter(|bytes| *bytes > 0));
    if let Some((name, bytes)) = packed {
        with(name, Some(bytes));
    }
    let helpers = size.helpers_code.filter(|bytes| *bytes > 0);
    if helpers.is_some() {
        let code = size.shipped_code.zip(helpers).and_then(|(script, helpers)| script.checked_add(helpers));
        with("as shipped with helpers".to_owned(), code);
        all.iter_mut().rev().take(1).for_each(|last| last.helpers = true);
    }
    all
}

fn describe(context: &Context<'_>) -> SizedEntry {
    let folder = context.folder;
    let size = size_of(context);
    let part = |path: &Utf8Path, bytes| Part { name: path.to_string(), bytes };
    let redirect = redirect(context);
    let helpers = context.executed().map(|executed| executed.helpers.as_slice()).unwrap_or_default();
    let helpers = helpers.iter().filter(|helper| Some(helper.path.as_str()) != redirect);
    let claimed = size.claimed.zip(size.claimed_in).zip(size.claimed_as).map(|((bytes, file), accounting)| Claimed {
        file,
        bytes,
        accounting,
        is: accounting.in_words(size.claimed_run.as_deref()),
        run: size.claimed_run,
    });
    SizedEntry {
        script: size.script,
        script_because: size.script_because,
        hands_over_to: redirect.map(str::to_owned),
        claimed,
        helpers: helpers.map(|helper| part(&helper.path, helper.bytes)).collect(),
        tokenizers: extra::tokenizers(context).iter().map(|file| part(&file.path, file.bytes)).collect(),
        tokenizer_named: folder.runs.official.iter().find_map(|run| run.tokenizer.text().map(str::to_owned)),
        programs: size.programs,
    }
}
