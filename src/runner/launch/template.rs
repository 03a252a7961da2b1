//! Templates of jobs: caddie's own, or an edited one in the working folder's `launch/`.

use camino::{Utf8Path, Utf8PathBuf};
use fs_err as fs;
use minijinja::value::Value;
use minijinja::{AutoEscape, Environment, ErrorKind, UndefinedBehavior, context};

use super::{Engine, Launch, minutes, quoted_words};
use crate::render::script::quoted;
use crate::runner::asked;
use caddie_files::{Error, Result};

/// The folder of edited templates, in the working folder.
const FOLDER: &str = "launch";

/// The template that caddie brings along.
fn own(engine: Engine) -> &'static str {
    match engine {
        Engine::Slurm => include_str!("../../../templates/launch/slurm.sh"),
        Engine::SkyPilot => include_str!("../../../templates/launch/skypilot.yaml"),
    }
}

/// Writes caddie's template into the working folder, to be edited.
///
/// # Errors
/// When one lies there already.
pub fn write_template(engine: Engine, folder: &Utf8Path) -> Result<Utf8PathBuf> {
    let path = folder.join(FOLDER).join(engine.file());
    if path.symlink_metadata().is_ok() {
        return Err(Error::Usage(format!("{path} exists, and is what jobs are made from; move it away to begin anew")));
    }
    let parent = folder.join(FOLDER);
    fs::create_dir_all(&parent).map_err(Error::io(&parent, "creating"))?;
    asked::keep(&path, own(engine).as_bytes())?;
    Ok(path)
}

/// Fills the edited template, or caddie's own. Returns the text, and the edited template's path.
pub(super) fn fill(launch: &Launch, runs: &Utf8Path, command: &[String]) -> Result<(String, Option<Utf8PathBuf>)> {
    let edited = launch.folder.join(FOLDER).join(launch.engine.file());
    let edited = edited.is_file().then_some(edited);
    let source = match &edited {
        Some(path) => caddie_files::read_text(path)?,
        None => own(launch.engine).to_owned(),
    };
    let file = launch.engine.file();
    let wrong = |error: minijinja::Error| match &edited {
        Some(path) => Error::unreadable(path, format!("{error:#}; mend it, or delete it to have caddie's own")),
        None => Error::Internal(format!("templates/launch/{file}: {error:#}")),
    };
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.set_keep_trailing_newline(true);
    environment.set_trim_blocks(true);
    environment.set_auto_escape_callback(|_| AutoEscape::None);
    environment.add_filter("sh", sh);
    environment.add_filter("json", json);
    environment.add_template(file, &source).map_err(wrong)?;
    let context = context! {
        // A name stands in comments, and a line feed would end one.
        name => launch.name.replace(char::is_control, " "),
        slug => slug(&launch.name),
        seeds => launch.seeds,
        runs => runs.as_str(),
        folder => launch.folder.as_str(),
        program => launch.program.as_str(),
        engine => launch.engine_program().map(Utf8PathBuf::into_string),
        command => command,
        gpus => launch.gpus,
        accelerator => launch.accelerator,
        minutes => minutes(launch.seconds),
    };
    let text = environment.get_template(file).and_then(|template| template.render(context)).map_err(wrong)?;
    Ok((text, edited))
}

/// A word, or a list of words, as a shell takes them.
fn sh(value: &Value) -> std::result::Result<String, minijinja::Error> {
    if let Some(word) = value.as_str() {
        return Ok(quoted(word));
    }
    let words: Vec<String> = value.try_iter()?.map(|word| word.to_string()).collect();
    Ok(quoted_words(&words))
}

/// A text in double quotes, as JSON and YAML read it.
fn json(text: &str) -> std::result::Result<String, minijinja::Error> {
    serde_json::to_string(text).map_err(|error| minijinja::Error::new(ErrorKind::InvalidOperation, error.to_string()))
}

/// A name that engines and clouds take: lower-case letters, digits and single hyphens, beginning with a letter.
pub(super) fn slug(name: &str) -> String {
    let lower = name.to_ascii_lowercase();
    let words: Vec<&str> = lower.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty()).collect();
    let text = format!("caddie-{}", words.join("-"));
    text.chars().take(40).collect::<String>().trim_end_matches('-').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_become_those_of_clouds() {
        assert_eq!(slug("SP8192 + TTT (x)"), "caddie-sp8192-ttt-x");
        assert_eq!(slug("²"), "caddie");
        assert!(slug(&"long name ".repeat(20)).len() <= 40);
    }

    #[test]
    fn words_are_quoted_for_a_shell() {
        let words = ["a b".to_owned(), "it's".to_owned(), "plain=1".to_owned(), String::new()];
        assert_eq!(sh(&Value::from_serialize(&words)).unwrap(), "'a b' 'it'\\''s' plain=1 ''");
        assert_eq!(sh(&Value::from("$HOME")).unwrap(), "'$HOME'");
    }
}
