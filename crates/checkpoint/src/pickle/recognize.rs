//! Pickles are recognized by what they do, because names and first bytes are a stranger's choice.

use super::machine::{Limits, parse};
use super::value::{GlobalUse, Pickle};

/// Opcodes that push something, mark or memorize: with any of them a pickle may begin.
const FIRST: &[u8] = b"FGIJKLMNSTUVXBCldt\x88\x89\x8a\x8b\x8c\x8d\x8e\x8f\x95\x96";

/// Tells whether the bytes start as a pickle does. Protocol 2 and later say so; older ones are known by their end, or by
/// what they look up and call before they break.
pub fn is_pickle(bytes: &[u8]) -> bool {
    match bytes {
        [0x80, protocol, ..] if (2..=5).contains(protocol) => true,
        // Protocols 0 and 1 begin with any opcode: short of parsing it, these opcodes are those that a call or a
        // container needs.
        [b'(' | b'c' | b']' | b'}' | b')', ..] => {
            let pickle = beginning(bytes);
            pickle.root.is_some() || acts(&pickle)
        }
        // Anything may be pushed and dropped before it. By chance such bytes call nothing and do not end with the file.
        [first, ..] if FIRST.contains(first) => {
            let pickle = beginning(bytes);
            let whole = pickle.root.is_some() && pickle.end == bytes.len();
            whole || acts(&pickle)
        }
        _ => false,
    }
}

/// Tells whether the bytes are a pickle from the first to the last, or up to zeros behind it, or one that acts before it
/// breaks.
pub fn is_whole_pickle(bytes: &[u8]) -> bool {
    if !is_pickle(bytes) {
        return false;
    }
    let pickle = parse(bytes, &Limits::default());
    let ends = pickle.root.is_some() && bytes.get(pickle.end..).is_some_and(|rest| rest.iter().all(|byte| *byte == 0));
    ends || acts(&pickle)
}

/// A pickle as far as it takes to tell that it is one.
fn beginning(bytes: &[u8]) -> Pickle {
    parse(bytes, &Limits { ops: 10_000, ..Limits::default() })
}

/// Tells whether the pickle calls something, or imports a module and goes on. A text whose first line begins with `c` is
/// a look-up by chance, and its second line then breaks it.
fn acts(pickle: &Pickle) -> bool {
    let goes_on = |global: &GlobalUse| {
        // `c`, the module, a line end, the name, a line end.
        let behind = global.at + global.module.len() + global.name.len() + 3;
        is_path(&global.module) && is_path(&global.name) && pickle.end > behind
    };
    pickle.globals.iter().any(|global| global.calls > 0 || goes_on(global))
}

/// Tells whether a name can be imported: identifiers, joined by dots.
fn is_path(name: &str) -> bool {
    let is_identifier = |part: &str| {
        part.chars().next().is_some_and(|first| first.is_alphabetic() || first == '_')
            && part.chars().all(|c| c.is_alphanumeric() || c == '_')
    };
    name.split('.').all(is_identifier)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pickle_that_breaks_after_an_import_is_one() {
        assert!(is_pickle(b"cbuiltins\nexec\n(X\xff\xff\xff\x00"), "the argument is cut off");
        assert!(is_pickle(b"cos\nsystem\n(S'ls'\ntR"), "no STOP");
        assert!(is_whole_pickle(b"cos\nsystem\n(S'ls'\ntR"));
    }

    #[test]
    fn texts_and_pictures_are_none() {
        for text in
            ["caddie\nnumpy\ntorch\n", "class A\nb = 1\n", "(a\n", "]\n", "config\nname", "\u{89}PNG\r\n", "()[]"]
        {
            assert!(!is_pickle(text.as_bytes()), "{text:?}");
        }
    }
}
