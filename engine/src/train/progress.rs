//! The position of the training loop, in memory and in a checkpoint's metadata.

use std::collections::BTreeMap;
use std::path::Path;
use std::str::FromStr;
use std::time::Instant;

use crate::{Error, Result};

/// Everything but tensors that a checkpoint restores.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct TrainProgress {
    pub step: i64,
    /// Milliseconds on the training clock.
    pub train_time_ms: f64,
    /// The loader's position, in its own terms.
    pub loader: Vec<u64>,
    /// True once layers run several times.
    pub looping: bool,
    /// True once gradients are taken at rounded matrices.
    pub qat: bool,
    /// True once the clock has reached its cap: no further step is taken, even after an interruption.
    pub capped: bool,
}

/// Returns the milliseconds since `since` on the host's clock. A GPU may lag behind it by a few steps.
pub fn ms(since: Instant) -> f64 {
    since.elapsed().as_secs_f64() * 1000.0
}

impl TrainProgress {
    /// Adds itself to a checkpoint's metadata.
    pub fn write(&self, metadata: &mut BTreeMap<String, String>) {
        let loader: Vec<String> = self.loader.iter().map(u64::to_string).collect();
        for (key, value) in [
            ("step", self.step.to_string()),
            ("train_time_ms", self.train_time_ms.to_string()),
            ("loader", loader.join(",")),
            ("looping", self.looping.to_string()),
            ("qat", self.qat.to_string()),
            ("capped", self.capped.to_string()),
        ] {
            metadata.insert(key.to_owned(), value);
        }
    }

    /// Reads what [`TrainProgress::write`] wrote into the file `path`.
    pub fn read(metadata: &BTreeMap<String, String>, path: &Path) -> Result<TrainProgress> {
        let unusable = |key: &str| {
            Error::format(path, format!("its metadata has no usable `{key}`; delete the file to start over"))
        };
        fn field<T: FromStr>(metadata: &BTreeMap<String, String>, key: &str) -> Option<T> {
            metadata.get(key)?.parse().ok()
        }
        let loader = metadata.get("loader").ok_or_else(|| unusable("loader"))?;
        let loader: std::result::Result<Vec<u64>, _> = loader.split(',').map(str::parse).collect();
        Ok(TrainProgress {
            step: field(metadata, "step").ok_or_else(|| unusable("step"))?,
            train_time_ms: field(metadata, "train_time_ms").ok_or_else(|| unusable("train_time_ms"))?,
            loader: loader.map_err(|_| unusable("loader"))?,
            looping: field(metadata, "looping").ok_or_else(|| unusable("looping"))?,
            qat: field(metadata, "qat").ok_or_else(|| unusable("qat"))?,
            capped: field(metadata, "capped").ok_or_else(|| unusable("capped"))?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_written_is_read_back_and_a_lack_is_named() {
        let progress = TrainProgress {
            step: 7,
            train_time_ms: 12.5,
            loader: vec![1, 900],
            looping: true,
            qat: false,
            capped: true,
        };
        let mut metadata = BTreeMap::new();
        progress.write(&mut metadata);
        let path = Path::new("training_state.safetensors");
        assert_eq!(TrainProgress::read(&metadata, path).unwrap(), progress);
        for key in ["step", "train_time_ms", "loader", "looping", "qat", "capped"] {
            let mut spoilt = metadata.clone();
            spoilt.insert(key.to_owned(), "x".to_owned());
            let error = TrainProgress::read(&spoilt, path).unwrap_err().to_string();
            assert!(error.contains(&format!("no usable `{key}`")), "{error}");
        }
    }
}
