//! Facts with their places: the facts of a log, a JSON file or a README, each with its line.

use serde::Serialize;

/// One of a run's two logs: a separate evaluation has a log of its own beside that of the training.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Log {
    /// [`RunLog::log`](crate::RunLog::log).
    #[default]
    Own,
    /// [`RunLog::score_log`](crate::RunLog::score_log).
    Score,
}

/// A line of one of a run's two logs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct LogLine {
    pub log: Log,
    /// 1-based.
    pub line: u64,
}

/// A value of a run's log with the line that states it; of several such lines, the one that counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Logged<T> {
    pub value: T,
    /// 1-based line; of a value that is derived from several lines, the last of them.
    pub line: u64,
    pub log: Log,
}

impl<T> Logged<T> {
    /// A value that line `line` of the run's own log states.
    pub fn new(value: T, line: u64) -> Logged<T> {
        Logged { value, line, log: Log::Own }
    }

    /// Returns another value that is read from the same line.
    pub fn map<U>(self, of: impl FnOnce(T) -> U) -> Logged<U> {
        Logged { value: of(self.value), line: self.line, log: self.log }
    }

    /// Returns the same fact for a run whose score is in this log and whose training is in another.
    pub(crate) fn in_score_log(self) -> Logged<T> {
        Logged { log: Log::Score, ..self }
    }
}

/// The value of a fact that a log may leave unstated.
pub trait Fact {
    type Value;

    /// The value alone.
    fn value(&self) -> Option<Self::Value>
    where
        Self::Value: Copy;

    /// The text alone.
    fn text(&self) -> Option<&str>
    where
        Self::Value: AsRef<str>;
}

impl<T> Fact for Option<Logged<T>> {
    type Value = T;

    fn value(&self) -> Option<T>
    where
        T: Copy,
    {
        self.as_ref().map(|fact| fact.value)
    }

    fn text(&self) -> Option<&str>
    where
        T: AsRef<str>,
    {
        self.as_ref().map(|fact| fact.value.as_ref())
    }
}

/// A fact on a line of a run's log. `None` where no log states it.
pub trait InLog {
    fn log_line(&self) -> Option<LogLine>;
}

impl InLog for LogLine {
    fn log_line(&self) -> Option<LogLine> {
        Some(*self)
    }
}

impl<T> InLog for Logged<T> {
    fn log_line(&self) -> Option<LogLine> {
        Some(LogLine { log: self.log, line: self.line })
    }
}

impl<F: InLog> InLog for Option<F> {
    fn log_line(&self) -> Option<LogLine> {
        self.as_ref().and_then(InLog::log_line)
    }
}

impl<F: InLog> InLog for &F {
    fn log_line(&self) -> Option<LogLine> {
        F::log_line(self)
    }
}

/// A value of submission.json, ledgers.json or README.md with its line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Lined<T> {
    pub value: T,
    /// 1-based.
    pub line: u64,
}

impl<T> Lined<T> {
    pub fn new(value: T, line: u64) -> Lined<T> {
        Lined { value, line }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fact_keeps_its_line_through_what_is_read_from_it() {
        let bytes = Logged::new(15_863_489_u64, 20);
        assert_eq!(bytes.map(|bytes| bytes as f64).log_line(), Some(LogLine { log: Log::Own, line: 20 }));
        assert_eq!(bytes.in_score_log().map(Some).log, Log::Score);
        assert_eq!((Some(bytes).value(), Some(bytes).log_line()), (Some(15_863_489), bytes.log_line()));
        let name = Some(Logged::new("int6+zstd".to_owned(), 3));
        assert_eq!((name.text(), name.log_line().map(|place| place.line)), (Some("int6+zstd"), Some(3)));
        let unstated: Option<Logged<u64>> = None;
        assert_eq!((unstated.value(), unstated.log_line()), (None, None));
    }
}
