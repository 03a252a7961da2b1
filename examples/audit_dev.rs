use caddie::audit::{Config, follow, trace::Action};
use caddie::code::{Alone, unwrap, python::Module};
fn main() {
    for path in std::env::args().skip(1) {
        let Ok(bytes) = std::fs::read(&path) else { continue };
        let un = unwrap(&bytes, "train_gpt.py", &Alone { file: "train_gpt.py", source: &bytes });
        let text = String::from_utf8_lossy(&un.source).into_owned();
        let module = match Module::parse(&text) { Ok(m) => m, Err(e) => { println!("{path}: {e}"); continue } };
        let t = std::time::Instant::now();
        let (trace, taints) = follow(&module, &Config::default());
        println!("{path}: {} events complete={} {:?}", trace.events.len(), trace.complete, t.elapsed());
        let mut seen = std::collections::BTreeMap::new();
        for f in caddie::audit::families::adapt::find(&trace, &taints) {
            let u = &trace.events[f.update as usize]; let sc = &trace.events[f.score as usize]; let r = &trace.events[f.report as usize];
            let Action::Report{text,..} = &r.action else { continue };
            let text: String = text.chars().take(40).collect();
            seen.entry((text, format!("{:?}", f.order), format!("{:?}", f.learner))).or_insert((u.place.line, sc.place.line));
        }
        for (k, v) in seen { println!("    {k:?} update line {} score line {}", v.0, v.1); }
        if std::env::var("V").is_err() { continue }
        for (i, e) in trace.events.iter().enumerate() {
            let d = match &e.action { Action::Update{data,..}|Action::Loss{data}|Action::Score{data}|Action::Forward{data}|Action::Report{data,..} => Some(*data), _ => None };
            let kind = format!("{:?}", e.action); let kind: String = kind.chars().take(90).collect();
            println!("{i} line {} loops {:?} {kind}", e.place.line, e.place.loops.iter().map(|s| (s.entered, s.iteration)).collect::<Vec<_>>());
            if let Some(d) = d { let t = taints.get(d); println!("      flags {:?} stamps {:?} upd {:?} scores {:?}", t.flags, t.stamps.iter().map(|s| (s.entered, s.iteration)).collect::<Vec<_>>(), t.updates, t.scores); }
        }
    }
}
