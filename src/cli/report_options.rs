//! Options for a report's format and destination, shared by every command with a report.

use std::fs::Permissions;
use std::io::{IsTerminal, Write};
use std::str::FromStr;

use camino::{Utf8Path, Utf8PathBuf};
use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};
use clap::{Args, ValueEnum};

use crate::report::{FORMATS, Format, Look, Report};
use caddie_files::{Error, Result};

/// Options of a report.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Report")]
pub struct ReportOptions {
    /// Format of the report
    #[arg(long, value_parser = formats(), default_value = "plain")]
    pub format: &'static Format,
    /// Write the report to a file instead of standard output
    #[arg(long, short, visible_alias = "out", value_name = "FILE")]
    pub output: Option<Utf8PathBuf>,
    /// Write a further report, e.g. sarif=caddie.sarif; may be repeated
    #[arg(long, value_name = "FORMAT=FILE")]
    pub report: Vec<FurtherReport>,
    /// Show every finding with its lines, and every run, size and test; without it, one folder is one screen and several
    /// are a table
    #[arg(long)]
    pub details: bool,
    /// Print one line per folder
    #[arg(long, short, conflicts_with = "details")]
    pub quiet: bool,
    /// Colors of plain output; NO_COLOR turns auto into never, CLICOLOR_FORCE into always
    #[arg(long, value_enum, default_value = "auto", value_name = "WHEN")]
    pub color: Color,
}

/// Returns the names of the formats, each with its readers.
fn formats() -> impl TypedValueParser<Value = &'static Format> {
    let value = |format: &&'static Format| PossibleValue::new(format.name).help(format.about.trim_end_matches('.'));
    PossibleValuesParser::new(FORMATS.iter().map(value))
        .try_map(|name| Format::named(&name).ok_or_else(|| format!("{name} is not a format")))
}

/// `FORMAT=FILE`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FurtherReport {
    pub format: &'static Format,
    pub file: Utf8PathBuf,
}

impl FromStr for FurtherReport {
    type Err = String;

    fn from_str(text: &str) -> std::result::Result<FurtherReport, String> {
        let (name, file) = text.split_once('=').ok_or("give FORMAT=FILE, for example sarif=caddie.sarif")?;
        let format = Format::named(name)
            .ok_or_else(|| format!("{name:?} is none of {}", Format::names().collect::<Vec<_>>().join(", ")))?;
        if file.is_empty() {
            return Err(format!("no file after {name}=, for example {name}=caddie.{}", format.extension));
        }
        Ok(FurtherReport { format, file: file.into() })
    }
}

/// The choice when to color.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Color {
    /// Color on a terminal, unless NO_COLOR is set.
    Auto,
    Always,
    Never,
}

impl Color {
    /// Tells whether output to a `terminal`, or to something else, is colored.
    pub fn wanted(self, terminal: bool) -> bool {
        match self {
            Color::Always => true,
            Color::Never => false,
            Color::Auto => {
                let set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
                let forced =
                    set("CLICOLOR_FORCE") && std::env::var_os("CLICOLOR_FORCE").is_some_and(|value| value != "0");
                !set("NO_COLOR") && (terminal || forced)
            }
        }
    }
}

impl ReportOptions {
    /// Opens every file before the work, so that a bad path fails at once.
    ///
    /// # Errors
    /// When a file cannot be created, or two reports would be written to one.
    pub fn open(&self) -> Result<Outputs> {
        let further = self.report.iter().map(|report| (report.format, &report.file));
        let files: Vec<(&'static Format, &Utf8PathBuf)> =
            self.output.iter().map(|file| (self.format, file)).chain(further).collect();
        for (index, (_, file)) in files.iter().enumerate() {
            if files.iter().take(index).any(|(_, other)| other == file) && !is_special(file) {
                return Err(Error::Usage(format!("{file}: two reports cannot be written to one file; name another")));
            }
        }
        let files = files.into_iter().map(|(format, file)| Ok((format, Target::open(file)?))).collect::<Result<_>>()?;
        let stdout = self.output.is_none().then(|| (self.format, self.look()));
        Ok(Outputs { stdout, files, look: self.look_of_files() })
    }

    /// Returns the look of plain output to standard output.
    fn look(&self) -> Look {
        let terminal = std::io::stdout().is_terminal();
        let width = || terminal_size::terminal_size_of(std::io::stdout()).map(|(width, _)| usize::from(width.0));
        Look {
            color: self.color.wanted(terminal),
            width: terminal.then(width).flatten().filter(|width| *width > 0),
            ..self.look_of_files()
        }
    }

    fn look_of_files(&self) -> Look {
        Look { color: self.color == Color::Always, quiet: self.quiet, details: self.details, width: None }
    }
}

/// The open destinations of the reports.
#[derive(Debug)]
pub struct Outputs {
    stdout: Option<(&'static Format, Look)>,
    files: Vec<(&'static Format, Target)>,
    look: Look,
}

impl Outputs {
    /// Tells whether one of the reports has figures, whose material is read only then.
    pub fn draw(&self) -> bool {
        let formats = self.files.iter().map(|(format, _)| *format).chain(self.stdout.map(|(format, _)| format));
        formats.into_iter().any(|format| format.name == "html")
    }

    /// Writes every report. The files come first, because a later step reads them.
    ///
    /// # Errors
    /// When a file or standard output cannot be written.
    pub fn write(self, report: &Report) -> Result<()> {
        for (format, target) in self.files {
            target.write(report.render(format, self.look).as_bytes())?;
        }
        match self.stdout {
            Some((format, look)) => super::print(&report.render(format, look)),
            None => Ok(()),
        }
    }
}

/// A file that has another name until it is complete, so that nobody reads half a report; a pipe or device is written
/// directly.
#[derive(Debug)]
enum Target {
    New { file: tempfile::NamedTempFile, path: Utf8PathBuf },
    Special { file: std::fs::File, path: Utf8PathBuf },
}

impl Target {
    fn open(path: &Utf8Path) -> Result<Target> {
        if path.is_dir() {
            return Err(Error::Usage(format!("{path}: a folder; name a file for the report")));
        }
        if is_special(path) {
            let file = std::fs::OpenOptions::new().write(true).open(path).map_err(Error::io(path, "opening"))?;
            return Ok(Target::Special { file, path: path.to_owned() });
        }
        let folder = path.parent().filter(|folder| !folder.as_str().is_empty()).unwrap_or(Utf8Path::new("."));
        if !folder.is_dir() {
            return Err(Error::Usage(format!("{path}: there is no folder {folder}; create it first")));
        }
        let mut builder = tempfile::Builder::new();
        builder.prefix(".caddie-report-");
        if let Some(permissions) = permissions() {
            builder.permissions(permissions);
        }
        let file = builder.tempfile_in(folder).map_err(Error::io(path, "creating"))?;
        Ok(Target::New { file, path: path.to_owned() })
    }

    fn write(self, bytes: &[u8]) -> Result<()> {
        match self {
            Target::New { mut file, path } => {
                file.write_all(bytes).and_then(|()| file.flush()).map_err(Error::io(&path, "writing"))?;
                file.persist(&path).map_err(|error| Error::io(&path, "writing")(error.error)).map(drop)
            }
            Target::Special { mut file, path } => {
                file.write_all(bytes).and_then(|()| file.flush()).map_err(Error::io(&path, "writing"))
            }
        }
    }
}

/// Tells whether the path is a link, pipe or device, such as /dev/stdout, which is written to and not replaced.
fn is_special(path: &Utf8Path) -> bool {
    std::fs::symlink_metadata(path).is_ok_and(|metadata| !metadata.is_file() && !metadata.is_dir())
}

/// Returns the permissions of any new file, before the umask; a temporary file is otherwise readable by its owner only.
#[cfg(unix)]
fn permissions() -> Option<Permissions> {
    Some(std::os::unix::fs::PermissionsExt::from_mode(0o666))
}

#[cfg(not(unix))]
fn permissions() -> Option<Permissions> {
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_further_report_names_its_format_and_file() {
        let report: FurtherReport = "junit=out/a=b.xml".parse().expect("parses");
        assert_eq!(
            report,
            FurtherReport { format: Format::named("junit").expect("a format"), file: "out/a=b.xml".into() }
        );
        for (text, reason) in [("x", "give FORMAT=FILE"), ("xml=a", "is none of plain, json"), ("json=", "no file")] {
            assert!(text.parse::<FurtherReport>().expect_err("refused").contains(reason), "{text}");
        }
    }
}
