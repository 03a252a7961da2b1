//! A table as comma-separated values (RFC 4180): one line a variant. The trials are in the JSON.

use super::table::AblationTable;

const HEAD: &str = "variant,seeds,failed,val_bpb_mean,val_bpb_std,delta_mean,delta_low,delta_high,bytes_total_mean,bytes_total_max,\
                    headroom,tokens_per_second,train_seconds,eval_seconds,knob";

/// Writes the table. A number that is not there is an empty field.
pub fn write(table: &AblationTable) -> String {
    let number = |value: Option<f64>| value.map_or(String::new(), |value| value.to_string());
    let mut lines = vec![HEAD.to_owned()];
    for row in &table.variants {
        let (bpb, delta) = (row.val_bpb, row.difference.as_ref());
        let failed = row.trials.iter().filter(|trial| trial.failure.is_some()).count();
        let fields = [
            field(&row.name),
            bpb.map_or(0, |bpb| bpb.seeds).to_string(),
            failed.to_string(),
            number(bpb.map(|bpb| bpb.mean)),
            number(bpb.and_then(|bpb| bpb.std)),
            number(delta.map(|delta| delta.mean)),
            number(delta.and_then(|delta| delta.low)),
            number(delta.and_then(|delta| delta.high)),
            number(row.bytes_total),
            row.bytes_total_max.map_or(String::new(), |bytes| bytes.to_string()),
            row.headroom.map_or(String::new(), |bytes| bytes.to_string()),
            number(row.tokens_per_second),
            number(row.train_seconds),
            number(row.eval_seconds),
            row.knob.as_ref().map_or(String::new(), |knob| field(&knob.to_string())),
        ];
        lines.push(fields.join(","));
    }
    lines.join("\r\n") + "\r\n"
}

fn field(text: &str) -> String {
    let plain = !text.contains([',', '"', '\r', '\n']);
    if plain { text.to_owned() } else { format!("\"{}\"", text.replace('"', "\"\"")) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ablate::table::tests::example;

    #[test]
    fn every_line_has_every_field() {
        let text = write(&example());
        assert!(text.starts_with("variant,seeds,"));
        assert_eq!(text.lines().count(), example().variants.len() + 1);
        for line in text.lines().filter(|line| !line.contains('"')) {
            assert_eq!(line.matches(',').count(), HEAD.matches(',').count(), "{line}");
        }
        assert!(text.contains("\"a|b=<x> & \u{202e}\"\"y\"\"\","), "{text}");
        assert!(text.contains("\r\nbroken=1,1,2,1.66,,"), "{text}");
    }
}
