//! `caddie reproduce` of a folder with a script.

use std::io::IsTerminal as _;
use std::time::Duration;

use camino::{Utf8Path, Utf8PathBuf};
use clap::Args;
use comfy_table::{CellAlignment, Table, presets};
use indicatif::ProgressBar;

use super::script_options::{seconds, setting};
use super::script_view::Terminal;
use super::terminal;
use crate::render::numbers;
use crate::runner::script::reproduction::dress::{self, Dress};
use crate::runner::script::reproduction::{
    FolderReproduction, FoldersSetting, From, ReproducedSeed, ReproductionRequest, reproduce,
};
use caddie_files::text::{one_line, thousands};
use caddie_files::{Error, Result, exit};

/// Options that only a folder with a script has.
#[derive(Debug, Clone, Args)]
pub struct ScriptReproduction {
    /// Seeds of the folder's logs to run its script for, separated by commas [default: all of them]
    #[arg(long = "seed", value_name = "N,N", value_delimiter = ',')]
    seeds: Vec<i64>,
    /// Processes of the script [default: as many as the logs state, at most one for each GPU]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1024))]
    nproc: Option<u32>,
    /// The Python that runs the script [default: python3 on PATH; with --rehearse, one that caddie makes once]
    #[arg(long, value_name = "FILE")]
    python: Option<Utf8PathBuf>,
    /// A setting over those that the folder gives; repeatable
    #[arg(long, value_name = "KEY=VALUE", value_parser = setting)]
    env: Vec<(String, String)>,
    /// Run the script without walls, as yourself: only for a script that you trust
    #[arg(long)]
    no_sandbox: bool,
    /// Seconds that one run of the script may take
    #[arg(long, value_name = "SECONDS", default_value = "7200", value_parser = seconds)]
    limit: f64,
    /// Check what a machine without a GPU can: that the script runs at toy size and prints the lines of the folder's logs
    #[arg(long)]
    pub rehearse: bool,
    /// Folder that gets runs/reproduce-<folder>/ of a script
    #[arg(long, value_name = "DIR", default_value = ".")]
    out: Utf8PathBuf,
    /// plain for a reader, json for programs
    #[arg(long, value_enum, default_value_t = ReproduceFormat::Plain)]
    pub(super) format: ReproduceFormat,
}

impl ScriptReproduction {
    /// An option that was given and that a model has no use for.
    pub(super) fn given(&self) -> Option<&'static str> {
        let options = [
            (!self.seeds.is_empty(), "--seed"),
            (self.nproc.is_some(), "--nproc"),
            (self.python.is_some(), "--python"),
            (!self.env.is_empty(), "--env"),
            (self.no_sandbox, "--no-sandbox"),
        ];
        options.into_iter().find_map(|(given, name)| given.then_some(name))
    }
}

/// The form in which the result is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum ReproduceFormat {
    Plain,
    Json,
}

/// Reproduces, and prints the comparison and the verdict.
pub fn run(
    args: &ScriptReproduction,
    folder: &Utf8Path,
    data: Option<&Utf8Path>,
    tolerance: Option<f64>,
) -> Result<u8> {
    if args.rehearse {
        return rehearse(args, folder);
    }
    let done = reproduce(
        &ReproductionRequest {
            folder: folder.to_owned(),
            data: data.map(Utf8Path::to_owned).unwrap_or_default(),
            seeds: args.seeds.clone(),
            nproc: args.nproc,
            python: args.python.clone(),
            env: args.env.clone(),
            walls: !args.no_sandbox,
            limit_seconds: args.limit,
            tolerance,
            out: args.out.clone(),
        },
        &mut Terminal::of(args.seeds.len().max(1)),
    )?;
    args.write(&done, plain)?;
    Ok(if done.reproduced { exit::OK } else { exit::FINDINGS })
}

fn rehearse(args: &ScriptReproduction, folder: &Utf8Path) -> Result<u8> {
    let options = dress::DressOptions {
        folder: folder.to_owned(),
        seed: args.seeds.first().copied(),
        nproc: args.nproc.unwrap_or(1),
        env: args.env.clone(),
        python: args.python.clone(),
        walls: !args.no_sandbox,
    };
    let bar = if std::io::stderr().is_terminal() { ProgressBar::new_spinner() } else { ProgressBar::hidden() };
    bar.enable_steady_tick(Duration::from_millis(120));
    let done = dress::rehearse(&options, &mut |text| bar.set_message(text.to_owned()));
    bar.finish_and_clear();
    let done = done?;
    args.write(&done, rehearsed)?;
    Ok(if done.passed { exit::OK } else { exit::FINDINGS })
}

impl ScriptReproduction {
    fn write<T: serde::Serialize>(&self, done: &T, plain: impl Fn(&T) -> String) -> Result<()> {
        match self.format {
            ReproduceFormat::Plain => terminal::show(&plain(done)),
            ReproduceFormat::Json => {
                let json = serde_json::to_string_pretty(done);
                let json = json.map_err(|error| Error::Internal(format!("the result as JSON: {error}")))?;
                super::print(&format!("{json}\n"))
            }
        }
    }
}

fn plain(done: &FolderReproduction) -> String {
    let mut table = Table::new();
    table.load_preset(presets::NOTHING);
    table.set_header([
        "seed",
        "claimed val_bpb",
        "here",
        "difference",
        "in std",
        "steps",
        "train s",
        "eval s",
        "bytes",
        "code",
    ]);
    for seed in &done.seeds {
        table.add_row(row(seed));
    }
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
        column.set_cell_alignment(CellAlignment::Right);
    }
    let lines: Vec<String> = table.lines().map(|line| line.trim_end().to_owned()).collect();
    let std = done.claimed.val_bpb_std.map(|std| format!(" ± {}", numbers::score(std))).unwrap_or_default();
    let mut text = format!(
        "{}: {} run again, seed by seed; steps, times and bytes are differences\n{}\n\nclaimed   {}{std} over {}\n",
        done.folder,
        done.script,
        lines.join("\n"),
        numbers::score(done.claimed.val_bpb_mean),
        caddie_files::text::counted(done.claimed.runs, "run"),
    );
    if let Some(headline) = done.claimed.headline {
        text.push_str(&format!("headline  {}", numbers::score(headline)));
        let found = done.val_bpb_mean;
        let found = found.map(|mean| format!(", the mean here is {} ({:+.8})", numbers::score(mean), mean - headline));
        text.push_str(&format!("{}\n", found.unwrap_or_default()));
    }
    text.push_str(&circumstances(done));
    for seed in &done.seeds {
        if let Some(failure) = &seed.failure {
            text.push_str(&format!("\nseed {} failed: {failure}\n", seed.seed));
            seed.last_lines.iter().for_each(|line| text.push_str(&format!("  | {line}\n")));
            text.push_str(&format!("  log {}\n", seed.log));
        }
    }
    let pen = terminal::pen();
    let verdict = if done.reproduced { pen.good("reproduced") } else { pen.alarm("not reproduced") };
    text.push_str(&format!(
        "\n{verdict}, within {} bits per byte of the claimed scores\n",
        numbers::score(done.tolerance)
    ));
    text
}

fn circumstances(done: &FolderReproduction) -> String {
    let mut text = String::new();
    if !done.settings.is_empty() {
        text.push_str(&format!("settings  {}\n", done.settings.iter().map(shown).collect::<Vec<_>>().join(" ")));
    }
    let walls = if done.walls.is_empty() { "none: it ran as you".to_owned() } else { done.walls.join(", ") };
    text.push_str(&format!("walls     {walls}\n"));
    done.notes.iter().for_each(|note| text.push_str(&format!("note      {}\n", one_line(note))));
    text
}

fn shown(setting: &FoldersSetting) -> String {
    let from = match setting.from {
        From::Command => "a command",
        From::Log => "the log",
        From::Asked => "--env",
    };
    format!("{}={} ({from})", setting.name, setting.value)
}

fn row(seed: &ReproducedSeed) -> Vec<String> {
    let score = |value: Option<f64>| value.map_or_else(|| "?".to_owned(), numbers::score);
    let signed = |value: Option<i64>| {
        value.map_or_else(
            || "?".to_owned(),
            |value| if value > 0 { format!("+{}", thousands(value)) } else { thousands(value) },
        )
    };
    let time = |value: Option<f64>| value.map_or_else(|| "?".to_owned(), |value| format!("{value:+.3}"));
    let less = &seed.difference;
    vec![
        seed.seed.to_string(),
        score(seed.claimed.val_bpb),
        score(seed.found.as_ref().and_then(|found| found.val_bpb)),
        less.val_bpb.map_or_else(|| "?".to_owned(), |delta| format!("{delta:+.8}")),
        seed.in_std.map_or_else(|| "?".to_owned(), |times| format!("{times:+.2}")),
        signed(less.steps),
        time(less.train_seconds),
        time(less.eval_seconds),
        signed(less.bytes_total),
        signed(less.bytes_code),
    ]
}

fn rehearsed(done: &Dress) -> String {
    let mut text = format!("{}: {} rehearsed for seed {}\n", done.folder, done.script, done.seed);
    let yes = |truth: bool| if truth { "yes" } else { "no" };
    text.push_str(&format!("  runs to its score   {}\n", yes(done.reached_its_score)));
    if let Some(failure) = &done.failure {
        text.push_str(&format!("    {}\n", one_line(failure)));
    }
    text.push_str(&format!("  prints the score as {} does   {}\n", done.log, yes(done.prints_the_metric)));
    let mut list = |title: &str, lines: &[dress::Line]| {
        if !lines.is_empty() {
            text.push_str(&format!("  {title}\n"));
            lines
                .iter()
                .for_each(|line| text.push_str(&format!("    {}:{}: {}\n", line.log, line.line, one_line(&line.text))));
        }
    };
    list("lines that no print of the script can make (LOG_LINE_NOT_OF_SCRIPT)", &done.of_no_print);
    list("kinds of lines that the rehearsal did not print", &done.not_printed);
    list("kinds of lines that come in another order", &done.reordered);
    if !done.settings_not_logged.is_empty() {
        text.push_str(&format!("  settings that the rehearsal did not log: {}\n", done.settings_not_logged.join(", ")));
    }
    let pen = terminal::pen();
    let verdict = if done.passed { pen.good("rehearsed") } else { pen.alarm("not as the folder says") };
    text.push_str(&format!("{verdict}; speed, memory, real numerics and the score itself a rehearsal cannot show\n"));
    text
}
