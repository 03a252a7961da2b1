//! Lines of logs as texts: which of them state values, and which have one shape.

/// Words that only libraries and systems print in a line of their own making.
const ELSEWHERE: [&str; 9] =
    ["Warning", "warning:", "WARNING", "Error", "Exception", "deprecated", "NCCL WARN", "NCCL INFO", "nohup:"];

/// Tells whether a line names a number: `val_bpb:1.22`, `elapsed=12.5s`.
pub fn states_a_value(line: &str) -> bool {
    line.match_indices([':', '=']).any(|(at, _)| {
        let (before, after) = (&line[..at], &line[at + 1..]);
        let name = before.rsplit(|c: char| !(c.is_alphanumeric() || c == '_')).next().unwrap_or_default();
        let named = name.starts_with(|c: char| c.is_ascii_lowercase())
            && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_');
        // A table of a launcher's summary puts several blanks there.
        let after = after.strip_prefix(' ').unwrap_or(after).trim_start_matches(['+', '-']);
        named && after.starts_with(|c: char| c.is_ascii_digit())
    })
}

/// Tells whether a line looks like a script's own: tables, paths, prompts, dates and warnings come from elsewhere, and
/// indented lines list settings.
pub fn may_be_a_scripts(line: &str) -> bool {
    let first = line.split([' ', ':', '=']).next().unwrap_or_default();
    let is_word = first.starts_with(|c: char| c.is_ascii_lowercase())
        && first.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-+.".contains(&byte));
    is_word && !ELSEWHERE.iter().any(|word| line.contains(word))
}

/// Tells whether a line parts what different programs print: `---`, `=====`.
pub fn is_rule(line: &str) -> bool {
    line.len() >= 3 && line.bytes().all(|byte| b"-=*#~_+".contains(&byte))
}

/// Returns the line with its digits taken out, so that the steps of a run are of one shape. Digits behind a point are
/// counted, because a format says how many there are.
pub fn shape(line: &str) -> String {
    let mut shape = String::with_capacity(line.len());
    let (mut behind_point, mut last) = (false, ' ');
    for c in line.chars() {
        if !c.is_ascii_digit() {
            behind_point = c == '.' && last.is_ascii_digit();
            shape.push(c);
        } else if behind_point || !last.is_ascii_digit() {
            shape.push('0');
        }
        last = c;
    }
    shape
}

/// Returns the kind of a line that names values, whatever these are: its names in order. `None` for any other line.
pub fn kind(line: &str) -> Option<String> {
    let names = names(line);
    let is_word = |word: &&str| word.starts_with(|c: char| c.is_ascii_alphabetic());
    let own = names.first().is_some_and(is_word) && !ELSEWHERE.iter().any(|word| line.contains(word));
    (names.len() > 1 && own).then(|| names.join(" "))
}

/// Returns the names of a line: its first word, and every word before a colon or an equals sign.
pub fn names(line: &str) -> Vec<&str> {
    let is_break = |c: char| !(c.is_alphanumeric() || c == '_');
    let first = line.split([' ', ':', '=']).next().unwrap_or_default();
    let named = line.match_indices([':', '=']).map(|(at, _)| line[..at].rsplit(is_break).next().unwrap_or_default());
    std::iter::once(first).chain(named).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_measures_are_judged_and_others_are_not() {
        for line in ["ttt_epoch:1/3 loss=2.07", "step:1/20 train_loss:6.9", "swa:start step:5550"] {
            assert!(states_a_value(line) && may_be_a_scripts(line), "{line}");
        }
        for line in [
            "|   5  NVIDIA H100 80GB HBM3          On  |   00000000:AB:00.0 Off |                    0 |",
            "[W403 04:48:07.590131398 reducer.cpp:1431] Warning: find_unused_parameters=1",
            "/workspace/train_gpt.py:1507: FutureWarning: weights_only=0",
            "> torchrun --standalone --nproc_per_node=8 train_gpt.py",
            "  ttt_hash_embed_size: 0",
            "Wed Apr  1 11:14:42 2026",
            "Traceback: line=3",
            "artifact_bytes:   15540675",
        ] {
            assert!(!(states_a_value(line) && may_be_a_scripts(line)), "{line}");
        }
    }

    #[test]
    fn steps_are_of_one_shape_and_decimals_tell() {
        assert_eq!(shape("step:7/20 loss:6.91"), shape("step:13/20000 loss:16.91"));
        assert_ne!(shape("loss:6.91"), shape("loss:6.912"));
        assert_eq!(names("ttt:x rank:0 nn=0.5"), ["ttt", "ttt", "rank", "nn"]);
        assert_eq!(kind("step:7/20 loss:6.91"), kind("step:13/20000 loss:16.912"));
        assert_eq!(kind("host-0:871784:871848 [5] ibvwrap.c:94 NCCL WARN Call failed"), None);
    }
}
