//! Words of programs and of lines.

/// Shorter parts of a word are found by chance.
const SHORTEST: usize = 2;

/// Returns the parts of the words of a text, in small letters: `ttt` and `epoch` of `ttt_epoch:1/3`.
pub fn of(text: &str) -> impl Iterator<Item = String> {
    let parts = text.split(|c: char| !c.is_alphabetic());
    parts.filter(|part| part.len() >= SHORTEST).map(str::to_lowercase)
}

/// Returns the parts of the words of a line that name its values: those before a colon or an equals sign.
pub fn names(line: &str) -> impl Iterator<Item = String> {
    let named = line.match_indices([':', '=']).flat_map(|(at, _)| {
        let before = line.get(..at).unwrap_or_default();
        let word = before.rsplit(|c: char| !(c.is_alphanumeric() || c == '_')).next().unwrap_or_default();
        of(word).collect::<Vec<_>>()
    });
    named.collect::<Vec<_>>().into_iter()
}
