//! Readiness for a submission: what of the machine, the data and the author is there, and the command that mends each lack.
//!
//! Nothing is changed and nothing is fetched. Each answer comes from the program or the file that knows it.

use std::process::{Command, Stdio};

use camino::{Utf8Path, Utf8PathBuf};
use serde::Serialize;

use super::ENGINE_PROGRAM;
use super::script::data::Data;
use super::script::launcher::{Launcher, on_path};
use super::script::machine;
use caddie_files::text::counted;
use caddie_rulebook::Rulebook;

/// Free bytes below which the runs of three seeds, with checkpoints and logs, may not fit.
const ROOM: u64 = 20_000_000_000;

/// The things that a submission would use.
#[derive(Debug, Clone, Default)]
pub struct Intended {
    /// A participant's script; a recipe is run by the engine.
    pub script: Option<Utf8PathBuf>,
    pub recipe: Option<String>,
    pub data: Option<Utf8PathBuf>,
    pub track: Option<String>,
    pub author: String,
    pub github_id: String,
    /// Folder of the runs.
    pub out: Utf8PathBuf,
    pub launcher: Option<Launcher>,
    pub nproc: Option<u32>,
    pub env: Vec<(String, String)>,
}

/// The state of one need.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum NeedState {
    /// It is there.
    Ok,
    /// It is not there, and what is asked for can be done without it.
    Absent,
    /// Two things that are asked for do not go together.
    Contradicts,
    /// It is not there, and what is asked for needs it.
    Missing,
}

/// One need, its state, and the way to mend it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Need {
    pub name: &'static str,
    pub state: NeedState,
    pub found: String,
    /// The command or the change that mends it; `None` where nothing has to be mended.
    pub remedy: Option<String>,
}

impl Need {
    fn ok(name: &'static str, found: impl Into<String>) -> Need {
        Need { name, state: NeedState::Ok, found: found.into(), remedy: None }
    }

    fn lacking(name: &'static str, state: NeedState, found: impl Into<String>, remedy: impl Into<String>) -> Need {
        Need { name, state, found: found.into(), remedy: Some(remedy.into()) }
    }
}

/// Looks at everything that a submission needs.
pub fn look(intended: &Intended, rulebook: &Rulebook) -> Vec<Need> {
    let gpus = machine::gpus();
    let mut needs = vec![engine(intended), cuda(&gpus)];
    needs.extend(python(intended, gpus.len()));
    needs.push(sandbox());
    needs.push(disk(&intended.out));
    needs.push(data(intended));
    needs.push(track(intended, &gpus, rulebook));
    needs.push(author(intended));
    needs
}

fn engine(intended: &Intended) -> Need {
    let name = "libtorch";
    let beside = std::env::current_exe().map(|caddie| caddie.with_file_name(ENGINE_PROGRAM)).unwrap_or_default();
    if cfg!(feature = "engine") && beside.is_file() {
        return Need::ok(name, "this caddie was built with the engine, so recipes can be trained");
    }
    if cfg!(feature = "engine") {
        let found = format!("{ENGINE_PROGRAM} does not lie beside caddie; scripts run, recipes do not");
        let remedy =
            format!("copy or install {ENGINE_PROGRAM} beside caddie (make build leaves both in target/release)");
        return Need::lacking(name, NeedState::Missing, found, remedy);
    }
    let state = if intended.recipe.is_some() { NeedState::Missing } else { NeedState::Absent };
    let found = "this caddie was built without the engine; scripts run, recipes do not";
    Need::lacking(name, state, found, "make build (fetches libtorch 2.11.0 once, about 540 MB)")
}

fn cuda(gpus: &[String]) -> Need {
    match gpus {
        [] if on_path("nvidia-smi").is_none() => {
            let remedy = "caddie rehearse SCRIPT checks a script without a GPU; caddie submit … --on slurm|skypilot writes a job";
            Need::lacking("CUDA", NeedState::Absent, "no GPU: nvidia-smi is not on PATH", remedy)
        }
        [] => Need::lacking("CUDA", NeedState::Absent, "nvidia-smi names no GPU", "nvidia-smi (it says why)"),
        [first, ..] => Need::ok("CUDA", format!("{}: {first}", counted(gpus.len(), "GPU"))),
    }
}

/// The Python of the script with its torch, and the launcher.
fn python(intended: &Intended, gpus: usize) -> Vec<Need> {
    let needed = if intended.recipe.is_some() { NeedState::Absent } else { NeedState::Missing };
    let launcher = Launcher::or_found(intended.launcher.as_ref());
    let Some(python) = launcher.interpreter() else {
        let found = "the launcher's Python cannot be told";
        let remedy = "apt-get install python3 python3-venv, or pass --python FILE";
        return vec![Need::lacking("Python", needed, found, remedy)];
    };
    let folder = intended.script.as_deref().unwrap_or(Utf8Path::new("."));
    let seen = machine::look(folder, &launcher);
    let mut needs = vec![match &seen.python {
        Some(version) => Need::ok("Python", format!("{version} at {python}")),
        None => Need::lacking("Python", needed, format!("{python} does not run"), "pass --python FILE"),
    }];
    let install = format!("{python} -m pip install torch==2.11.0 numpy sentencepiece");
    needs.push(match &seen.torch {
        Some(version) if version.ends_with("+cpu") && gpus > 0 => Need::lacking(
            "torch",
            NeedState::Contradicts,
            format!("{version}, which uses no GPU of this machine"),
            install,
        ),
        Some(version) => Need::ok("torch", version.clone()),
        None => Need::lacking("torch", needed, format!("{python} has no torch"), install),
    });
    let processes = launcher.processes(intended.nproc, gpus);
    if gpus > 0 && usize::try_from(processes).is_ok_and(|processes| processes > gpus) {
        let found = format!("{processes} processes for {}", counted(gpus, "GPU"));
        needs.push(Need::lacking("processes", NeedState::Contradicts, found, format!("--nproc {gpus}")));
    }
    needs
}

/// Tells whether the namespaces of a wall can be made: `rehearse` and `reproduce` need them, `submit` does not.
fn sandbox() -> Need {
    let name = "sandbox";
    let remedy = "sysctl kernel.unprivileged_userns_clone=1 and kernel.apparmor_restrict_unprivileged_userns=0, or \
                  --no-sandbox for a script that you trust";
    if !cfg!(target_os = "linux") {
        let found = "walls are made of Linux namespaces; rehearse and reproduce run no stranger's script here";
        return Need::lacking(name, NeedState::Absent, found, "use Linux, or --no-sandbox for a script that you trust");
    }
    let tried = Command::new("unshare")
        .args(["--user", "--map-root-user", "--net", "--mount", "true"])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    match tried {
        Ok(status) if status.success() => Need::ok(name, "namespaces for rehearse and reproduce can be made"),
        Ok(_) => Need::lacking(
            name,
            NeedState::Absent,
            "namespaces are refused here; rehearse and reproduce need them",
            remedy,
        ),
        Err(_) => {
            let found = "unknown: the program unshare, which would tell, is not installed";
            Need::lacking(name, NeedState::Absent, found, "caddie rehearse SCRIPT says it")
        }
    }
}

fn disk(out: &Utf8Path) -> Need {
    let name = "disk";
    // The folder is made by the first run.
    let place = out.ancestors().find(|place| place.as_str().is_empty() || place.is_dir()).unwrap_or(Utf8Path::new("."));
    let place = if place.as_str().is_empty() { Utf8Path::new(".") } else { place };
    let Some(free) = free(place) else { return Need::ok(name, format!("free space of {place} cannot be told")) };
    let found = format!("{:.1} GB free at {place}", free as f64 / 1e9);
    match free < ROOM {
        true => Need::lacking(
            name,
            NeedState::Absent,
            format!("only {found}"),
            "make room, or pass --out DIR on another disk",
        ),
        false => Need::ok(name, found),
    }
}

/// Free bytes of the file system that holds a folder.
#[cfg(unix)]
fn free(place: &Utf8Path) -> Option<u64> {
    let stat = nix::sys::statvfs::statvfs(place.as_std_path()).ok()?;
    // The widths of both differ between systems.
    u64::try_from(u128::from(stat.blocks_available()) * u128::from(stat.fragment_size())).ok()
}

#[cfg(not(unix))]
fn free(_: &Utf8Path) -> Option<u64> {
    None
}

fn data(intended: &Intended) -> Need {
    let fetch = "in a clone of openai/parameter-golf: python3 data/cached_challenge_fineweb.py --variant sp1024, then \
                 --data DIR/data/datasets/fineweb10B_sp1024; caddie fixture DIR makes a small corpus";
    let Some(given) = &intended.data else {
        return Need::lacking("data", NeedState::Missing, "no --data, no DATA_PATH and none in caddie.toml", fetch);
    };
    let data = match Data::for_settings(given, &intended.env) {
        Ok(data) => data,
        Err(error) => return Need::lacking("data", NeedState::Missing, error.to_string(), fetch),
    };
    let shards = |part: &str| {
        let entries = data.shards.read_dir_utf8().into_iter().flatten().flatten();
        let is_of = |name: &str| name.starts_with("fineweb_") && name.contains(part) && name.ends_with(".bin");
        entries.filter(|entry| is_of(entry.file_name())).count()
    };
    let (train, val) = (shards("train"), shards("val"));
    let found = format!("{}: {}, {}", data.shards, counted(train, "training shard"), counted(val, "validation shard"));
    if train == 0 || val == 0 {
        return Need::lacking("data", NeedState::Missing, found, fetch);
    }
    match &data.tokenizer {
        Some(tokenizer) => Need::ok("data", format!("{found}; tokenizer {tokenizer}")),
        None => Need::lacking("data", NeedState::Absent, format!("{found}; no tokenizer beside them"), fetch),
    }
}

/// The track against the machine: a record is timed on the track's.
fn track(intended: &Intended, gpus: &[String], rulebook: &Rulebook) -> Need {
    let name = "track";
    let all: Vec<&str> = rulebook.tracks.iter().map(|track| track.name.as_str()).collect();
    let track = match &intended.track {
        Some(asked) => match rulebook.track(asked) {
            Some(track) => Some(track),
            None => {
                let remedy = format!("--track {}", all.join("|"));
                return Need::lacking(
                    name,
                    NeedState::Missing,
                    format!("{asked} is no track of {}", rulebook.id()),
                    remedy,
                );
            }
        },
        None => rulebook.record_track(),
    };
    let Some(track) = track else { return Need::ok(name, "none") };
    let Some(machine) = rulebook.hardware_of(Some(track)).filter(|_| track.record) else {
        return Need::ok(name, format!("{}, which asks for no machine", track.name));
    };
    let wanted = format!("{} is timed on {}x {}", track.name, machine.gpus, machine.name);
    let fits = gpus.len() as u64 == machine.gpus && gpus.iter().all(|gpu| machine.is_named_by(gpu));
    if fits {
        return Need::ok(name, wanted);
    }
    let here =
        if gpus.is_empty() { "this machine has no GPU".to_owned() } else { format!("here: {}", gpus.join(", ")) };
    let other = rulebook.tracks.iter().find(|track| !track.record).map_or("another track", |track| track.name.as_str());
    let remedy = format!("--track {other}, or run it there: caddie submit … --on slurm|skypilot, then caddie collect");
    Need::lacking(name, NeedState::Contradicts, format!("{wanted}; {here}"), remedy)
}

fn author(intended: &Intended) -> Need {
    let name = "author";
    let remedy = |who: &str| format!("--author {who:?} --github-id ID, or both in caddie.toml");
    match (intended.author.as_str(), intended.github_id.as_str()) {
        ("", _) => {
            let of_git = Command::new("git").args(["config", "user.name"]).stdin(Stdio::null()).output().ok();
            let of_git = of_git.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned());
            let who = of_git.filter(|who| !who.is_empty()).unwrap_or_else(|| "NAME".to_owned());
            Need::lacking(name, NeedState::Absent, "submission.json would name nobody", remedy(&who))
        }
        (author, "") => {
            Need::lacking(name, NeedState::Absent, format!("{author}, without a GitHub account"), remedy(author))
        }
        (author, account) => Need::ok(name, format!("{author} ({account})")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn book() -> Rulebook {
        Rulebook::builtin().expect("loads")
    }

    #[test]
    fn a_track_contradicts_a_machine_that_is_not_its_own() {
        let on = |track: Option<&str>, gpus: &[&str]| {
            let intended = Intended { track: track.map(str::to_owned), ..Intended::default() };
            super::track(&intended, &gpus.iter().map(|gpu| (*gpu).to_owned()).collect::<Vec<_>>(), &book())
        };
        assert_eq!(on(None, &["NVIDIA H100 80GB HBM3, 81559 MiB, 570"; 8]).state, NeedState::Ok);
        for gpus in [&[][..], &["NVIDIA H100 80GB HBM3"][..], &["NVIDIA H200"; 8]] {
            let need = on(None, gpus);
            assert_eq!(need.state, NeedState::Contradicts, "{gpus:?}");
            assert!(need.remedy.is_some_and(|remedy| remedy.starts_with("--track non_record_16mb")));
        }
        assert_eq!(on(Some("non-record-16mb"), &[]).state, NeedState::Ok);
        assert_eq!(on(Some("nope"), &[]).state, NeedState::Missing);
    }

    #[test]
    fn data_that_is_not_there_is_missing_and_the_fetch_is_told() {
        let dir = tempfile::tempdir().expect("a folder");
        let root = Utf8Path::from_path(dir.path()).expect("UTF-8").to_owned();
        let state = || data(&Intended { data: Some(root.clone()), ..Intended::default() });
        let need = state();
        assert_eq!(need.state, NeedState::Missing);
        assert!(need.remedy.is_some_and(|remedy| remedy.contains("cached_challenge_fineweb.py --variant sp1024")));
        for name in ["fineweb_train_000000.bin", "fineweb_train_000001.bin"] {
            std::fs::write(root.join(name), "x").expect("writes");
        }
        assert!(state().state == NeedState::Missing && state().found.contains("0 validation shards"), "{:?}", state());
        std::fs::write(root.join("fineweb_val_000000.bin"), "x").expect("writes");
        std::fs::write(root.join("x.model"), "x").expect("writes");
        assert!(state().state == NeedState::Ok && state().found.contains("2 training shards"), "{:?}", state());
    }
}
