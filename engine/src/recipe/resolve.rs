//! Resolution of a recipe from TOML text and `key=value` changes.

use std::path::Path;

use toml::{Table, Value};

use super::Recipe;
use crate::{Error, Result};

/// Why a section cannot be taken out.
pub const COMES_BACK: &str = "so that all of its keys would only become defaults";

impl Recipe {
    /// Reads a recipe file.
    pub fn load(path: &Path, overrides: &[String]) -> Result<Recipe> {
        let text = std::fs::read_to_string(path).map_err(Error::io(path, "reading"))?;
        Recipe::parse(&text, overrides).map_err(|error| match error {
            Error::Recipe(reason) => Error::format(path, reason),
            other => other,
        })
    }

    /// Reads a recipe from TOML text, then applies `overrides`: `key=value` changes a key of the recipe,
    /// `section.key=value` any key, and `key=` or `section=` takes one out.
    pub fn parse(text: &str, overrides: &[String]) -> Result<Recipe> {
        let mut stated: Table =
            text.parse().map_err(|e: toml::de::Error| Error::Recipe(e.to_string().trim_end().to_owned()))?;
        let checked = |stated: &Table| {
            let recipe = resolve(stated.clone())?;
            recipe.check()?;
            Ok(recipe)
        };
        // Several changes may only fit together, so what is wrong is asked of all of them, and then which one began it.
        let before = stated.clone();
        for entry in overrides {
            set(&mut stated, entry)?;
        }
        let recipe = checked(&stated).map_err(|error| blame(before.clone(), overrides, error))?;
        overrides.iter().try_for_each(|entry| gone(&before, &stated, &recipe, entry))?;
        Ok(recipe)
    }

    /// Returns the whole recipe as TOML: the log starts with it and the artifact carries it.
    pub fn to_toml(&self) -> String {
        toml::to_string(self).unwrap_or_else(|e| unreachable!("a recipe is always representable in TOML: {e}"))
    }
}

/// The section of that whole name.
fn section<'a>(table: &'a Table, path: &str) -> Option<&'a Table> {
    path.split('.').try_fold(table, |table, key| table.get(key)?.as_table())
}

/// Checks that a section which `entry` takes out does not come back with its defaults, because something else asks for it.
fn gone(before: &Table, stated: &Table, recipe: &Recipe, entry: &str) -> Result<()> {
    let Some(path) = entry.trim().strip_suffix('=').map(str::trim) else { return Ok(()) };
    let resolved = Table::try_from(recipe).map_err(|e| Error::Recipe(e.to_string()))?;
    let is_gone = section(before, path).is_some() && section(stated, path).is_none();
    if is_gone && section(&resolved, path).is_some() {
        return Err(Error::Recipe(format!(
            "--set {entry}: the recipe needs [{path}], {COMES_BACK}; change single keys, or what asks for the section, such as \
             eval.mode or eval.also"
        )));
    }
    Ok(())
}

/// Returns `error` of a recipe with `overrides`, and names the first override with which it no longer resolves.
fn blame(mut stated: Table, overrides: &[String], error: Error) -> Error {
    let Error::Recipe(reason) = &error else { return error };
    if resolve(stated.clone()).is_err() {
        return error;
    }
    for entry in overrides {
        if set(&mut stated, entry).is_err() || resolve(stated.clone()).is_err() {
            return Error::Recipe(format!("--set {entry}: {reason}"));
        }
    }
    error
}

/// Returns the recipe that a table states, with the defaults of every section that it uses.
fn resolve(stated: Table) -> Result<Recipe> {
    let mut recipe: Recipe =
        serde_path_to_error::deserialize(Value::Table(stated)).map_err(|e| Error::Recipe(explain(&e)))?;
    recipe.eval.fill();
    recipe.quant.fill();
    Ok(recipe)
}

/// Explains a wrong key by its whole path, with the nearest known key where it is unknown.
fn explain(error: &serde_path_to_error::Error<toml::de::Error>) -> String {
    let path = error.path().to_string();
    let message = error.inner().message().to_owned();
    let quoted: Vec<&str> = message.split('`').skip(1).step_by(2).collect();
    let what = match message.split(' ').take(2).collect::<Vec<_>>()[..] {
        ["unknown", what @ ("field" | "variant")] => what,
        _ => {
            let plain =
                message.replace("expected i64", "expected an integer").replace("expected f64", "expected a number");
            return format!("{path}: {}", plain.replace("floating point", "number"));
        }
    };
    let (key, known) = quoted.split_first().map_or(("", &quoted[..]), |(key, known)| (*key, known));
    let parent = path.strip_suffix(key).map_or(path.as_str(), |parent| parent.trim_end_matches('.'));
    let parent = if parent == "." { "" } else { parent };
    match (what, nearest(key, known.iter().copied())) {
        ("variant", Some(nearest)) => format!("{path}: unknown value `{key}`; the nearest known one is `{nearest}`"),
        (_, nearest) => unknown_key(&join(parent, key), nearest),
    }
}

fn unknown_key(path: &str, nearest: Option<&str>) -> String {
    match nearest {
        Some(nearest) => format!("unknown key `{path}`; the nearest known key is `{nearest}`"),
        None => format!("unknown key `{path}`"),
    }
}

fn nearest<'a>(key: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    known.max_by(|a, b| strsim::jaro_winkler(key, a).total_cmp(&strsim::jaro_winkler(key, b)))
}

fn join(parent: &str, key: &str) -> String {
    if parent.is_empty() { key.to_owned() } else { format!("{parent}.{key}") }
}

/// Applies one `key=value` to the stated table.
fn set(stated: &mut Table, entry: &str) -> Result<()> {
    let (path, text) = entry
        .split_once('=')
        .ok_or_else(|| Error::Recipe(format!("--set {entry}: expected key=value, for example --set iterations=100")))?;
    let (path, text) = (path.trim(), text.trim());
    let path = find(stated, path)?;
    let (section, key) = path.rsplit_once('.').unwrap_or(("", &path));
    let mut table = stated;
    for part in section.split('.').filter(|part| !part.is_empty()) {
        let slot = table.entry(part).or_insert_with(|| Value::Table(Table::new()));
        table = slot
            .as_table_mut()
            .ok_or_else(|| Error::Recipe(format!("--set {entry}: {part} is a key, not a section")))?;
    }
    if text.is_empty() {
        if table.remove(key).is_none() {
            return Err(Error::Recipe(format!(
                "--set {entry}: the recipe does not state {path}, so it cannot be taken out"
            )));
        }
    } else {
        // A value that is not TOML by itself (a bare word such as ttt) is taken as a string.
        let value = format!("v = {text}").parse::<Table>().ok().and_then(|mut t| t.remove("v"));
        table.insert(key.to_owned(), value.unwrap_or_else(|| Value::String(text.to_owned())));
    }
    Ok(())
}

/// Returns the whole path of the key that `path` means: itself, or the one key of the resolved recipe with this ending.
/// A whole path may name a section that the recipe does not have yet.
fn find(stated: &Table, path: &str) -> Result<String> {
    const SECTIONS: [&str; 6] = ["data", "model", "optim", "train", "quant", "eval"];
    let first = path.split('.').next().unwrap_or(path);
    if SECTIONS.contains(&first) {
        return Ok(path.to_owned());
    }
    let resolved = resolve(stated.clone())?;
    let table = Table::try_from(&resolved).map_err(|e| Error::Recipe(e.to_string()))?;
    let mut leaves = Vec::new();
    leaf_paths(&table, "", &mut leaves);
    let suffix = format!(".{path}");
    let found: Vec<&String> = leaves.iter().filter(|leaf| *leaf == path || leaf.ends_with(&suffix)).collect();
    match found[..] {
        [one] => Ok(one.clone()),
        [] => Err(Error::Recipe(match elsewhere(path) {
            Some(whole) => {
                format!("--set {path}: the recipe does not have this part; to add it, write --set {whole}=…")
            }
            None => {
                let last = leaves.iter().map(|leaf| leaf.rsplit('.').next().unwrap_or(leaf));
                unknown_key(path, nearest(path.rsplit('.').next().unwrap_or(path), last))
            }
        })),
        _ => {
            let all: Vec<&str> = found.iter().map(|leaf| leaf.as_str()).collect();
            Err(Error::Recipe(format!("--set {path}: several keys end so; write one of {}", all.join(", "))))
        }
    }
}

/// Returns the whole path of a key or section that a recipe may have and this one lacks.
fn elsewhere(path: &str) -> Option<String> {
    let mut all = Recipe::default();
    all.model.unet = Some(Default::default());
    all.model.loops = Some(Default::default());
    all.model.lanes = Some(Default::default());
    all.model.bigram = Some(Default::default());
    all.model.smear = Some(crate::model::SmearRecipe { gate_window: 12 });
    (all.model.head.asym_logit_rescale, all.model.head.fused_ce_enabled) = (true, true);
    all.optim.muon.muon_polar_express = true;
    (all.optim.muon.wd_taper_start_frac, all.optim.muon.wd_taper_final_mult) = (Some(0.7), Some(0.5));
    all.optim.swa = Some(Default::default());
    all.optim.ema = Some(Default::default());
    all.train.warmdown_iters = Some(0);
    all.train.warmdown_frac = Some(0.0);
    all.quant.level = Some(0);
    all.quant.matrix.clip_sigmas = Some(1.0);
    all.quant.calibration = Some(Default::default());
    all.quant.qat = Some(crate::quant::qat::QatRecipe { qat_bits: Some(7), ..Default::default() });
    all.quant.ftle = Some(Default::default());
    all.quant.gate = Some(Default::default());
    all.quant.awq = Some(Default::default());
    all.quant.lqer = Some(Default::default());
    all.quant.q2 = Some(Default::default());
    all.eval.sliding = Some(Default::default());
    all.eval.ogd = Some(Default::default());
    all.eval.ttt = Some(crate::recipe::TttRecipe {
        ttt_lora_alpha: 1.0,
        ttt_without: vec!["q".to_owned()],
        ttt_short_chunks: vec![[256, 8]],
        start: Some(Default::default()),
        ..Default::default()
    });
    let table = Table::try_from(&all).ok()?;
    let mut paths = Vec::new();
    leaf_paths(&table, "", &mut paths);
    let sections: Vec<String> =
        paths.iter().filter_map(|leaf| leaf.rsplit_once('.').map(|(section, _)| section.to_owned())).collect();
    let suffix = format!(".{path}");
    paths.into_iter().chain(sections).find(|whole| whole.ends_with(&suffix))
}

fn leaf_paths(table: &Table, prefix: &str, out: &mut Vec<String>) {
    for (key, value) in table {
        match value {
            Value::Table(inner) => leaf_paths(inner, &format!("{prefix}{key}."), out),
            _ => out.push(format!("{prefix}{key}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recipe::EvalMode;

    /// A small recipe of every section.
    const SMALL: &str = "name = 'small'\n[model]\nlayout = 'A*4'\n[model.unet]\n[model.block.A.gqa]\n[model.block.A.mlp]\n\
                         [train]\nwarmdown_iters = 1200\n";

    fn small(overrides: &[&str]) -> Result<Recipe> {
        Recipe::parse(SMALL, &overrides.iter().map(|&o| o.to_owned()).collect::<Vec<_>>())
    }

    fn refused(overrides: &[&str]) -> String {
        small(overrides).expect_err(&format!("{overrides:?} was accepted")).to_string()
    }

    #[test]
    fn a_resolved_recipe_survives_a_round_trip() {
        let all = ["eval.mode=ttt", "quant.matrix.gptq=true", "model.loops.loop_start=1", "model.loops.loop_end=2"];
        let recipe = small(&all).unwrap();
        assert_eq!(Recipe::parse(&recipe.to_toml(), &[]).unwrap(), recipe);
        assert!(recipe.eval.ttt.is_some() && recipe.eval.sliding.is_none() && recipe.quant.calibration.is_some());
    }

    #[test]
    fn overrides_find_their_section_and_integers_pass_for_numbers() {
        let recipe = small(&["iterations=7", "mode=ttt", "gqa.num_heads=4", "matrix_lr=1", "ttt_lora_rank=3"]).unwrap();
        assert_eq!((recipe.train.iterations, recipe.eval.mode), (7, EvalMode::Ttt));
        let block = &recipe.model.block["A"];
        assert_eq!(block.gqa.as_ref().unwrap().num_heads, 4);
        assert_eq!(recipe.optim.muon.matrix_lr, 1.0);
    }

    #[test]
    fn a_section_can_be_added_and_taken_out() {
        assert!(small(&["model.lanes.parallel_start_layer=3"]).unwrap().model.lanes.is_some());
        assert!(small(&["model.unet="]).unwrap().model.unet.is_none());
        assert!(refused(&["model.loops="]).contains("does not state model.loops"));
        let stated =
            format!("{SMALL}[optim.muon]\nmatrix_lr = 0.1\n[eval]\nmode = 'ttt'\n[eval.ttt]\nttt_lora_rank = 8\n");
        let parsed = |changes: &[&str]| {
            Recipe::parse(&stated, &changes.iter().map(|&change| change.to_owned()).collect::<Vec<_>>())
        };
        for needed in ["eval.ttt=", "optim.muon=", "train="] {
            assert!(parsed(&[needed]).unwrap_err().to_string().contains(COMES_BACK), "{needed}");
        }
        assert!(parsed(&["eval.ttt=", "eval.mode=full"]).unwrap().eval.ttt.is_none());
        let swapped = small(&["train.warmdown_iters=", "train.warmdown_frac=0.5"]).unwrap().train;
        assert_eq!((swapped.warmdown_iters, swapped.warmdown_frac), (None, Some(0.5)));
    }

    #[test]
    fn an_unknown_key_names_the_nearest_one_and_its_whole_path() {
        let error = Recipe::parse("[train]\nitertions = 3\n", &[]).unwrap_err().to_string();
        assert!(error.contains("`train.itertions`; the nearest known key is `iterations`"), "{error}");
        let error = Recipe::parse("[model.block.A.gqa]\nnum_head = 3\n", &[]).unwrap_err().to_string();
        assert!(error.contains("`model.block.A.gqa.num_head`; the nearest known key is `num_heads`"), "{error}");
        let error = Recipe::parse("[trane]\n", &[]).unwrap_err().to_string();
        assert!(error.contains("`trane`; the nearest known key is `train`"), "{error}");
        for (set, whole) in [
            ("num_loops=1", "model.loops.num_loops"),
            ("ttt_lora_rank=8", "eval.ttt.ttt_lora_rank"),
            ("warmdown_frac=0.5", "train.warmdown_frac"),
            ("lanes=", "model.lanes"),
        ] {
            let error = refused(&[set]);
            assert!(error.contains(&format!("write --set {whole}=")), "{set}: {error}");
        }
        assert!(refused(&["itertions=3"]).contains("the nearest known key is `iterations`"));
        let error = refused(&["mode=slidding"]);
        assert!(error.contains("eval.mode: unknown value `slidding`; the nearest known one is `sliding`"), "{error}");
    }

    #[test]
    fn a_value_of_the_wrong_type_names_its_key_and_the_type() {
        let error = refused(&["iterations=many"]);
        assert!(error.contains("train.iterations: invalid type: string \"many\", expected an integer"), "{error}");
        assert!(refused(&["name=../up"]).contains("cannot name a folder"));
    }

    #[test]
    fn contradictions_and_impossible_sizes_are_refused_before_the_run() {
        for (set, said) in [
            ("num_heads=7", "must divide model_dim"),
            ("train_batch_tokens=1000", "must be a multiple"),
            ("eval.sliding.eval_stride=4096", "not exceed eval_seq_len"),
            ("rope_dims=3", "must be even"),
            ("iterations=0", "between 1 and"),
            ("quant.matrix.clip_percentile=200", "at most 100"),
            ("quant.matrix.bits=1", "between 2 and 8"),
            ("quant.level=12", "between 0 and 9"),
            ("mlp_mult=0", "at least"),
            ("logit_softcap=0", "must be above 0"),
            ("matrix_lr=-1", "at least 0"),
            ("matrix_lr=nan", "must be a finite number"),
            ("model.lanes.parallel_start_layer=9", "one of the 4 layers"),
            ("model.loops.loop_end=9", "must lie within the 4 layers"),
            ("layout=A*4 B", "names block B, but [model.block.B] is not described"),
            ("layout=A*4000000000000", "more than 256 layers"),
            ("model.block.B.ln_scale=true", "does not use"),
            ("model.block.A.mlp=", "no feed-forward part"),
            ("model.block.A.gqa=", "no mixer"),
            ("train.warmdown_frac=0.5", "two ways"),
            ("model_dim=4000000000000", "between 1 and"),
            ("eval_batch_seqs=1000000", "eval.eval_batch_seqs × eval_seq_len come to"),
            ("beta1=1", "must be below 1"),
            ("matrix_lr=inf", "must be a finite number"),
            ("eval.ttt.ttt_lora_rank=4000000000000", "the adapters' values of eval.ttt come to"),
            ("quant.calibration.gptq_calibration_batches=4", "no rule uses it"),
        ] {
            let error = refused(&[set]);
            assert!(error.contains(said), "{set}: {error}");
        }
        let lanes =
            refused(&["model.loops.loop_start=1", "model.loops.loop_end=3", "model.lanes.parallel_start_layer=2"]);
        assert!(lanes.contains("must come after model.loops.loop_end"), "{lanes}");
        let scales = refused(&["quant.matrix.clip_sigmas=12", "quant.matrix.clip_percentile=99"]);
        assert!(scales.contains("two ways"), "{scales}");
        let reserve = refused(&["max_wallclock_seconds=10", "quant.matrix.gptq=true"]);
        assert!(reserve.contains("leaves nothing"), "{reserve}");
    }

    #[test]
    fn settings_that_do_not_fit_the_model_or_each_other_say_what_does() {
        for (sets, said) in [
            (
                &["eval.mode=ttt", "eval.ttt.ttt_without=['z']"][..],
                "no adapter of the model; there are k, lm_head, mlp, o, q, v",
            ),
            (&["eval.mode=ttt", "eval.ttt.ttt_short_chunks=[[2000, 24], [256, 8]]"], "the bounds must rise"),
            (&["eval.ttt.start={}"], "which the recipe does not run"),
            (&["eval.mode=ttt", "eval.ttt.start={}", "eval.ttt.ttt_grad_steps=0"], "follows adapters that learn"),
            (&["eval.mode=ttt", "eval.ttt.start={}", "eval.ttt.ttt_lora_lr=0"], "follows adapters that learn"),
            (&["eval.mode=ttt", "eval.ttt.start.start_tokens=32"], "must be more than a chunk of 32"),
            (&["eval.mode=ttt", "eval.ttt.start.start_bits=9"], "must be between 2 and 8, or 16 for f16"),
            (&["eval.mode=ttt", "eval.ttt.start.start_lr=2"], "at most 1"),
            (&["eval.mode=ttt", "eval.ttt.start.start_batch=129"], "must not exceed start_documents 128"),
            (&["eval.mode=ttt", "eval.ttt.start.start_reserve_seconds=0"], "reserve the seconds that it takes"),
            (
                &["eval.mode=ttt", "eval.ttt.start.start_reserve_seconds=600"],
                "leaves nothing of train.max_wallclock_seconds",
            ),
            (&["eval.mode=ttt", "eval.ttt.start={}", "quant.q2={}", "quant.codec=zstd"], "has no place for it"),
            (
                &["quant.matrix.clip_sigmas=9", "quant.matrix.clip_sigmas_of.lanes=3"],
                "no component of the model with matrices",
            ),
            (&["quant.matrix.clip_sigmas_of.mlp=3"], "has no clip_sigmas"),
            (&["quant.awq={}"], "no rule has gptq = true"),
            (&["optim.muon.wd_taper_start_frac=0.7"], "belong together"),
            (&["optim.muon.muon_polar_express=true", "optim.muon.muon_backend_steps=6"], "5 iterations, not 6"),
            (&["model.smear.gate_window=513"], "within 0 and model_dim 512"),
            (&["model.block.A.gqa.gate.gate_window=513"], "at most model_dim 512"),
        ] {
            let text = refused(sets);
            assert!(text.contains(said), "{sets:?}: {text}");
        }
    }
}
