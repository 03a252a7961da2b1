use caddie::audit::script::{Config, Subject, audit};
use caddie::code::{Alone, python::Module, unwrap};
use caddie::folder::Folder;
use camino::Utf8Path;
fn main() {
    for path in std::env::args().skip(1) {
        let p = Utf8Path::new(&path);
        let (bytes, subject_config, metric) = if p.is_dir() {
            let Ok(folder) = Folder::read(p) else {
                println!("{path}: unreadable");
                continue;
            };
            let run = folder.runs.official.first();
            let hp = run.map(|r| r.hyperparameters.clone()).unwrap_or_default();
            let metric = run.and_then(|r| r.metric.clone());
            let Some(script) = std::fs::read(p.join("train_gpt.py")).ok() else {
                println!("{path}: no script");
                continue;
            };
            (script, Config::new(hp), metric)
        } else {
            (std::fs::read(p).unwrap(), Config::default(), None)
        };
        let un = unwrap(&bytes, "train_gpt.py", &Alone { file: "train_gpt.py", source: &bytes });
        let text = String::from_utf8_lossy(&un.source).into_owned();
        let module = match Module::parse(&text) {
            Ok(m) => m,
            Err(e) => {
                println!("{path}: {e}");
                continue;
            }
        };
        let t = std::time::Instant::now();
        let a = audit(&module, &Subject { config: subject_config.clone(), metric: metric.as_deref() });
        println!(
            "{path}: scores {} complete {} configured {} metric {:?} {:?}",
            a.scores,
            a.complete,
            !subject_config.is_empty(),
            metric,
            t.elapsed()
        );
        for l in &a.leads {
            println!(
                "    {} {:?} {} [{}] lines {:?}",
                l.rule,
                l.confidence,
                l.message,
                l.because,
                l.steps.iter().map(|s| s.line).collect::<Vec<_>>()
            );
        }
    }
}
