//! A script of any text, followed and judged without running it: with its defaults, with the settings that its comments
//! state (`# epochs=3`), and in search of a metric (`# metric=final`) that it may report under other switches alone.
#![no_main]

use std::sync::OnceLock;

use caddie_audit::script::{Config, Subject, audit, examine};
use caddie_python::Module;
use caddie_python::{Alone, unwrap};
use caddie_rulebook::Rulebook;
use camino::Utf8Path;

fn rulebook() -> &'static Rulebook {
    static RULEBOOK: OnceLock<Rulebook> = OnceLock::new();
    RULEBOOK.get_or_init(|| Rulebook::builtin().expect("the rulebook"))
}

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let file = "train_gpt.py";
    let examined = examine(Utf8Path::new(file), &unwrap(bytes, file, &Alone { file, source: bytes }), None, rulebook());
    assert!(examined.findings.len() == examined.paths.len());
    let text = String::from_utf8_lossy(bytes);
    let stated: Vec<(&str, &str)> =
        text.lines().filter_map(|line| line.strip_prefix("# ")?.split_once('=')).take(16).collect();
    let Ok(module) = Module::parse(&text) else { return };
    let metric = stated.iter().find(|(name, _)| *name == "metric").map(|(_, metric)| *metric);
    if metric.is_some() || !stated.is_empty() {
        audit(&module, &Subject { config: Config::new(stated), metric, rulebook: rulebook(), folder: None });
    }
});
