//! Tests that the rules' declared needs are all that they look at, and nothing that they could do without.

#[path = "../../../../../tests/support/scripts.rs"]
mod scripts;

use std::collections::BTreeSet;

use caddie_folder::Folder;
use caddie_python::Module;
use caddie_rulebook::Rulebook;
use camino::Utf8Path;
use scripts::Scripts;

use super::super::config::Config;
use super::super::machine::{Doubts, Followed, follow};
use super::super::taint::Flags;
use super::super::trace::EventKind;
use super::{Arisen, Case, FAMILIES, Family, Lead, Needs, Subject};

/// A script with the trace of following it.
struct Script {
    name: String,
    module: Module,
    folder: Option<Folder>,
    config: Config,
    followed: Followed,
}

impl Script {
    fn new(name: &str, source: &str, folder: Option<Folder>, config: Config) -> Script {
        let module = Module::parse(source).expect("Python");
        let followed = follow(&module, &config, &Doubts::None, 8);
        Script { name: name.to_owned(), module, folder, config, followed }
    }

    /// Returns the leads of a family with these facts and events alone.
    fn leads(&self, family: &Family, taints: Flags, events: &[EventKind]) -> Vec<Lead> {
        let rulebook = Rulebook::builtin().expect("the rulebook");
        let (trace, taints) = (self.followed.trace.only(events), self.followed.taints.only(taints));
        let looks = |metric| {
            let (config, folder) = (self.config.clone(), self.folder.as_ref());
            let subject = Subject { config, metric, rulebook: &rulebook, folder };
            (family.run)(&Case { module: &self.module, trace: &trace, taints: &taints, subject: &subject })
        };
        [None, Some("final_int8_zlib_roundtrip"), Some("another_metric")].into_iter().flat_map(looks).collect()
    }
}

/// The made-up scripts, and some that find something only in a folder.
fn scripts() -> Vec<Script> {
    let scripts = Scripts::of(Utf8Path::new(env!("CARGO_MANIFEST_DIR")).join("../.."));
    let names = scripts.names();
    assert!(names.len() > 100, "{} scripts", names.len());
    let alone = names.iter().filter_map(|name| {
        let source = scripts.text(name);
        Module::parse(&source).ok()?;
        Some(Script::new(name, &source, None, Config::default()))
    });
    let plain = scripts.text("byte_table.good.challenge");
    let (doc, rest) = plain.split_once("\n\n").expect("a docstring");
    let before = |lines: &str| format!("{doc}\n\n{lines}\n{rest}");
    let scores = "    val_loss, val_bpb = eval_val(";
    let writes = "    torch.save(load_tokens(args.val_files), \"payload.pt\")\n";
    assert!(plain.contains(scores), "the script scores");
    let transformed = Config::new([("tokenizer_path", "caseops_8192.model")]);
    let inside = [
        ("a module from nowhere", before("import secret_layers"), Config::default()),
        ("a program", before("import subprocess\nsubprocess.run(['secret-packer'])"), Config::default()),
        ("native code", before("import ctypes\nctypes.CDLL('kernel.so')"), Config::default()),
        ("another script", before("import runpy\nrunpy.run_path('other.py')"), Config::default()),
        ("a transformed text", plain.clone(), transformed),
        ("a payload", plain.replace(scores, &format!("{writes}{scores}")), Config::default()),
        ("a constant seed", scripts.text("seeds.bad.constant"), Config::new([("seed", "42")])),
    ];
    let inside = inside.map(|(name, source, config)| {
        let root = tempfile::tempdir().expect("a temporary directory");
        let path = Utf8Path::from_path(root.path()).expect("UTF-8").join("2026-04-01_Folder");
        std::fs::create_dir_all(&path).expect("creates");
        let prepare = "import argparse\nargparse.ArgumentParser().add_argument('--val-docs', default=100)\n";
        for (file, text) in [("train_gpt.py", source.as_str()), ("prepare.py", prepare), ("README.md", "Run it.")] {
            std::fs::write(path.join(file), text).expect("writes");
        }
        Script::new(name, &source, Some(Folder::read(&path).expect("a folder")), config)
    });
    alone.chain(inside).collect()
}

/// All that a family declares.
fn declared(family: &Family) -> (Flags, Vec<EventKind>) {
    let needs = family.rules.iter().flat_map(|rule| rule.needs).chain([&family.beside]);
    needs.fold((Flags::NONE, Vec::new()), |(taints, mut events), needs| {
        events.extend(needs.events);
        (taints.with(needs.taints), events)
    })
}

#[test]
fn a_rule_finds_nothing_where_what_it_needs_has_not_arisen() {
    for script in scripts() {
        let arisen = Arisen::of(&script.followed.trace, &script.followed.taints);
        for family in FAMILIES {
            for lead in script.leads(family, Flags::ALL, EventKind::EVERY) {
                let rule = family.rules.iter().find(|rule| rule.id == lead.rule);
                let rule = rule.unwrap_or_else(|| panic!("{}: {} is not declared", family.name, lead.rule));
                assert!(arisen.allows(rule), "{}: {} found without what it needs", script.name, rule.id);
            }
        }
    }
}

#[test]
fn a_family_looks_at_nothing_that_it_does_not_declare() {
    let scripts = scripts();
    for family in FAMILIES {
        let (taints, events) = declared(family);
        let mut found = 0;
        for script in &scripts {
            let all = script.leads(family, Flags::ALL, EventKind::EVERY);
            found += all.len();
            let with_the_declared = script.leads(family, taints, &events);
            assert_eq!(with_the_declared, all, "{}: {}", script.name, family.name);
        }
        assert!(found > 0, "{} finds nothing in any script: the comparison says nothing of it", family.name);
    }
}

#[test]
fn a_rule_can_do_without_nothing_that_it_needs() {
    let scripts = scripts();
    let mut met = BTreeSet::new();
    for family in FAMILIES {
        for rule in family.rules {
            let finds = |script: &Script, taints: Flags, events: &[EventKind]| {
                script.leads(family, taints, events).iter().any(|lead| lead.rule == rule.id)
            };
            for script in scripts.iter().filter(|script| finds(script, Flags::ALL, EventKind::EVERY)) {
                // A rule with several ways does not tell the one of this script.
                let [Needs { taints, events }] = rule.needs else { continue };
                met.insert(rule.id);
                for (name, flag) in Flags::NAMED.iter().filter(|(_, flag)| taints.has(*flag)) {
                    let without = finds(script, Flags::ALL.without(*flag), EventKind::EVERY);
                    assert!(!without, "{}: {} is found without {name}", script.name, rule.id);
                }
                for kind in *events {
                    let others: Vec<EventKind> =
                        EventKind::EVERY.iter().copied().filter(|other| other != kind).collect();
                    let without = finds(script, Flags::ALL, &others);
                    assert!(!without, "{}: {} is found without {kind:?}", script.name, rule.id);
                }
            }
        }
    }
    let told_apart = FAMILIES.iter().flat_map(|family| family.rules).filter(|rule| rule.needs.len() == 1);
    let never: Vec<&str> = told_apart.map(|rule| rule.id).filter(|id| !met.contains(id)).collect();
    assert_eq!(never, [""; 0], "rules that no script breaks");
}

/// The source of each family, by its name.
const SOURCES: &[(&str, &str)] = &[
    ("adapt-before-score", include_str!("adapt.rs")),
    ("order-of-documents", include_str!("order.rs")),
    ("fitted-offset", include_str!("slot.rs")),
    ("chosen-by-loss", include_str!("chosen.rs")),
    ("target-gate", include_str!("target_gate.rs")),
    ("target-key", include_str!("target_key.rs")),
    ("byte-mixture", include_str!("byte_mixture.rs")),
    ("mixed-losses", include_str!("mixture.rs")),
    ("calibration-after-training", include_str!("gptq.rs")),
    ("calibration-on-validation", include_str!("val_calibration.rs")),
    ("validation-payload", include_str!("payload.rs")),
    ("unclocked-training", include_str!("warmup.rs")),
    ("network-and-programs", include_str!("outside.rs")),
    ("packages", include_str!("packages.rs")),
    ("byte-table", include_str!("byte_table.rs")),
    ("script-seeds", include_str!("seeds.rs")),
    ("doc-boundary", include_str!("doc_boundary.rs")),
    ("data-preparation", include_str!("preparation.rs")),
    ("script-runs", include_str!("runs.rs")),
    ("followed-code", include_str!("followed_code.rs")),
    ("attention-mask", include_str!("unmasked.rs")),
];

/// Checks the source of a family for cases that no script brings to light: it mentions only facts and events that are
/// declared.
#[test]
fn a_family_declares_what_its_source_speaks_of() {
    assert_eq!(SOURCES.len(), FAMILIES.len());
    for family in FAMILIES {
        let own = SOURCES.iter().find(|(name, _)| *name == family.name).expect("its source").1;
        let phases = [".phase(", ".trains("].iter().any(|call| own.contains(call));
        let source = format!("{own}{}", if phases { include_str!("phase.rs") } else { "" });
        let (taints, events) = declared(family);
        for (name, flag) in Flags::NAMED {
            let word = format!("Flags::{name}");
            let spoken = source.match_indices(&word).any(|(at, word)| {
                !source[at + word.len()..].starts_with(|next: char| next == '_' || next.is_ascii_uppercase())
            });
            assert!(!spoken || taints.has(*flag), "{} speaks of {name}", family.name);
        }
        for kind in EventKind::EVERY {
            let of_scores = matches!(kind, EventKind::Score | EventKind::Loss) && source.contains(".scores()");
            let of_reports = *kind == EventKind::Report
                && [".scores()", ".headlines()", ".confidence("].iter().any(|call| source.contains(call));
            let spoken = source.contains(&format!("Action::{kind:?}")) || of_scores || of_reports;
            assert!(!spoken || events.contains(kind), "{} speaks of {kind:?}", family.name);
        }
    }
}
