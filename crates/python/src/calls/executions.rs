//! Functions that execute a source, and the executions that are noted for them.

use super::{Arguments, commands, names, path, read};
use crate::eval::{Evaluator, Execution};
use crate::module::Problem;
use crate::value::{Evaluated, Value};

/// Calls a function of the library by its full name.
///
/// # Errors
/// When it is not known, or fails as it would in Python.
pub(super) fn call<'a>(
    evaluator: &mut Evaluator<'a, '_>,
    name: &str,
    arguments: &mut Arguments<'a>,
    line: u64,
) -> Evaluated<'a> {
    match name {
        "exec" | "eval" => {
            let source = arguments.at(0, "source").unwrap_or_else(|| Err("no argument".to_owned()));
            execute(evaluator, name, source, line);
            Ok(Value::NONE)
        }
        "runpy.run_path" => {
            let file = arguments.at(0, "path_name").unwrap_or_else(|| Err("no argument".to_owned()));
            let source = file.and_then(path).and_then(|file| read(evaluator, &file)).map(Value::Bytes);
            execute(evaluator, name, source, line);
            Ok(Value::NONE)
        }
        "timeit.timeit" | "timeit.repeat" | "cProfile.run" | "cProfile.runctx" | "profile.run" | "pdb.run"
        | "trace.run" => {
            // Only a text is executed; a function is called.
            if let Some(source @ Ok(Value::Text(_) | Value::Bytes(_))) = arguments.at(0, "stmt") {
                execute(evaluator, name, source, line);
            }
            Ok(Value::NONE)
        }
        "types.FunctionType" | "types.LambdaType" => {
            let code = arguments.at(0, "code").unwrap_or_else(|| Err("no argument".to_owned()));
            execute(evaluator, name, code, line);
            Ok(Value::NONE)
        }
        "marshal.loads" | "marshal.load" => {
            execute(evaluator, name, Err("caddie reads no bytecode".to_owned()), line);
            Err(format!("`{name}`: caddie reads no bytecode"))
        }
        "subprocess.run"
        | "subprocess.call"
        | "subprocess.check_call"
        | "subprocess.check_output"
        | "subprocess.Popen"
        | "os.execv"
        | "os.execvp"
        | "os.execve"
        | "os.execvpe"
        | "os.spawnv"
        | "os.spawnvp"
        | "os.posix_spawn"
        | "os.system"
        | "os.popen"
        | "subprocess.getoutput" => commands::run(evaluator, name, arguments, line),
        "runpy.run_module"
        | "importlib.util.spec_from_file_location"
        | "importlib.machinery.SourceFileLoader"
        | "imp.load_source" => {
            let place = usize::from(name != "runpy.run_module");
            let file = arguments.at(place, "location").or_else(|| arguments.at(place, "path"));
            let file = file.unwrap_or_else(|| Err("no argument".to_owned())).and_then(path);
            let file = file.map(|file| if place == 0 { format!("{}.py", file.replace('.', "/")) } else { file });
            // A script that loads itself again, as a module, wraps nothing.
            let other = file.ok().filter(|file| file != evaluator.file);
            if let Some(Ok(source)) = other.map(|file| read(evaluator, &file)) {
                execute(evaluator, name, Ok(Value::Bytes(source)), line);
            }
            Err(format!("the result of `{name}` is not evaluated"))
        }
        "compile" => match arguments.at(0, "source") {
            Some(Ok(Value::Bytes(data))) => Ok(Value::Code(data, false)),
            Some(Ok(Value::Text(data))) => Ok(Value::Code(data, true)),
            Some(Err(reason)) => Err(reason),
            _ => Err("`compile` of something that is not known".to_owned()),
        },
        _ => names::call(evaluator, name, arguments, line),
    }
}

/// Functions of Python's own that execute their argument.
const EXECUTES: [&str; 4] = ["exec", "eval", "builtins.exec", "builtins.eval"];
/// Functions to which such a one may be handed and that are followed.
const FOLLOWED: usize = 32;

/// Notes that `exec` or a compiled source is handed to something that is not followed: to a thread, to an interpreter of
/// the library, to a function that calls it later. What is then executed is not known here.
pub fn handed_over(evaluator: &mut Evaluator<'_, '_>, arguments: &Arguments<'_>, line: u64) {
    let values = arguments.positional.iter().chain(arguments.named.iter().map(|(_, value)| value));
    let what = values.filter_map(|value| match value {
        Ok(Value::Name(name)) if EXECUTES.contains(&name.as_str()) => Some("`exec` or `eval`"),
        Ok(Value::Code(..)) => Some("a compiled source"),
        _ => None,
    });
    let what: Vec<&str> = what.collect();
    if let Some(what) = what.first().filter(|_| evaluator.handed.len() < FOLLOWED) {
        evaluator.handed.push(Problem::new(line, format!("{what} is handed to code that is not followed")));
    }
}

/// Notes an execution, or why its source has no value.
pub(super) fn execute<'a>(evaluator: &mut Evaluator<'a, '_>, name: &str, source: Evaluated<'a>, line: u64) {
    let source = match source {
        Ok(Value::Bytes(data)) => Ok((data, false)),
        Ok(Value::Text(data)) => Ok((data, true)),
        Ok(Value::Code(data, is_text)) => Ok((data, is_text)),
        Ok(_) => Err("its argument has no known value".to_owned()),
        Err(reason) => Err(reason),
    };
    match source {
        Ok((source, is_text)) => evaluator.executions.push(Execution { line, source, is_text }),
        Err(reason) => {
            if evaluator.problems.len() < 32 {
                evaluator.problems.push(Problem::new(line, format!("{name}: {reason}")));
            }
        }
    }
}
