//! Prefixes that launchers, loggers and terminals put around the lines of a log.
//!
//! torchrun, Python's logging, docker compose, kubectl, CI runners, Slurm and others write a prefix before each line,
//! and a terminal adds colors. None of it is part of the script's own output, and one prefix may follow another, so
//! prefixes are removed until none is left. A prefix with which no line of a training script begins is removed line by
//! line; one that could be the script's own counts only where every line at the log's beginning has it.

use std::borrow::Cow;
use std::sync::LazyLock;

use regex::Regex;

use super::words::stamped;

/// Most consecutive prefixes that are removed from a line.
const MAX_NESTED: usize = 8;
/// Lines at the beginning of a log that are searched for a common prefix, and the fewest that there must be.
const HEAD_LINES: usize = 60;
const FEWEST_LINES: usize = 5;

/// The levels of Python's logging, loguru and glog.
const LEVEL: &str = "(?:TRACE|DEBUG|INFO|NOTICE|SUCCESS|WARNING|WARN|ERROR|CRITICAL|FATAL)";
/// A logger's name that does not look like a line's key.
const LOGGER: &str = r"(?:root|__\w+__|[A-Za-z_]\w*(?:\.\w+)+)";
/// A date with a time, as ISO 8601 or as Python's logging writes it.
const DATE_TIME: &str =
    r"\d{4}[-/]\d\d[-/]\d\d[T _]\d\d:\d\d:\d\d(?:[.,]\d{1,9})?(?: ?(?:Z|UTC|GMT)| ?[+-]\d\d:?\d\d)?";
/// A time of day.
const TIME: &str = r"\d\d:\d\d:\d\d(?:[.,]\d{1,9})?";

/// Every prefix with which no line of a training script begins.
static PREFIX: LazyLock<Option<Regex>> = LazyLock::new(|| {
    let forms = [
        // torchrun --tee and its errors: `[default0]:`, `[rank0]: `; older versions and MPI: `[0]:`, `[1,0]<stdout>:`.
        r"\[(?:[A-Za-z_]+)?\d{1,5}\]:".to_owned(),
        r"\[\d+,\d+\](?:<std(?:out|err)>)?:".to_owned(),
        // accelerate and DeepSpeed: `[RANK 0] `, `[Rank 0] `, `[rank0] `, `Rank 0: `.
        r"\[(?i:rank)[ :=]?\d{1,5}\]:? ?".to_owned(),
        r"(?i:rank) \d{1,5}: ".to_owned(),
        // `2026-01-01 12:00:00,123 - `, `[2026-01-01T12:00:00Z] `, `2026-01-01 12:00:00.123 | `.
        format!(r"\[{DATE_TIME}\](?: - |: ?| ?)"),
        format!(r"{DATE_TIME}(?: +- | +\| |: ?|[ \t]|$)"),
        format!(r"\[{TIME}\](?: - |: ?| ?)"),
        format!(r"{TIME}(?: +- | +\| |: |[ \t]|$)"),
        // syslog and moreutils' ts: `Mar 20 12:00:00 host python[123]: `.
        r"(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec) [ \d]\d \d\d:\d\d:\d\d(?:\.\d+)? (?:[\w.-]+ [\w./-]+\[\d+\]: )?"
            .to_owned(),
        // glog, as torch and NCCL use it: `I0320 12:00:00.123456 140 run.py:12] `.
        r"[IWEF]\d{4} \d\d:\d\d:\d\d\.\d+ +(?:\d+ )?[\w./<>-]+:\d+\] ?".to_owned(),
        // Levels, alone or with the logger's name: `[INFO] `, `INFO - `, `INFO     | __main__:main:42 - `.
        format!(r"\[{LEVEL} *\](?:\[[\w.]+\])*(?: +- |: ?| ?)"),
        format!(r"\[[\w.]+\]\[{LEVEL} *\](?: +- |: ?| ?)"),
        format!(r"{LEVEL} +{LOGGER}: ?"),
        format!(r"\[{LOGGER}\](?: - |: ?| ?)"),
        format!(r"{LEVEL} *\| (?:[\w.<>]+:[\w.<>]+:\d+ - )?"),
        format!(r"{LEVEL}(?: +- |: +| +)"),
        format!(r"[A-Za-z_][\w.]* (?:-|\|) {LEVEL} *(?:- |\| )"),
        // The place in the source, as DeepSpeed writes it: `[train.py:12:main] `.
        r"\[[\w./-]+\.py:\d+(?::[\w<>]+)?\](?: - |: ?| ?)".to_owned(),
        // docker compose: `trainer-1  | `; kubectl logs --prefix: `[pod/trainer-0/main] `.
        r"[A-Za-z][\w.-]*[-_.]\d+ +\| ?".to_owned(),
        r"\[(?:pod|job|deployment)/[\w./-]+\] ".to_owned(),
        // Ray and SkyPilot: `(RayTrainWorker pid=123, ip=10.0.0.1) `, `(head, rank=0, pid=12) `.
        r"\([\w .-]+(?:[, ] ?(?:rank|pid|ip)=[\w.]+)+\) ".to_owned(),
        // gh run view --log: the job and the step, parted by tabs.
        r"[^\t]{1,100}\t[^\t]{1,100}\t".to_owned() + DATE_TIME + " ",
        // A progress bar whose line the next print continues: ` 50%|█████     | 10/20 [00:01<00:01, 9.9it/s]`.
        r"[^|]{0,80}\d{1,3}%\|[^|]*\| *[\d.,kMG]+/[\d.,kMG?]+ \[[^\]]*\] *".to_owned(),
    ];
    Regex::new(&format!("^(?:{})", forms.join("|"))).ok()
});

/// Python's default form, `INFO:root:`: the level and the logger's name.
static LEVEL_AND_NAME: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(&format!(r"^{LEVEL}:(?:([A-Za-z_][\w.]*):)?")).ok());
/// Keys of log lines that are followed by a word, so that `INFO:val_loader:shards` names no logger.
const KEYS: [&str; 6] = ["val_loader", "train_loader", "val_bpb", "recipe", "ledger", "tokenizer"];

/// Prefixes that count only where all lines at the log's beginning have the same one: docker compose with a name of its
/// own (`trainer  | `), stern (`trainer-7d9f main `), pdsh (`worker-a: `).
static SHARED: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(r"^(?:[A-Za-z][\w./-]* *\| ?|[a-z0-9.]+-[a-z0-9.-]+ [a-z0-9][a-z0-9.-]* |[\w.]+-[\w.-]+: ?)").ok()
});
/// The rank that `srun --label` writes; every line has one, not always the same.
static LABEL: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(r"^ *\d{1,5}: ?").ok());

/// Escape sequences for terminals: colors, cursor moves, titles, and the choice of a character set.
static ESCAPE: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new("\u{1b}(?:\\[[0-?]*[ -/]*[@-~]|\\][^\u{7}\u{1b}]*(?:\u{7}|\u{1b}\\\\)|[()*+][0-9A-Za-z]|[=>78DEHM])")
        .ok()
});

/// The prefix that all lines of a log have in common.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) enum Shared {
    /// No common prefix.
    #[default]
    None,
    /// Each line begins with this text.
    Text(String),
    /// Each line begins with the number of the process that wrote it.
    Label,
}

impl Shared {
    /// Looks for a common prefix in the beginning of a log.
    pub(super) fn infer(head: &[u8]) -> Shared {
        let text = String::from_utf8_lossy(head);
        // The last line may be cut.
        let whole = text.rsplit_once('\n').map_or("", |(whole, _)| whole);
        let lines: Vec<String> = whole
            .lines()
            .filter(|line| !line.trim().is_empty())
            .take(HEAD_LINES)
            .map(|line| unprefixed(&plain(shown(line.trim_end())), &Shared::None).1.to_owned())
            .collect();
        let Some(first) = lines.first().filter(|_| lines.len() >= FEWEST_LINES) else { return Shared::None };
        if LABEL.as_ref().is_some_and(|label| lines.iter().all(|line| label.is_match(line))) {
            return Shared::Label;
        }
        let found = SHARED.as_ref().and_then(|shared| shared.find(first)).map(|found| found.as_str());
        let has = |line: &String, prefix: &str| line.starts_with(prefix) || line == prefix.trim_end();
        match found.filter(|prefix| lines.iter().all(|line| has(line, prefix))) {
            Some(prefix) => Shared::Text(prefix.to_owned()),
            None => Shared::None,
        }
    }

    /// Returns the length of this prefix of the line, in bytes.
    fn length(&self, line: &str) -> Option<usize> {
        match self {
            Shared::None => None,
            Shared::Text(prefix) if line == prefix.trim_end() => Some(line.len()),
            Shared::Text(prefix) => line.starts_with(prefix.as_str()).then_some(prefix.len()),
            Shared::Label => LABEL.as_ref()?.find(line).map(|found| found.end()),
        }
    }
}

/// Returns the line without terminal escapes.
pub(super) fn plain(line: &str) -> Cow<'_, str> {
    match ESCAPE.as_ref().filter(|_| line.contains('\u{1b}')) {
        Some(escape) => escape.replace_all(line, ""),
        None => Cow::Borrowed(line),
    }
}

/// Returns the final text of a line that carriage returns redraw: the last piece that is not a progress bar.
pub(super) fn shown(line: &str) -> &str {
    let is_bar = |piece: &str| piece.contains("%|") && piece.contains("| ") && piece.ends_with(']');
    let is_empty = |piece: &str| plain(piece).trim().is_empty();
    let mut pieces = line.rsplit('\r').filter(|piece| !is_empty(piece)).peekable();
    let last = pieces.peek().copied().unwrap_or(line);
    pieces.find(|piece| !is_bar(&plain(piece))).unwrap_or(last)
}

/// Returns the line without its prefixes, and the stamp among them where one is in epoch seconds.
pub(super) fn unprefixed<'a>(line: &'a str, shared: &Shared) -> (Option<f64>, &'a str) {
    let (mut stamp, mut rest, mut shared) = (None, line, Some(shared));
    for _ in 0..MAX_NESTED {
        let common = shared.and_then(|shared| shared.length(rest));
        if common.is_some() {
            shared = None;
        }
        let inner = match common.or_else(|| length(rest)) {
            Some(taken) => rest.get(taken..).unwrap_or(""),
            None => {
                let (found, inner) = stamped(rest);
                stamp = found.or(stamp);
                inner
            }
        };
        if inner.len() == rest.len() {
            break;
        }
        rest = inner;
    }
    (stamp, rest)
}

/// Returns the length of a prefix that is always removed, in bytes.
fn length(line: &str) -> Option<usize> {
    // Most lines begin with a key in small letters: nothing is tried on them.
    let first = line.bytes().next()?;
    let may_be_one = line.contains(['|', '\t']) || line.contains(" - ") || line.starts_with("rank ");
    if first.is_ascii_lowercase() && !may_be_one {
        return None;
    }
    let named = LEVEL_AND_NAME.as_ref().and_then(|form| form.captures(line));
    if let Some((whole, name)) = named.and_then(|found| Some((found.get(0)?, found.get(1)))) {
        return Some(match name {
            Some(name) if is_logger(name.as_str(), &line[whole.end()..]) => whole.end(),
            Some(name) => name.start(),
            None => line.len() - line[whole.end()..].trim_start().len(),
        });
    }
    let found = PREFIX.as_ref()?.find(line)?;
    let length = found.end();
    // torchrun writes no space behind its colon, others do; what a script indents begins with an even number of them.
    let spaces = line.len() - length - line[length..].trim_start_matches(' ').len();
    Some(if found.as_str().ends_with("]:") { length + spaces % 2 } else { length })
}

/// Tells whether a name between colons is the logger's, and not the key of a logged value: `INFO:root:step:1`,
/// `INFO:seed:7`.
fn is_logger(name: &str, rest: &str) -> bool {
    let known = name == "root" || name.starts_with("__") || name.contains('.');
    let begins = rest.starts_with(|c: char| c.is_ascii_alphabetic()) || rest.starts_with("  ");
    known || (!KEYS.contains(&name) && begins)
}

#[cfg(test)]
mod tests {
    use super::*;

    const STEP: &str = "step:1/20000 train_loss:6.9000";

    #[test]
    fn the_prefixes_of_launchers_and_loggers_are_taken_off() {
        for prefix in [
            "[default0]:",
            "[rank0]: ",
            "[trainer12]:",
            "[0]:",
            "[1,0]<stdout>:",
            "[Rank 0] ",
            "rank 0: ",
            "[2026-04-19 12:28:15] ",
            "[2026-04-19 12:28:15] INFO: ",
            "[2026-04-19 12:28:15,123][INFO] ",
            "[2026-04-19 12:28:15,123][__main__][INFO] - ",
            "[2026-04-19 12:28:15,123] [INFO] [train.py:12:main] [Rank 0] ",
            "2026-01-01 12:00:00,123 - INFO - ",
            "2026-01-01 12:00:00,123 - train_gpt.core - INFO - ",
            "2026-01-01 12:00:00,123 INFO ",
            "2026-01-01 12:00:00.123 | INFO     | __main__:main:42 - ",
            "2026-03-20T12:00:00.1234567Z ",
            "2026-03-20T12:00:00+00:00 ",
            "train\tRun it\t2026-03-20T12:00:00.1234567Z ",
            "12:28:15 ",
            "[12:00:00] INFO     ",
            "INFO:root:",
            "INFO:__main__:",
            "INFO:train.loop:",
            "INFO:trainer:",
            "INFO:",
            "INFO: ",
            "INFO - ",
            "[INFO] ",
            "[2026-05-02 12:28:15] [INFO] [__main__] ",
            "2026-05-02 12:28:15,123 INFO train.loop: ",
            "WARNING:root:",
            "Mar 20 12:00:00 ",
            "Mar  2 12:00:00 node1 python[123]: ",
            "I0320 12:00:00.123456 140 run.py:12] ",
            "trainer-1  | ",
            "trainer_1 | ",
            "trainer-1  | [default0]:",
            "trainer-1  | 2026-01-01 12:00:00,123 - INFO - ",
            "[pod/trainer-0/main] ",
            "(RayTrainWorker pid=123, ip=10.0.0.1) ",
            "(head, rank=0, pid=1234) ",
            " 50%|█████     | 10/20 [00:01<00:01,  9.9it/s]",
        ] {
            assert_eq!(unprefixed(&format!("{prefix}{STEP}"), &Shared::None).1, STEP, "{prefix:?}");
            // What a script indents stays indented.
            let inner = format!("{prefix}  matrix_lr: 0.04");
            let padded = ["INFO     ", "INFO:", "INFO ", "INFO: "].iter().any(|end| prefix.ends_with(end));
            let expected = if padded || prefix.ends_with(']') { "matrix_lr: 0.04" } else { "  matrix_lr: 0.04" };
            assert_eq!(unprefixed(&inner, &Shared::None).1, expected, "{prefix:?}");
        }
        let (stamp, rest) = unprefixed("trainer-1  | 1776100000.123 seed:7", &Shared::None);
        assert_eq!((stamp, rest), (Some(1_776_100_000.123), "seed:7"));
    }

    #[test]
    fn what_a_script_prints_itself_is_no_prefix() {
        for line in [
            STEP,
            "5000/20000 train_loss: 2.8488 train_time: 9.6m tok/s: 6813644",
            "final_int8_zlib_roundtrip val_loss:2.0848 val_bpb:1.2345",
            "[1, 2, 3]",
            "Total submission size int8+zlib: 15,815,847 bytes",
            "|   0  NVIDIA H100 80GB HBM3          On  |   00000000:01:00.0 Off |                    0 |",
            "Hyperparameters:",
            "seed | val_bpb",
            "post-quant eval val_bpb:1.2",
            "Running Python 3.12.3 (main, Jun 18 2025, 17:59:45)",
        ] {
            assert_eq!(unprefixed(line, &Shared::None).1, line);
        }
        assert_eq!(unprefixed("INFO:seed:7", &Shared::None).1, "seed:7");
        assert_eq!(unprefixed("INFO:val_loader:shards pattern=x", &Shared::None).1, "val_loader:shards pattern=x");
    }

    #[test]
    fn a_prefix_of_every_line_is_found_by_its_being_on_every_line() {
        let log = |prefix: &str| format!("{prefix}seed:7\n{prefix}\n").repeat(3).replace(" \n", "\n");
        for prefix in ["trainer  | ", "trainer-7d9f main ", "worker-a: "] {
            let shared = Shared::infer(log(prefix).as_bytes());
            assert_eq!(unprefixed(&format!("{prefix}{STEP}"), &shared).1, STEP, "{prefix:?}");
            assert_eq!(unprefixed(prefix.trim_end(), &shared).1, "");
        }
        let labelled = "0: seed:7\n1: seed:7\n".repeat(3);
        assert_eq!(unprefixed("12: step:1/2", &Shared::infer(labelled.as_bytes())).1, "step:1/2");
        let mixed = "seed:7\nstep:1/2\nstep:2/2\nval: 1\nstep: 2\nstep: 3\n";
        assert_eq!(Shared::infer(mixed.as_bytes()), Shared::None);
        assert_eq!(Shared::infer(b"step: 1\nstep: 2\n"), Shared::None, "too few to tell");
    }

    #[test]
    fn a_terminals_colors_and_redrawn_lines_are_what_a_reader_sees() {
        assert_eq!(plain("\u{1b}[1;32mseed:7\u{1b}[0m\u{1b}[K"), "seed:7");
        assert_eq!(plain("\u{1b}]0;a title\u{7}seed:7\u{1b}(B"), "seed:7");
        assert_eq!(shown(" 10%|█ | 1/10 [00:01]\rseed:7"), "seed:7");
        assert_eq!(shown("seed:7\r 10%|█         | 1/10 [00:01<00:09]"), "seed:7");
        assert_eq!(shown("seed:7\r\u{1b}[K"), "seed:7");
        assert_eq!(shown("\r"), "\r");
    }
}
