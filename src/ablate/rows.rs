//! What a table says to a reader, shared by the terminal and Markdown: cells, and the sentences below them.

use super::plan::REFERENCE;
use super::study::Equality;
use super::subject::SubjectKind;
use super::table::{AblationTable, VariantRow};
use caddie_files::text::{counted, one_line, thousands};

/// The text for a number that is not there.
pub(super) const NONE: &str = "–";

/// Names of the columns. The first is text, the others are numbers.
pub(super) fn head(table: &AblationTable) -> Vec<String> {
    let interval = format!("{:.0} % interval", 100.0 * table.confidence);
    let names = ["variant", "val_bpb", "Δ", &interval, "bytes", "headroom", "tokens/s", "train s", "eval s"];
    names.map(str::to_owned).into()
}

/// The cells of a variant, without its name.
pub(super) fn cells(row: &VariantRow) -> [String; 8] {
    let seconds = |value: Option<f64>| value.map_or(NONE.to_owned(), |seconds| format!("{seconds:.1}"));
    let delta = row.difference.as_ref();
    [
        row.val_bpb.map_or(NONE.to_owned(), |bpb| match bpb.std {
            Some(std) => format!("{:.5} ± {std:.5}", bpb.mean),
            None => format!("{:.5}", bpb.mean),
        }),
        delta.map_or(NONE.to_owned(), |delta| signed(delta.mean)),
        interval(row).unwrap_or_else(|| NONE.to_owned()),
        row.bytes_total_max.map_or(NONE.to_owned(), thousands),
        row.headroom.map_or(NONE.to_owned(), thousands),
        row.tokens_per_second.map_or(NONE.to_owned(), |speed| thousands(speed.round() as i128)),
        seconds(row.train_seconds),
        seconds(row.eval_seconds),
    ]
}

/// `[−0.00435, −0.00120]`.
pub(super) fn interval(row: &VariantRow) -> Option<String> {
    let delta = row.difference.as_ref()?;
    Some(format!("[{}, {}]", signed(delta.low?), signed(delta.high?)))
}

/// A difference with its sign, at the five decimals of the table.
pub(super) fn signed(value: f64) -> String {
    let text = format!("{value:+.5}");
    // A difference that rounds to nothing has no sign.
    if text.trim_start_matches(['+', '-']).parse() == Ok(0.0) { "0.00000".to_owned() } else { text.replace('-', "−") }
}

/// The sentences below the table. `name` writes the name of a variant or setting.
pub(super) fn notes(table: &AblationTable, name: impl Fn(&str) -> String) -> Vec<String> {
    let mut notes = vec![about(table, &name), reading(table)];
    notes.extend(equality(table, &name));
    if table.subject.kind == SubjectKind::Rehearsal {
        notes.push(
            "These are rehearsals on a CPU at toy size: they show that a variant runs and that a setting takes effect; their scores, \
             sizes and times say nothing of a real run."
                .to_owned(),
        );
    }
    for row in &table.variants {
        let finished = row.trials.iter().filter(|trial| trial.numbers.is_some()).count();
        if finished > 0 && finished < row.trials.len() {
            notes.push(format!("{}: {finished} of {} finished.", name(&row.name), counted(row.trials.len(), "seed")));
        }
    }
    for row in table.without_effect() {
        notes.push(format!(
            "{}: its scores are the reference's to the last digit, so that what was changed has no effect on them.",
            name(&row.name)
        ));
    }
    notes.extend(metrics(table, &name));
    notes
}

fn about(table: &AblationTable, name: &impl Fn(&str) -> String) -> String {
    let kind = match table.subject.kind {
        SubjectKind::Recipe => "recipe",
        SubjectKind::Script => "script",
        SubjectKind::Rehearsal => "rehearsed script",
    };
    let settings: Vec<String> = table.subject.settings.iter().map(|choice| name(&choice.to_string())).collect();
    let with = if settings.is_empty() { String::new() } else { format!(" with {}", settings.join(", ")) };
    let seeds: Vec<String> = table.seeds.iter().map(u64::to_string).collect();
    let plan = match (table.ladder, table.grid) {
        (true, _) => "each row adds to the row above",
        (false, true) => "every combination",
        (false, false) => "one change at a time",
    };
    format!("{}: {kind} {}{with}; {plan}; seeds {}.", capital(REFERENCE), name(&table.subject.name), seeds.join(", "))
}

fn reading(table: &AblationTable) -> String {
    let comparisons = table.variants.len().saturating_sub(1);
    let other = if table.ladder { "the row above" } else { REFERENCE };
    format!(
        "val_bpb: mean ± sample standard deviation. Δ: variant minus {other} with the same seed, bits per byte; below 0 is better. \
         The interval of the mean Δ is Student's over the paired differences, at {:.0} %, uncorrected for {}. bytes: code and model of \
         the largest seed, of {}; times: means of the logs' clocks.",
        100.0 * table.confidence,
        counted(comparisons, "comparison"),
        thousands(table.limit_bytes)
    )
}

fn equality(table: &AblationTable, name: &impl Fn(&str) -> String) -> Vec<String> {
    match table.equal {
        None => Vec::new(),
        Some(Equality::Time) => {
            vec!["Equal time: the training clock alone ends a training, whatever its steps.".to_owned()]
        }
        Some(Equality::Steps) => vec!["Equal steps: no clock ends a training.".to_owned()],
        Some(Equality::Bytes) => {
            let knob = table.knob.as_deref().unwrap_or_default();
            let first = table.seeds.first().map(u64::to_string).unwrap_or_default();
            let said = format!(
                "Equal bytes: {} is turned until the artifact of seed {first} is within 0.1 % of the reference's.",
                name(knob)
            );
            let size = |row: &VariantRow| row.trials.first()?.numbers.as_ref()?.bytes_total.map(|bytes| bytes as f64);
            let target = table.variants.first().and_then(size);
            let rows = table.variants.iter().skip(1).filter_map(|row| {
                let equal = row.equal_bytes?;
                let set = row.knob.as_ref().map_or("unchanged".to_owned(), |knob| name(&knob.to_string()));
                let off = size(row).zip(target).map_or(String::new(), |(own, target)| {
                    format!(", {} %", format!("{:+.2}", 100.0 * (own / target - 1.0)).replace('-', "−"))
                });
                let missed = if equal { "" } else { ": no value comes nearer, so that sizes differ here" };
                Some(format!("{}: {set}{off}{missed}.", name(&row.name)))
            });
            std::iter::once(said).chain(rows).collect()
        }
    }
}

/// Rows that are scored in another way than the reference.
fn metrics(table: &AblationTable, name: &impl Fn(&str) -> String) -> Vec<String> {
    let metric = |row: &VariantRow| row.trials.iter().find_map(|trial| trial.numbers.as_ref()?.metric.clone());
    let Some(own) = table.variants.first().and_then(metric) else { return Vec::new() };
    let other = |row: &VariantRow| {
        let metric = metric(row).filter(|metric| *metric != own)?;
        Some(format!("{}: scored by {}, the reference by {}.", name(&row.name), one_line(&metric), one_line(&own)))
    };
    table.variants.iter().filter_map(other).collect()
}

fn capital(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map(|first| first.to_ascii_uppercase()).into_iter().chain(letters).collect()
}
