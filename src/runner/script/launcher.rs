//! The command line that starts a script.

use std::path::PathBuf;

use camino::{Utf8Path, Utf8PathBuf};

use caddie_files::{Error, Result};

/// The program that starts a script.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Launcher {
    /// `torchrun --standalone --nproc_per_node=N SCRIPT`, as the challenge's README starts it.
    Torchrun,
    /// `python3 SCRIPT`, in one process.
    Python,
    /// Words of a command, with `{script}`, and `{nproc}` and `{seed}` where it wants them.
    Custom(Vec<String>),
}

impl Launcher {
    /// `--launcher`: `torchrun`, `python`, or a command with `{script}`.
    ///
    /// # Errors
    /// When it is neither, or a quote is not closed.
    pub fn parse(text: &str) -> std::result::Result<Launcher, String> {
        match text.trim() {
            "torchrun" => Ok(Launcher::Torchrun),
            "python" => Ok(Launcher::Python),
            custom => {
                let words = words(custom)?;
                if !words.iter().any(|word| word.contains("{script}")) {
                    return Err("write torchrun, python, or a command with {script} in it".to_owned());
                }
                Ok(Launcher::Custom(words))
            }
        }
    }

    /// This Python alone, or with torch's own launcher where there are several processes.
    pub fn of_python(python: &Utf8Path, several: bool) -> Launcher {
        let torch = ["-m", "torch.distributed.run", "--standalone", "--nproc_per_node={nproc}"];
        let between = torch.iter().filter(|_| several).copied();
        let words = std::iter::once(python.as_str()).chain(between).chain(["{script}"]);
        Launcher::Custom(words.map(str::to_owned).collect())
    }

    /// The one that was asked for, else torchrun where it is on PATH, else Python.
    pub fn or_found(given: Option<&Launcher>) -> Launcher {
        given
            .cloned()
            .unwrap_or_else(|| if on_path("torchrun").is_some() { Launcher::Torchrun } else { Launcher::Python })
    }

    /// The number of processes: as asked for, else one for each GPU, and one where the launcher starts no more.
    pub fn processes(&self, asked: Option<u32>, gpus: usize) -> u32 {
        let of_gpus = || if matches!(self, Launcher::Python) { 1 } else { u32::try_from(gpus).unwrap_or(1).max(1) };
        asked.unwrap_or_else(of_gpus)
    }

    /// The command that runs `script` in `nproc` processes.
    ///
    /// # Errors
    /// When the launcher is not installed, or starts one process only and `nproc` is more.
    pub fn command(&self, script: &Utf8Path, nproc: u32, seed: u64) -> Result<Vec<String>> {
        match self {
            Launcher::Torchrun => {
                let torchrun = on_path("torchrun").ok_or_else(|| {
                    Error::Usage("torchrun is not on PATH; activate the environment that has torch".to_owned())
                })?;
                let nproc = format!("--nproc_per_node={nproc}");
                Ok([torchrun.as_str(), "--standalone", &nproc, script.as_str()].map(str::to_owned).into())
            }
            Launcher::Python if nproc > 1 => Err(Error::Usage(format!(
                "--nproc {nproc}: python starts one process; put torchrun on PATH, or pass --launcher \"… {{script}}\""
            ))),
            Launcher::Python => Ok(vec![python()?.into_string(), script.to_string()]),
            Launcher::Custom(words) => {
                let (nproc, seed) = (nproc.to_string(), seed.to_string());
                let filled = words.iter().map(|word| {
                    word.replace("{script}", script.as_str()).replace("{nproc}", &nproc).replace("{seed}", &seed)
                });
                Ok(filled.collect())
            }
        }
    }

    /// The Python that the launcher uses, where that can be told: torchrun's is the one that lies beside it.
    pub fn interpreter(&self) -> Option<Utf8PathBuf> {
        let beside = || {
            let folder = on_path("torchrun")?.parent()?.to_owned();
            ["python3", "python"].iter().map(|name| folder.join(name)).find(|path| path.is_file())
        };
        match self {
            Launcher::Torchrun => beside().or_else(|| python().ok()),
            Launcher::Python => python().ok(),
            Launcher::Custom(words) => {
                let named =
                    words.iter().find(|word| word.rsplit('/').next().is_some_and(|name| name.starts_with("python")))?;
                if named.contains('/') { Some(Utf8PathBuf::from(named)) } else { on_path(named) }
            }
        }
    }
}

impl std::fmt::Display for Launcher {
    /// The text that [`Launcher::parse`] reads.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Launcher::Torchrun => f.write_str("torchrun"),
            Launcher::Python => f.write_str("python"),
            Launcher::Custom(words) => {
                let quoted = words.iter().map(|word| format!("'{}'", word.replace('\'', "'\"'\"'")));
                f.write_str(&quoted.collect::<Vec<_>>().join(" "))
            }
        }
    }
}

/// The command as a reader types it inside the folder: programs by their names, the script as it ships.
pub fn shown(command: &[String], script: &Utf8Path) -> String {
    let word = |(index, word): (usize, &String)| {
        let word = word.replace(script.as_str(), "train_gpt.py");
        let name = if index == 0 { word.rsplit('/').next().unwrap_or_default().to_owned() } else { word };
        if name.contains([' ', '"', '\'', '$']) { format!("'{}'", name.replace('\'', "'\\''")) } else { name }
    };
    command.iter().enumerate().map(word).collect::<Vec<_>>().join(" ")
}

fn python() -> Result<Utf8PathBuf> {
    on_path("python3")
        .or_else(|| on_path("python"))
        .ok_or_else(|| Error::Usage("neither torchrun nor python3 is on PATH; pass --launcher".to_owned()))
}

/// The program of that name that a shell would start.
pub fn on_path(name: &str) -> Option<Utf8PathBuf> {
    let folders = std::env::split_paths(&std::env::var_os("PATH")?).collect::<Vec<PathBuf>>();
    let found = folders.into_iter().filter(|folder| folder.is_absolute()).map(|folder| folder.join(name));
    found.filter(|path| is_program(path)).find_map(|path| Utf8PathBuf::from_path_buf(path).ok())
}

fn is_program(path: &std::path::Path) -> bool {
    let Ok(metadata) = path.metadata() else { return false };
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        metadata.is_file() && metadata.permissions().mode() & 0o111 != 0
    }
    #[cfg(not(unix))]
    metadata.is_file()
}

/// Words as a shell splits them, with single and double quotes and nothing else.
fn words(text: &str) -> std::result::Result<Vec<String>, String> {
    let (mut words, mut word, mut quote) = (Vec::new(), None::<String>, None);
    for c in text.chars() {
        match (quote, c) {
            (Some(open), c) if c == open => quote = None,
            (None, '"' | '\'') => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            (None, c) if c.is_whitespace() => words.extend(word.take()),
            (_, c) => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    if quote.is_some() { Err("a quote is not closed".to_owned()) } else { Ok(words) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_custom_launcher_is_split_as_a_shell_does_and_needs_the_script() {
        let launcher = Launcher::parse("srun -n {nproc} 'my python' {script} --seed={seed}").unwrap();
        let command = launcher.command(Utf8Path::new("/a b/train.py"), 8, 42).unwrap();
        assert_eq!(command, ["srun", "-n", "8", "my python", "/a b/train.py", "--seed=42"]);
        assert_eq!(shown(&command, Utf8Path::new("/a b/train.py")), "srun -n 8 'my python' train_gpt.py --seed=42");
        assert!(Launcher::parse("srun python").unwrap_err().contains("{script}"));
        assert!(Launcher::parse("srun 'x {script}").unwrap_err().contains("quote"));
    }

    #[test]
    fn a_launcher_is_written_as_it_is_read() {
        for text in ["torchrun", "python", "srun 'my python' \"it's\" {script} ''"] {
            let launcher = Launcher::parse(text).unwrap();
            assert_eq!(Launcher::parse(&launcher.to_string()), Ok(launcher));
        }
    }

    #[test]
    fn python_runs_one_process() {
        let refused = Launcher::Python.command(Utf8Path::new("x.py"), 8, 1).unwrap_err().to_string();
        assert!(refused.contains("--nproc 8"), "{refused}");
    }
}
