//! One run of a script: started in a group of its own, its output streamed to disk and to whoever watches, and ended with
//! everything that it started.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{PipeReader, Read as _, Write as _};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use camino::Utf8Path;

use super::family::{Family, MARK};
use crate::stop;
use caddie_files::text::{cut, printable};
use caddie_files::{Error, Result};
use caddie_folder::{Glance, LiveLog};
use caddie_walls::Plan;

/// Time between two looks at a run.
const GLANCE: Duration = Duration::from_millis(50);
/// Time for a script that was asked to end.
const GRACE: Duration = Duration::from_secs(10);
/// Time for processes that outlive the first one to end by themselves, as workers that write their last lines do.
const LINGER: Duration = Duration::from_secs(1);
/// Time for the last output to arrive when every process has ended.
const DRAIN: Duration = Duration::from_secs(2);
/// Bytes of a line that are looked at; the log on disk has all of it.
const MAX_LINE_BYTES: usize = 64 << 10;
/// Lines that are looked through for the reason of a failure.
const TAIL: usize = 200;
/// Columns of such a line.
const TAIL_COLUMNS: usize = 400;

/// A program that is to be run.
#[derive(Debug)]
pub struct Job<'a> {
    pub command: &'a [String],
    /// Set over caddie's own environment.
    pub env: &'a [(String, String)],
    /// The folder that it runs in.
    pub cwd: &'a Utf8Path,
    /// The file that its output goes to.
    pub log: &'a Utf8Path,
    /// The mark by which its processes are known.
    pub mark: &'a str,
    /// Limits that end a run which would go on.
    pub cap: Option<Cap>,
    pub stop: &'a AtomicBool,
    pub start: Start<'a>,
}

/// The way in which a program is started.
#[derive(Debug, Clone, Copy)]
pub enum Start<'a> {
    /// As the user would start it, with the user's environment.
    AsUser,
    /// With nothing of the user's environment.
    Bare,
    /// Behind walls, by this plan, which is written to the file.
    Walled(&'a Plan, &'a Utf8Path),
}

/// Limits that `--enforce` or `--limit` hold a run to.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Cap {
    /// From start to end, seconds.
    pub wall_seconds: f64,
    /// By the training clock of the log, seconds; `None` for no such limit.
    pub train_seconds: Option<f64>,
    /// The option that asked for it.
    pub option: &'static str,
}

/// The reason for which caddie ended a run.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Stopped {
    /// The user interrupted.
    Interrupted,
    /// It ran longer than [`Cap::wall_seconds`].
    Wall { seconds: f64, option: &'static str },
    /// Its training clock passed [`Cap::train_seconds`].
    Train { seconds: f64, option: &'static str },
}

/// The end of a run.
#[derive(Debug)]
pub struct Ended {
    pub status: ExitStatus,
    pub stopped: Option<Stopped>,
    pub seconds: f64,
    /// Processes that were still there when the first had ended, and were ended.
    pub left_behind: usize,
    /// The last lines of its output, fit to be shown.
    pub tail: Vec<String>,
}

/// The watch of a run.
pub trait Watch {
    /// Hears the facts that the log states so far, and how long the run has been going on.
    fn glance(&mut self, glance: &Glance, elapsed: Duration);
    /// Hears that the run came to its end, and did not fail.
    fn finished(&mut self) {}
}

/// Runs the job to its end.
///
/// # Errors
/// When it cannot be started, or its output cannot be written.
pub fn run(job: &Job<'_>, watch: &mut dyn Watch) -> Result<Ended> {
    let log = File::options().create_new(true).append(true).open(job.log).map_err(Error::io(job.log, "creating"))?;
    let started = Instant::now();
    let (mut child, output) = start(job)?;
    let family = Family::of(child.id(), job.mark);
    let _with_us = stop::Hook::new({
        let family = family.clone();
        move || family.kill()
    });
    let shared = Arc::new(Mutex::new(Shared::default()));
    let reader = std::thread::spawn({
        let shared = Arc::clone(&shared);
        move || read(output, log, &shared)
    });
    let outcome = attend(job, &mut child, &shared, started, watch);
    let seconds = started.elapsed().as_secs_f64();
    let (status, stopped, left_behind) = match outcome {
        Ok((Some(status), None)) => (status, None, end_the_rest(&family)),
        Ok((_, stopped)) => {
            family.end(GRACE);
            (child.wait().map_err(Error::io(job.log, "waiting for the script"))?, stopped, 0)
        }
        Err(error) => {
            family.end(GRACE);
            // Its status is no matter any more.
            let _ = child.wait();
            return Err(error);
        }
    };
    // Whoever holds the pipe now has no mark, no group, and nothing to say that counts.
    let until = Instant::now() + DRAIN;
    while !reader.is_finished() && Instant::now() < until {
        std::thread::sleep(GLANCE);
    }
    let mut shared = lock(&shared);
    if let Some(error) = shared.failed.take() {
        return Err(Error::io(job.log, "writing the script's output")(error));
    }
    let tail = shared.tail.iter().map(|line| cut(&printable(line), TAIL_COLUMNS)).collect();
    Ok(Ended { status, stopped, seconds, left_behind, tail })
}

/// Starts the command in a group of its own. Both of its outputs are one pipe, so that their lines keep their order.
fn start(job: &Job<'_>) -> Result<(Child, PipeReader)> {
    let (output, input) = std::io::pipe().map_err(Error::io(job.log, "making a pipe"))?;
    let errors = input.try_clone().map_err(Error::io(job.log, "making a pipe"))?;
    let (program, arguments) =
        job.command.split_first().ok_or_else(|| Error::Usage("--launcher names no program".to_owned()))?;
    let mut command = match job.start {
        Start::Walled(plan, file) => {
            let walled = caddie_walls::command(plan, file.as_std_path());
            walled.map_err(|error| Error::Usage(error.to_string()))?
        }
        Start::AsUser | Start::Bare => Command::new(program),
    };
    if !matches!(job.start, Start::Walled(..)) {
        if matches!(job.start, Start::Bare) {
            command.env_clear();
        }
        command.args(arguments).current_dir(job.cwd).envs(job.env.iter().map(|(name, value)| (name, value)));
    }
    command.env(MARK, job.mark).stdin(Stdio::null()).stdout(input).stderr(errors);
    #[cfg(unix)]
    {
        use std::os::unix::process::CommandExt as _;
        command.process_group(0);
    }
    let child = command.spawn().map_err(Error::io(program, "starting"))?;
    // The command holds the pipe's other end: it would never be empty.
    drop(command);
    Ok((child, output))
}

/// Waits for the first process, or for a reason to end it.
fn attend(
    job: &Job<'_>,
    child: &mut Child,
    shared: &Mutex<Shared>,
    started: Instant,
    watch: &mut dyn Watch,
) -> Result<(Option<ExitStatus>, Option<Stopped>)> {
    loop {
        if let Some(status) = child.try_wait().map_err(Error::io(job.log, "waiting for the script"))? {
            return Ok((Some(status), None));
        }
        let (glance, failed) = {
            let shared = lock(shared);
            (shared.live.glance(), shared.failed.is_some())
        };
        let elapsed = started.elapsed();
        watch.glance(&glance, elapsed);
        let stopped = if job.stop.load(Ordering::Relaxed) {
            Some(Stopped::Interrupted)
        } else {
            job.cap.and_then(|cap| over(&cap, &glance, elapsed))
        };
        // The reader's error is told when the run has ended.
        if stopped.is_some() || failed {
            return Ok((None, stopped));
        }
        std::thread::sleep(GLANCE);
    }
}

fn over(cap: &Cap, glance: &Glance, elapsed: Duration) -> Option<Stopped> {
    if elapsed.as_secs_f64() > cap.wall_seconds {
        Some(Stopped::Wall { seconds: cap.wall_seconds, option: cap.option })
    } else {
        let limit = cap.train_seconds?;
        let over = glance.train_seconds.is_some_and(|seconds| seconds > limit);
        over.then_some(Stopped::Train { seconds: limit, option: cap.option })
    }
}

/// Ends processes that the first one left behind, unless they end by themselves at once, and returns their number.
fn end_the_rest(family: &Family) -> usize {
    let until = Instant::now() + LINGER;
    while family.count() > 0 && Instant::now() < until {
        std::thread::sleep(GLANCE);
    }
    family.end(GRACE)
}

/// Everything that the reader has seen.
#[derive(Debug, Default)]
struct Shared {
    live: LiveLog,
    tail: VecDeque<String>,
    failed: Option<std::io::Error>,
}

/// A panic in the reader leaves what it had read, which is still true.
fn lock(shared: &Mutex<Shared>) -> MutexGuard<'_, Shared> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Writes the output to disk as it comes, and takes it apart into lines.
fn read(mut output: PipeReader, mut log: File, shared: &Mutex<Shared>) {
    let (mut buffer, mut line) = (vec![0; 64 << 10], Vec::new());
    loop {
        let bytes = match output.read(&mut buffer) {
            Ok(0) => break,
            Ok(read) => &buffer[..read],
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
            Err(_) => break,
        };
        if let Err(error) = log.write_all(bytes) {
            lock(shared).failed = Some(error);
            return;
        }
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            let (text, ends) = piece.strip_suffix(b"\n").map_or((piece, false), |text| (text, true));
            let room = MAX_LINE_BYTES.saturating_sub(line.len()).min(text.len());
            line.extend_from_slice(&text[..room]);
            if ends {
                lock(shared).line(&line);
                line.clear();
            }
        }
    }
    if !line.is_empty() {
        lock(shared).line(&line);
    }
    if let Err(error) = log.sync_all() {
        lock(shared).failed = Some(error);
    }
}

impl Shared {
    fn line(&mut self, line: &[u8]) {
        self.live.line(line);
        // A terminal shows what follows the last carriage return.
        let text = String::from_utf8_lossy(&line[..line.len().min(4 * TAIL_COLUMNS)]);
        let text = text.trim_end().rsplit('\r').next().unwrap_or_default().to_owned();
        if self.tail.len() == TAIL {
            self.tail.pop_front();
        }
        self.tail.push_back(text);
    }
}
