//! The accountings of a folder's size, side by side, and the one that the claimed total is.

use super::Context;
use super::context::{counted_bytes, run_name};
use crate::report::{ClaimedAs, Size};
use caddie_folder::{Claim, Fact, Field, RunLog, Scope};
use caddie_rulebook::stats::mean;

/// The accountings of a folder's size under the context's cap.
pub fn size_of(context: &Context<'_>) -> Size {
    let folder = context.folder;
    let limit = context.limits.artifact_bytes;
    let totals = context.runs().iter().filter_map(|run| Some((counted_bytes(run)?, run)));
    // Of equal runs the first.
    let largest = totals.rev().max_by_key(|(bytes, _)| *bytes);
    let logged = largest.map(|(bytes, _)| bytes);
    let model = context.runs().iter().filter_map(|run| run.bytes_model.value()).max();
    let model = model.max(folder.model.as_ref().map(|model| model.bytes));
    let shipped_code = context.shipped_code();
    let with = |code: Option<u64>| model.zip(code).and_then(|(model, code)| model.checked_add(code));
    let shipped_max = with(shipped_code);
    let over = |total: Option<u64>| total.is_some_and(|total| total > limit);
    let packed_code = if over(shipped_max) || over(logged) { context.packed_code() } else { None };
    let helpers_code = context.executed().map(|executed| {
        let redirect = executed.unwrapped.redirect();
        let others = executed.helpers.iter().filter(|helper| Some(helper.path.as_str()) != redirect);
        others.fold(0u64, |sum, helper| sum.saturating_add(helper.bytes))
    });
    let tokenizers = super::extra::tokenizers(context);
    let claim = claimed_total(context);
    let found = claim.as_ref().map(|(claim, _)| claimed_as(context, claim, helpers_code));
    let (claimed_as, claimed_run) = found.map_or((None, None), |(accounting, run)| (Some(accounting), run));
    Size {
        claimed: claim.as_ref().map(|(claim, _)| claim.stated.value as u64),
        claimed_in: claim.map(|(_, file)| file),
        claimed_as,
        claimed_run,
        model_max: model,
        logged_max: logged,
        logged_max_run: largest.map(|(_, run)| run_name(run)),
        script: folder.script.as_ref().map(|script| script.path.to_string()),
        script_because: folder.script_because.as_ref().map(ToString::to_string),
        shipped_code,
        shipped_max,
        packed_code,
        packed_max: with(packed_code),
        helpers_code,
        helpers_max: with(
            shipped_code.zip(helpers_code.filter(|bytes| *bytes > 0)).and_then(|(a, b)| a.checked_add(b)),
        ),
        tokenizer: (!tokenizers.is_empty())
            .then(|| tokenizers.iter().fold(0u64, |sum, file| sum.saturating_add(file.bytes))),
        programs: super::extra::called(context).into_keys().map(str::to_owned).collect(),
        limit,
        headroom: logged
            .or(shipped_max)
            .and_then(|counted| i64::try_from(i128::from(limit) - i128::from(counted)).ok()),
    }
}

/// Finds the total that the submission states, and the file that states it: the total over the runs in submission.json,
/// else the largest total that it states for a run, else the mean; where it states none, the README's table of runs.
fn claimed_total<'a>(context: &Context<'a>) -> Option<(Claim, String)> {
    let of = |claims: Vec<&Claim>, scopes: fn(&Scope) -> bool| -> Option<Claim> {
        let totals = claims.into_iter().filter(|claim| claim.field == Field::BytesTotal && !claim.loose);
        totals.filter(|claim| scopes(&claim.scope)).max_by(|a, b| a.stated.value.total_cmp(&b.stated.value)).cloned()
    };
    let stated = |claims: &[Claim]| {
        let all = || claims.iter().collect::<Vec<_>>();
        of(all(), |scope| *scope == Scope::Max)
            .or_else(|| of(all(), |scope| *scope == Scope::Whole))
            .or_else(|| of(all(), |scope| matches!(scope, Scope::Seed(_))))
            .or_else(|| of(all(), |scope| *scope == Scope::Mean))
    };
    let folder: &'a caddie_folder::Folder = context.folder;
    let in_json = folder.metadata().and_then(|metadata| stated(&metadata.claims));
    let in_json = in_json.map(|claim| (claim, context.json_name().to_owned()));
    in_json.or_else(|| Some((stated(&folder.readme.as_ref()?.claims())?, "README.md".to_owned())))
}

/// An accounting, and the run that states the number, where it is one run's.
type StatedBy = (ClaimedAs, Option<String>);

/// Finds the accounting of the runs that gives a claimed total.
fn claimed_as(context: &Context<'_>, claim: &Claim, helpers: Option<u64>) -> StatedBy {
    let runs = context.runs();
    let is = |bytes: u64| claim.stated.agrees(bytes as f64);
    let one = |how: ClaimedAs, bytes: &dyn Fn(&RunLog) -> Option<u64>| {
        let run = runs.iter().find(|run| bytes(run).is_some_and(is))?;
        Some((how, Some(run_name(run))))
    };
    let is_mean = |bytes: &dyn Fn(&RunLog) -> Option<u64>| {
        let values: Vec<f64> = runs.iter().filter_map(bytes).map(|bytes| bytes as f64).collect();
        values.len() > 1 && mean(&values).is_some_and(|mean| claim.stated.near(mean))
    };
    let largest = runs.iter().filter_map(counted_bytes).max();
    let code = context.shipped_code();
    let model_with = |code: Option<u64>| move |run: &RunLog| run.bytes_model.value()?.checked_add(code?);
    let helpers = code.zip(helpers.filter(|bytes| *bytes > 0)).and_then(|(code, helpers)| code.checked_add(helpers));
    let known: [&dyn Fn() -> Option<StatedBy>; 10] = [
        &|| one(ClaimedAs::LoggedMax, &|run| counted_bytes(run).filter(|bytes| Some(*bytes) == largest)),
        &|| one(ClaimedAs::LoggedRun, &counted_bytes),
        &|| is_mean(&counted_bytes).then_some((ClaimedAs::LoggedMean, None)),
        &|| one(ClaimedAs::ModelAndScript, &model_with(code)),
        &|| one(ClaimedAs::ModelAndHelpers, &model_with(helpers)),
        &|| one(ClaimedAs::ModelOnly, &|run| run.bytes_model.value()),
        &|| is_mean(&|run| run.bytes_model.value()).then_some((ClaimedAs::ModelOnly, None)),
        &|| {
            let other = context.folder.runs.others.iter().find(|other| counted_bytes(&other.run).is_some_and(is))?;
            Some((ClaimedAs::OtherLog, Some(other.run.log.to_string())))
        },
        &|| {
            let round = claim.stated.is_coarse() || claim.stated.value % 1_000.0 == 0.0;
            let near = |bytes: u64| (bytes as f64 - claim.stated.value).abs() < bytes as f64 / 100.0;
            (round && runs.iter().filter_map(counted_bytes).any(near)).then_some((ClaimedAs::Rounded, None))
        },
        &|| own_parts(context, claim).then_some((ClaimedAs::OwnParts, None)),
    ];
    let unknown = if largest.is_none() { ClaimedAs::Unlogged } else { ClaimedAs::None };
    known.into_iter().find_map(|accounting| accounting()).unwrap_or((unknown, None))
}

/// Tells whether submission.json states a model size and a code size whose sum is the claim.
fn own_parts(context: &Context<'_>, claim: &Claim) -> bool {
    let part = |field| context.folder.metadata()?.claim(field, Scope::Whole).map(|claim| claim.stated.value);
    part(Field::BytesModel).zip(part(Field::BytesCode)).is_some_and(|(model, code)| claim.stated.agrees(model + code))
}
