//! One run: the package and the script in a process behind walls, watched until it ends.

use std::fs::File;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use camino::{Utf8Path, Utf8PathBuf};
use fs_err as fs;

use caddie_files::{Error, Result};
use caddie_walls::{Limits, NO_WALL, Plan, REFUSED};

use super::{Interpreter, Options, RehearsalReport, Setting};

/// Time between two looks at a run.
const GLANCE: Duration = Duration::from_millis(100);
/// Time between two sums of the bytes that it wrote.
const WEIGH: Duration = Duration::from_secs(2);
/// Most bytes that a toy run may write; the largest of the field writes some 100 MB.
const MAX_DISK: u64 = 4 << 30;
/// Time for the package to say that the script's time is over, before it is killed.
const GRACE: Duration = Duration::from_secs(30);

/// The folder of all runs: the user's, or one that goes with the rehearsal.
pub struct Room {
    path: Utf8PathBuf,
    _temporary: Option<tempfile::TempDir>,
}

impl Room {
    /// A new folder at `keep`, or a temporary one.
    pub fn new(keep: Option<&Utf8Path>) -> Result<Room> {
        let Some(keep) = keep else {
            let temporary = tempfile::Builder::new().prefix("caddie-rehearsal-").tempdir();
            let temporary = temporary.map_err(Error::io("a temporary folder", "creating"))?;
            let path = Utf8PathBuf::from_path_buf(temporary.path().to_owned());
            let path = path.map_err(|path| Error::Usage(format!("{}: not UTF-8; set TMPDIR", path.display())))?;
            open_to_all(&path)?;
            return Ok(Room { path, _temporary: Some(temporary) });
        };
        if keep.exists() {
            return Err(Error::Usage(format!("{keep} exists; name a new folder for --keep")));
        }
        fs::create_dir_all(keep).map_err(Error::io(keep, "creating"))?;
        let path = keep.canonicalize_utf8().map_err(Error::io(keep, "resolving"))?;
        Ok(Room { path, _temporary: None })
    }

    /// The place of the folder that the runs are rendered to.
    pub fn rendered(&self) -> Utf8PathBuf {
        self.path.join("rendered")
    }

    /// The corpus of the first run, which the others share.
    pub fn corpus(&self) -> Utf8PathBuf {
        self.path.join("corpus")
    }
}

/// A script behind walls may be another user than the one who calls caddie.
fn open_to_all(path: &Utf8Path) -> Result<()> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        fs::set_permissions(path, std::fs::Permissions::from_mode(0o777)).map_err(Error::io(path, "opening to all"))?;
    }
    let _ = path;
    Ok(())
}

/// One run, with everything that decides it.
pub struct TrialRequest<'a> {
    pub options: &'a Options,
    pub script: &'a Utf8Path,
    pub settings: &'a [Setting],
    pub interpreter: &'a Interpreter,
    /// The folder with the Python package.
    pub package: &'a Utf8Path,
    pub seed: i64,
    /// A corpus that is there already.
    pub corpus: Option<Utf8PathBuf>,
    /// Further arguments of the package (rehearsal/README.md).
    pub extra: &'a [String],
}

/// Runs it in the folder `name` of `room`. Returns the report and the folder.
pub fn run(
    request: &TrialRequest<'_>,
    room: &Room,
    name: &str,
    stop: &AtomicBool,
    tell: &mut dyn FnMut(&str),
) -> Result<(RehearsalReport, Utf8PathBuf)> {
    let place = room.path.join(name);
    fs::create_dir_all(&place).map_err(Error::io(&place, "creating"))?;
    open_to_all(&place)?;
    let said = place.join("harness.txt");
    let output = || File::create(&said).map_err(Error::io(&said, "creating"));
    let mut command = command(request, room, &place, name)?;
    let child = command.stdin(Stdio::null()).stdout(output()?).stderr(output()?).spawn();
    let mut watched = Watched(child.map_err(Error::io(&request.interpreter.python, "starting"))?);
    let status = watched.wait(request, &place, stop, tell)?;
    let report = place.join("report.json");
    if status.code() == Some(i32::from(NO_WALL)) || !report.is_file() {
        return Err(refused(request, status, &said));
    }
    let text = caddie_files::read_text(&report)?;
    let report = serde_json::from_str(&text).map_err(|error| Error::unreadable(&report, error.to_string()))?;
    let (made, shared) = (place.join("work/data"), room.corpus());
    if request.corpus.is_none() && made.is_dir() {
        fs::rename(&made, &shared).map_err(Error::io(&shared, "keeping the corpus"))?;
    }
    Ok((report, place))
}

/// The command, behind walls or not.
fn command(request: &TrialRequest<'_>, room: &Room, place: &Utf8Path, name: &str) -> Result<Command> {
    let (options, python) = (request.options, &request.interpreter.python);
    let script = request.script.canonicalize_utf8().map_err(Error::io(request.script, "resolving"))?;
    let mut words: Vec<String> =
        [python.as_str(), "-m", "rehearsal", script.as_str(), "--no-walls"].map(str::to_owned).into();
    let mut option = |name: &str, value: String| words.extend([name.to_owned(), value]);
    option("--report", place.join("report.json").into_string());
    option("--keep", place.join("work").into_string());
    option("--steps", options.steps.to_string());
    option("--seed", request.seed.to_string());
    option("--nproc", options.nproc.to_string());
    option("--wall", options.limit.as_secs().to_string());
    for Setting { name, value } in request.settings {
        option("--env", format!("{name}={value}"));
    }
    for (name, value) in &options.env {
        option("--env", format!("{name}={value}"));
    }
    if let Some(corpus) = &request.corpus {
        option("--data", corpus.to_string());
    }
    words.extend(request.extra.iter().cloned());
    let bin = python.parent().map_or("", Utf8Path::as_str);
    let env = [
        ("PATH", format!("{bin}:/usr/local/bin:/usr/bin:/bin")),
        ("PYTHONPATH", request.package.to_string()),
        ("PYTHONDONTWRITEBYTECODE", "1".to_owned()),
        ("HOME", place.to_string()),
        ("TMPDIR", place.join("tmp").into_string()),
        ("LANG", "C.UTF-8".to_owned()),
    ];
    let env = env.map(|(name, value)| (name.to_owned(), value));
    if !options.walls {
        fs::create_dir_all(place.join("tmp")).map_err(Error::io(place, "creating"))?;
        let mut command = Command::new(python);
        command.args(words.iter().skip(1)).env_clear().envs(env).current_dir(place);
        return Ok(command);
    }
    let root = room.path.join(format!(".root-{name}"));
    fs::create_dir_all(&root).map_err(Error::io(&root, "creating"))?;
    let beside = script.parent().unwrap_or(Utf8Path::new("/")).to_owned();
    let own = [request.package, &beside].map(Utf8Path::as_std_path);
    let folders = request.interpreter.folders.iter().chain(&request.corpus).map(|path| path.as_std_path());
    let plan = Plan {
        command: words,
        env: env.into(),
        readable: folders.chain(own).map(std::path::Path::to_owned).collect(),
        devices: Vec::new(),
        writable: place.as_std_path().to_owned(),
        root: root.into_std_path_buf(),
        loopback: Some(python.as_std_path().to_owned()),
        limits: Limits { cpu_seconds: 4 * options.limit.as_secs() + 60, ..Limits::default() },
    };
    let file = room.path.join(format!(".plan-{name}.json"));
    caddie_walls::command(&plan, file.as_std_path()).map_err(|error| Error::Usage(error.to_string()))
}

/// Explains why there is no report.
fn refused(request: &TrialRequest<'_>, status: ExitStatus, said: &Utf8Path) -> Error {
    let text = caddie_files::read_text(said).unwrap_or_default();
    let last = text.trim().lines().last().unwrap_or_default();
    match last.strip_prefix(REFUSED) {
        Some(reason) => Error::Usage(format!(
            "{}: not run, for {reason}. Run caddie where namespaces and Landlock are allowed, or with --no-sandbox if you trust \
             the script",
            request.script
        )),
        None => Error::unreadable(request.script, format!("the rehearsal itself failed ({status}): {last}")),
    }
}

/// A run that is killed when nobody waits for it any longer.
struct Watched(Child);

impl Drop for Watched {
    fn drop(&mut self) {
        // It has mostly ended; else all that it started ends with it.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Watched {
    fn wait(
        &mut self,
        request: &TrialRequest<'_>,
        place: &Utf8Path,
        stop: &AtomicBool,
        tell: &mut dyn FnMut(&str),
    ) -> Result<ExitStatus> {
        let (started, mut weighed) = (Instant::now(), Instant::now());
        let most = request.options.limit + GRACE;
        loop {
            if let Some(status) = self.0.try_wait().map_err(Error::io(request.script, "waiting for"))? {
                return Ok(status);
            }
            if stop.load(Ordering::Relaxed) {
                return Err(Error::Interrupted(format!("{}: the rehearsal was interrupted", request.script)));
            }
            if started.elapsed() > most {
                return Err(Error::unreadable(
                    request.script,
                    format!("still running after {} s, and killed; give it more with --limit", most.as_secs()),
                ));
            }
            if weighed.elapsed() > WEIGH {
                let bytes = weight(place);
                if bytes > MAX_DISK {
                    return Err(Error::unreadable(
                        request.script,
                        format!("killed, for it had written {bytes} bytes; {MAX_DISK} are allowed"),
                    ));
                }
                weighed = Instant::now();
                tell(&last_line(place));
            }
            std::thread::sleep(GLANCE);
        }
    }
}

/// Bytes of what the run wrote.
fn weight(place: &Utf8Path) -> u64 {
    let listing = caddie_files::list(place).unwrap_or_default();
    listing.files.iter().fold(0, |sum: u64, file| sum.saturating_add(file.bytes))
}

/// The last line that the script printed.
fn last_line(place: &Utf8Path) -> String {
    let text = caddie_files::read_text(&place.join("work/output.txt")).unwrap_or_default();
    caddie_files::text::one_line(text.trim_end().lines().last().unwrap_or_default())
}
