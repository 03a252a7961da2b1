//! The figures of a folder's section.

use serde::Serialize;

use super::super::chart::{Bar, Estimate, Series, bars, budget, curves, interval};
use super::super::{Evaluations, Figures, FolderReport, Significance, facts};
use super::text;
use caddie_rulebook::stats::half_width;

/// Confidence of the drawn interval.
const CONFIDENCE: f64 = 0.95;
/// Most documents' columns of a histogram.
const COLUMNS: usize = 12;

/// The figures as SVG, empty where there is nothing to draw, each with a sentence on what it shows.
#[derive(Debug, Default, Serialize)]
pub(super) struct DrawnFigures {
    size: String,
    loss: String,
    validation: String,
    interval: String,
    interval_says: String,
    documents: Vec<(String, String)>,
    /// Rows of evaluations: run, name, bits per byte, and the gain over the one before it.
    evaluations: Vec<[String; 4]>,
}

pub(super) fn of(folder: &FolderReport, figures: Option<&Figures>) -> DrawnFigures {
    let bytes = facts::counted_bytes(&folder.size);
    let size = bytes.map(|bytes| budget("counted bytes against the limit", bytes, folder.size.limit).inline());
    let (interval, interval_says) = difference(folder).unwrap_or_default();
    let Some(figures) = figures else {
        return DrawnFigures { size: size.unwrap_or_default(), interval, interval_says, ..DrawnFigures::default() };
    };
    let drawn = |points: fn(&caddie_folder::Curve) -> &Vec<(u64, f64)>, title: &str, what: &str| {
        let series: Vec<Series> = figures
            .curves
            .iter()
            .map(|(name, curve)| Series { name: name.clone(), points: points(curve).clone(), dashed: false })
            .filter(|series| series.points.len() > 1)
            .collect();
        if series.is_empty() { String::new() } else { curves(title, what, &series).inline() }
    };
    DrawnFigures {
        size: size.unwrap_or_default(),
        loss: drawn(|curve| &curve.train_loss, "training loss of each seed", "training loss, nats per token"),
        validation: drawn(|curve| &curve.val_bpb, "validation on the way", "val_bpb of the weights in training"),
        interval,
        interval_says,
        documents: figures.documents.iter().map(|one| (text(&one.run), histogram(&one.nats))).collect(),
        evaluations: figures.evaluations.iter().flat_map(gains).collect(),
    }
}

/// Draws the difference to the record that stood, with the interval that the deciding test implies.
fn difference(folder: &FolderReport) -> Option<(String, String)> {
    let own = folder.significance.first()?.sample.as_str();
    let of_own = |test: &&Significance| test.sample == own && test.unit == "bpb";
    let test = folder.significance.iter().filter(of_own).find(|test| test.decides && test.p_value.is_some())?;
    let (mean, statistic, df) = (test.delta?, test.statistic?, test.df?);
    // The statistic is the distance from the margin in standard errors.
    let half = half_width((mean + test.margin) / statistic, df, CONFIDENCE)?;
    // The margin is asked for per token, and drawn where the log's own ratio makes it bits per byte.
    let asked = folder.significance.iter().find(|test| test.decides && test.margin > 0.0 && test.sample == own);
    let margin = asked.and_then(|asked| Some(asked.margin * mean / asked.delta.filter(|delta| *delta != 0.0)?));
    let margin = margin.filter(|margin| margin.is_finite() && *margin > 0.0);
    let estimate = Estimate { mean, low: mean - half, high: mean + half, margin };
    let baseline = text(&test.baseline_name);
    let says = format!(
        "Mean val_bpb of {} runs minus that of {baseline}, with the {:.0} % interval of the {} test; to the left is better.",
        test.n,
        100.0 * CONFIDENCE,
        test.test
    );
    Some((interval(&format!("difference to {baseline}"), &estimate).inline(), says))
}

/// Lists the evaluations of a run, each with its gain over the one before it.
fn gains(run: &Evaluations) -> Vec<[String; 4]> {
    let before = std::iter::once(None).chain(run.scores.iter().map(|(_, bpb)| Some(*bpb)));
    let rows = run.scores.iter().zip(before).enumerate().map(|(index, ((name, bpb), before))| {
        let name_of_run = if index == 0 { text(&run.run) } else { String::new() };
        let gain = before.map_or_else(String::new, |before| format!("{:+.5}", bpb - before).replace('-', "−"));
        [name_of_run, text(name), format!("{bpb:.5}"), gain]
    });
    rows.take(16).collect()
}

/// Draws how many documents have how many nats per token; the last column holds all that are harder.
fn histogram(nats: &[f64]) -> String {
    let mut sorted = nats.to_vec();
    sorted.sort_by(f64::total_cmp);
    // A few documents of a hundred nats would leave one column for all others.
    let at = |share: f64| sorted.get(((sorted.len() - 1) as f64 * share) as usize).copied().unwrap_or(0.0);
    let (low, high) = (at(0.0), at(0.99));
    let step = ((high - low) / COLUMNS as f64).max(1e-6);
    let mut counts = vec![0u64; COLUMNS];
    for value in &sorted {
        let column = (((value - low) / step) as usize).min(COLUMNS - 1);
        if let Some(count) = counts.get_mut(column) {
            *count += 1;
        }
    }
    let parts: Vec<Bar> = (0u32..)
        .zip(counts)
        .map(|(column, amount)| {
            let (from, to) = (low + step * f64::from(column), low + step * f64::from(column + 1));
            Bar { label: format!("{from:.2}–{to:.2}"), amount, share: amount as f64 / sorted.len().max(1) as f64 }
        })
        .filter(|bar| bar.amount > 0)
        .collect();
    bars("documents by nats per token", &parts).inline()
}
