//! Programs that a script starts: another Python may be handed the source that this one carries.

use std::rc::Rc;

use super::executions::execute;
use super::{Arguments, read};
use crate::eval::Evaluator;
use crate::value::{Data, Evaluated, Value};

/// Looks for a source among the arguments of a command: behind `-c`, on the standard input, or in a file of the folder.
///
/// # Errors
/// Always, because the output of the program is not known.
pub(super) fn run<'a>(
    evaluator: &mut Evaluator<'a, '_>,
    name: &str,
    arguments: &mut Arguments<'a>,
    line: u64,
) -> Evaluated<'a> {
    let input = arguments.take("input");
    // `os.execv(program, words)` names the program before the words, of which the first may be anything.
    let program = arguments.positional.first().is_some_and(|first| first.as_ref().is_ok_and(is_python));
    let values = std::mem::take(&mut arguments.positional).into_iter().chain(arguments.take("args"));
    let command = values.filter_map(|value| match value {
        Ok(Value::List(words)) => Some(words),
        Ok(Value::Text(command)) => Some(Rc::new(words_of(&command.text()))),
        _ => None,
    });
    for words in command {
        let is = |word: &Value<'_>, text: &str| matches!(word, Value::Text(data) if data.text() == text);
        // A shell's command and the input of a minifier are no sources that are run.
        if !program && !words.first().is_some_and(runs_python) {
            continue;
        }
        if let Some(at) = words.iter().position(|word| is(word, "-c")) {
            if let Some(source) = words.get(at + 1) {
                execute(evaluator, name, Ok(source.clone()), line);
            }
        } else if let Some(source) = input.clone().filter(|_| words.iter().any(|word| is(word, "-"))) {
            execute(evaluator, name, source, line);
        } else if let Some(file) = words.iter().filter_map(script).find(|file| *file != evaluator.file)
            && let Ok(source) = read(evaluator, &file)
        {
            execute(evaluator, name, Ok(Value::Bytes(source)), line);
        }
    }
    Err(format!("the result of `{name}` is not evaluated"))
}

/// Returns the words of a shell's command without quotes; words that a shell would expand stay as they are.
fn words_of<'a>(command: &str) -> Vec<Value<'a>> {
    let (mut words, mut word, mut quote) = (Vec::new(), None::<String>, None::<char>);
    for c in command.chars() {
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
    words.into_iter().map(|word| Value::Text(Data::new(word))).collect()
}

/// Python itself, a launcher of it, or a script that the system hands to it.
fn runs_python(word: &Value<'_>) -> bool {
    const LAUNCHERS: [&str; 5] = ["torchrun", "accelerate", "deepspeed", "uv", "env"];
    let launcher = matches!(word, Value::Text(data) if LAUNCHERS.iter().any(|name| data.text().ends_with(name)));
    launcher || is_python(word) || script(word).is_some()
}

/// `sys.executable`, `python3`, `/usr/bin/python3.11`.
fn is_python(word: &Value<'_>) -> bool {
    match word {
        Value::Name(name) => name == "sys.executable",
        Value::Text(data) => data.text().rsplit('/').next().is_some_and(|name| name.starts_with("python")),
        Value::Path(path) => path.rsplit('/').next().is_some_and(|name| name.starts_with("python")),
        _ => false,
    }
}

/// The Python file that a word of a command names.
fn script(word: &Value<'_>) -> Option<String> {
    let name = match word {
        Value::Text(data) => data.text().into_owned(),
        Value::Path(path) => path.clone(),
        _ => return None,
    };
    name.ends_with(".py").then_some(name)
}
