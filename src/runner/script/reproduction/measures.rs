//! The numbers of a run that a reproduction compares.

use serde::Serialize;

use caddie_folder::{Fact as _, RunLog};

/// The numbers of one run, as its log states them.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Measures {
    /// Name of the metric line that gives the score.
    pub metric: Option<String>,
    pub val_bpb: Option<f64>,
    /// Nats per token.
    pub val_loss: Option<f64>,
    pub steps: Option<u64>,
    pub train_seconds: Option<f64>,
    pub eval_seconds: Option<f64>,
    /// Model and code, decimal bytes.
    pub bytes_total: Option<u64>,
    pub bytes_model: Option<u64>,
    pub bytes_code: Option<u64>,
}

/// Found less claimed; `None` where one of them does not state the number.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct MeasureDifference {
    pub val_bpb: Option<f64>,
    pub val_loss: Option<f64>,
    pub steps: Option<i64>,
    pub train_seconds: Option<f64>,
    pub eval_seconds: Option<f64>,
    pub bytes_total: Option<i64>,
    pub bytes_model: Option<i64>,
    pub bytes_code: Option<i64>,
}

impl Measures {
    /// Reads the numbers of a run; the score is that of the line called `metric`, where the log has one, else the
    /// official one.
    pub fn of(run: &RunLog, metric: Option<&str>) -> Measures {
        let named = metric.and_then(|name| run.metric_lines.iter().rev().find(|line| line.name == name));
        Measures {
            metric: named.map(|line| line.name.clone()).or_else(|| run.metric.text().map(str::to_owned)),
            val_bpb: named.map(|line| line.val_bpb).or_else(|| run.val_bpb.value()),
            val_loss: named.map_or_else(|| run.val_loss.value(), |line| line.val_loss),
            steps: run.steps.value(),
            train_seconds: run.train_seconds.value(),
            eval_seconds: named.and_then(|line| line.eval_seconds).or_else(|| run.eval_seconds.value()),
            bytes_total: run.bytes_total.value(),
            bytes_model: run.bytes_model.value(),
            bytes_code: run.bytes_code.value(),
        }
    }

    /// Returns these numbers less the other ones.
    pub fn less(&self, other: &Measures) -> MeasureDifference {
        let float = |a: Option<f64>, b: Option<f64>| Some(a? - b?);
        let whole = |a: Option<u64>, b: Option<u64>| i64::try_from(a?).ok()?.checked_sub(i64::try_from(b?).ok()?);
        MeasureDifference {
            val_bpb: float(self.val_bpb, other.val_bpb),
            val_loss: float(self.val_loss, other.val_loss),
            steps: whole(self.steps, other.steps),
            train_seconds: float(self.train_seconds, other.train_seconds),
            eval_seconds: float(self.eval_seconds, other.eval_seconds),
            bytes_total: whole(self.bytes_total, other.bytes_total),
            bytes_model: whole(self.bytes_model, other.bytes_model),
            bytes_code: whole(self.bytes_code, other.bytes_code),
        }
    }

    /// Says so where the score is that of another metric than the claimed one.
    pub fn other_metric_than(&self, claimed: &Measures) -> Option<String> {
        let (ours, theirs) = (self.metric.as_deref()?, claimed.metric.as_deref()?);
        (ours != theirs).then(|| format!("the claimed score is of {theirs}, and the run here prints only {ours}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use caddie_folder::{Logged, MetricLine, read_log};

    #[test]
    fn the_claimed_metric_is_compared_where_the_run_prints_it() {
        let dir = tempfile::tempdir().unwrap();
        let path = camino::Utf8Path::from_path(dir.path()).unwrap().join("log.txt");
        let text = "seed:1\nstep:20/20 val_loss:2.0 val_bpb:1.2 train_time:100ms\n\
                    final_int8_zlib_roundtrip_exact val_loss:2.10000000 val_bpb:1.25000000\n\
                    final_int8_ttt_lora_exact val_loss:2.00000000 val_bpb:1.20000000\n";
        std::fs::write(&path, text).unwrap();
        let run = read_log(&path).unwrap();
        assert_eq!(Measures::of(&run, None).val_bpb, Some(1.2));
        let claimed = Measures::of(&run, Some("final_int8_zlib_roundtrip_exact"));
        assert_eq!((claimed.val_bpb, claimed.steps), (Some(1.25), Some(20)));
        let less = claimed.less(&Measures { steps: Some(22), ..Measures::default() });
        assert_eq!((less.steps, less.val_bpb), (Some(-2), None));
        let lines: &Vec<MetricLine> = &run.metric_lines;
        assert!(lines.len() >= 2 && run.val_bpb == Some(Logged::new(1.2, 4)));
    }
}
