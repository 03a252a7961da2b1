//! The sizes in bytes that a log states.

use super::Parser;
use super::words::{labelled_bytes, ratio, value, whole};
use crate::logged::Fact;

impl Parser {
    /// Reads any line about sizes; returns false when the line is not one.
    pub(super) fn size(&mut self, line: &str) -> bool {
        // Some scripts begin these lines in lower case.
        let named = |upper: &str, lower: &str| line.strip_prefix(upper).or_else(|| line.strip_prefix(lower));
        if let Some(rest) = named("Serialized model", "serialized model") {
            self.serialized(rest);
        } else if let Some(rest) = named("Code size", "code size") {
            self.code_size(rest);
        } else if let Some(rest) = named("Total submission size", "total submission size") {
            self.total_size(rest);
        } else if let Some((label, rest)) = line.strip_prefix("Total ").and_then(|rest| rest.split_once(" submission:"))
        {
            // `Total mixed submission: 15781176 bytes (FITS 16MB)`, after a size in another format.
            if let Some((_, bytes)) = labelled_bytes(&format!(":{rest}")) {
                self.total(Some(label), bytes);
            }
        } else if line.starts_with("budget:") || line.starts_with("artifact:") {
            self.budget(line);
        } else if line.starts_with("Raw model: ") || line.contains(" model: ") && line.contains(" | Total submission: ")
        {
            self.piped_sizes(line);
        } else if line.starts_with("model:") {
            return self.sizes_in_words(line);
        } else if let Some(rest) = line.strip_prefix("serialized_model_") {
            self.mlx_model(rest);
        } else {
            return false;
        }
        true
    }

    /// Reads `model:13926222 code:73961 total:14000183 (14.00 MB)`.
    fn sizes_in_words(&mut self, line: &str) -> bool {
        let stated = |key| whole(line, key);
        let (Some(model), Some(code), Some(total)) = (stated("model:"), stated("code:"), stated("total:")) else {
            return false;
        };
        self.current.after_training = true;
        self.current.run.bytes_model = self.stated(model);
        self.code(code);
        self.total(None, total);
        true
    }

    /// Reads the MLX script's `int8_zlib:9354004 bytes (payload:…)`.
    fn mlx_model(&mut self, rest: &str) {
        let Some((label, rest)) = rest.split_once(':') else { return };
        let bytes = rest.split_once(" bytes").and_then(|(bytes, _)| bytes.parse().ok());
        if let Some(bytes) = bytes {
            self.current.after_training = true;
            self.model(label, bytes);
        }
    }

    fn model(&mut self, label: &str, bytes: u64) {
        self.current.run.bytes_model = self.stated(bytes);
        self.current.run.bytes_model_label = self.here(label.to_owned());
    }

    fn code(&mut self, bytes: u64) {
        self.current.run.bytes_code = self.stated(bytes);
    }

    fn total(&mut self, label: Option<&str>, bytes: u64) {
        self.current.run.bytes_total = self.stated(bytes);
        self.current.run.bytes_total_label = self.here(label.map(str::to_owned));
        self.current.sized_at = self.stamp.or(self.current.sized_at);
    }

    /// Reads `: 67224983 bytes` (raw, not counted) or ` int8+zlib: 15815847 bytes (…)`.
    fn serialized(&mut self, rest: &str) {
        let Some((label, bytes)) = labelled_bytes(rest) else { return };
        self.current.after_training = true;
        if !label.is_empty() {
            self.model(label, bytes);
        }
    }

    fn code_size(&mut self, rest: &str) {
        let Some((label, bytes)) = labelled_bytes(rest) else { return };
        if label == "(uncompressed)" {
            self.current.run.bytes_code_uncompressed = self.stated(bytes);
        } else {
            self.code(bytes);
        }
    }

    fn total_size(&mut self, rest: &str) {
        let Some((label, bytes)) = labelled_bytes(rest) else { return };
        if label.is_empty() {
            self.current.bare_total = self.stated(bytes);
        } else {
            self.total(Some(label), bytes);
        }
    }

    /// Reads family C's `budget:15993853/16000000 (…) FITS` and `artifact:15.92MB ternary:N(14239486B) fp:N(2537376B)
    /// code:70853`. The bytes in parentheses are those before compression and not counted; the model is the total less
    /// the code.
    fn budget(&mut self, line: &str) {
        self.current.after_training = true;
        if let Some((total, _)) = value(line, "budget:").and_then(ratio) {
            self.total(None, total);
            let run = &self.current.run;
            if let (Some(code), None) = (run.bytes_code.value(), run.bytes_model) {
                self.current.run.bytes_model = self.stated(total.checked_sub(code));
            }
        }
        if let Some(code) = whole(line, "code:") {
            self.code(code);
        }
    }

    /// Reads LegendreGPT's `Raw model: … | Code: 70969 bytes | …` and `INT7+zlib model: 15370972 bytes | Total
    /// submission: 15441941 bytes`.
    fn piped_sizes(&mut self, line: &str) {
        for part in line.split(" | ") {
            let Some((label, bytes)) = labelled_bytes(part) else { continue };
            match label {
                "Code" => self.code(bytes),
                "Total submission" => self.total(None, bytes),
                "Raw model" => {}
                _ => match label.strip_suffix(" model") {
                    Some(format) => self.model(format, bytes),
                    None => continue,
                },
            }
            self.current.after_training = true;
        }
    }

    /// Reads `INT4+fp8+brotli: 15.67MB model + 0.077MB code = 15.75/16.00MB FITS`, the only size in such a log.
    pub(super) fn megabytes(&mut self, line: &str) -> bool {
        let stated = line.contains("MB model + ") && line.contains("MB code = ");
        if stated {
            self.current.run.megabytes = self.stated(line.trim().to_owned());
            self.current.after_training = true;
        }
        stated
    }
}
