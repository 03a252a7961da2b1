//! Works out the bytes that a function gives each token: the function is evaluated on a vocabulary of nine pieces that
//! has one of every sort, and the result is compared with the challenge's count.
//!
//! Only the parts that such functions are made of are understood: loops over ids, questions to the tokenizer, texts cut
//! and encoded, arrays filled. Anything else is a value that is not known, and a decision that hangs on one ends the
//! attempt.

mod evaluate;
mod methods;
mod value;

use caddie_python::ast;
use caddie_python::ast::visitor::{Visitor, walk_expr};
use caddie_python::constant::Constant;
use evaluate::Evaluator;
use value::Item;

/// The sort of token that a piece is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sort {
    Unknown,
    Control,
    Byte,
    Unused,
    Text,
}

/// The vocabulary, by id.
pub(super) const PIECES: [(&str, Sort); 9] = [
    ("<unk>", Sort::Unknown),
    ("<s>", Sort::Control),
    ("</s>", Sort::Control),
    ("<0x0A>", Sort::Byte),
    ("\u{2581}the", Sort::Text),
    ("ing", Sort::Text),
    ("\u{2581}", Sort::Text),
    ("\u{e9}t\u{e9}", Sort::Text),
    ("<unused0>", Sort::Unused),
];

/// A departure of a table from the challenge's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Departure {
    /// The space before a word is a byte of the token already; right where nothing adds it again.
    SpaceWithin,
    /// The mark of the space counts with its own three bytes.
    MarkKept,
    /// A byte token counts with the length of its name.
    ByteByName,
    /// Control and unknown tokens have bytes.
    ControlCounted,
    /// Unused tokens have bytes; they never come, unless something makes them come.
    UnusedCounted,
    /// Characters are counted instead of bytes.
    Characters,
    /// Bytes of plain text come out otherwise.
    Text,
}

/// The table that a function makes of the vocabulary.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Table {
    /// The function.
    pub name: String,
    /// The line of its definition, 1-based.
    pub line: u64,
    /// The index of the bytes among the returned values; `None`: it returns the bytes alone.
    pub bytes_at: Option<usize>,
    /// The index of the flags for spaces before words.
    pub space_at: Option<usize>,
    pub departures: Vec<Departure>,
}

/// Works out the bytes that `function` gives each token. Returns `None` where it is no such function, or cannot be
/// worked out.
pub fn table(function: &ast::StmtFunctionDef, line: u64, globals: &[ast::Stmt]) -> Option<Table> {
    if !asks_for_pieces(function) {
        return None;
    }
    let returned = Evaluator::new(globals).run(function)?;
    let name = function.name.to_string();
    match returned {
        Item::List(_) => {
            let bytes = bytes_of(&returned)?;
            let departures = departures(&bytes)?;
            Some(Table { name, line, bytes_at: None, space_at: None, departures })
        }
        Item::Tuple(items) => {
            let bytes_at = items.iter().position(|item| bytes_of(item).is_some())?;
            let departures = departures(&bytes_of(items.get(bytes_at)?)?)?;
            let space_at = items.iter().position(marks_spaces);
            Some(Table { name, line, bytes_at: Some(bytes_at), space_at, departures })
        }
        _ => None,
    }
}

/// Tells whether the function asks a tokenizer for the text of its tokens.
fn asks_for_pieces(function: &ast::StmtFunctionDef) -> bool {
    struct Asks(bool);
    impl<'a> Visitor<'a> for Asks {
        fn visit_expr(&mut self, expr: &'a ast::Expr) {
            if let ast::Expr::Attribute(attribute) = expr {
                self.0 |= matches!(attribute.attr.as_str(), "id_to_piece" | "IdToPiece" | "piece");
            }
            walk_expr(self, expr);
        }
    }
    let mut asks = Asks(false);
    function.body.iter().for_each(|stmt| asks.visit_stmt(stmt));
    asks.0
}

/// A list of numbers with one for each token; one of truths is none.
fn bytes_of(item: &Item) -> Option<Vec<i64>> {
    let Item::List(list) = item else { return None };
    let list = list.borrow();
    let numbers: Vec<i64> = list.iter().take(PIECES.len()).map_while(number).collect();
    let plain = |index: usize| numbers.get(index).copied();
    // The bytes of plain text are told from other numbers of tokens by being many, and growing with the text.
    (numbers.len() == PIECES.len() && plain(5)? >= 2 && plain(4)? >= 3).then_some(numbers)
}

fn number(item: &Item) -> Option<i64> {
    match item {
        Item::Known(Constant::Int(int)) => Some(*int),
        Item::Known(Constant::Bytes(bytes)) => i64::try_from(bytes.len()).ok(),
        Item::Known(Constant::Float(float)) if float.fract() == 0.0 && float.abs() < 1e6 => Some(*float as i64),
        _ => None,
    }
}

/// Tells whether a list is true for the words that a space comes before, and for no other text.
fn marks_spaces(item: &Item) -> bool {
    let Item::List(list) = item else { return false };
    let list = list.borrow();
    let truth = |index: usize| list.get(index).and_then(Item::truth);
    truth(4) == Some(true) && truth(5) == Some(false) && truth(7) == Some(false)
}

/// `None`: the numbers are no bytes at all.
fn departures(bytes: &[i64]) -> Option<Vec<Departure>> {
    let at = |index: usize| bytes.get(index).copied().unwrap_or_default();
    let mut found = Vec::new();
    match at(4) {
        3 => {}
        4 => found.push(Departure::SpaceWithin),
        6 => found.push(Departure::MarkKept),
        _ => return None,
    }
    if at(5) != 3 {
        return None;
    }
    match at(7) {
        5 => {}
        3 => found.push(Departure::Characters),
        _ => found.push(Departure::Text),
    }
    if at(3) > 1 {
        found.push(Departure::ByteByName);
    }
    if (0..3).any(|index| at(index) > 0) {
        found.push(Departure::ControlCounted);
    }
    if at(8) > 0 {
        found.push(Departure::UnusedCounted);
    }
    found.sort_unstable();
    Some(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use caddie_python::Module;

    fn of(body: &str) -> Option<Table> {
        let source = format!("import numpy as np\ndef luts(sp, vocab_size, device):\n{body}\n");
        let module = Module::parse(&source).expect("parses");
        let function = module.body().iter().find_map(|stmt| stmt.as_function_def_stmt()).expect("a function");
        table(function, 2, module.body())
    }

    #[test]
    fn the_challenges_own_table_departs_in_nothing() {
        let table = of(r#"
    n = max(int(sp.vocab_size()), vocab_size)
    base = np.zeros((n,), dtype=np.int16)
    space = np.zeros((n,), dtype=np.bool_)
    edge = np.ones((n,), dtype=np.bool_)
    for token in range(int(sp.vocab_size())):
        if sp.is_control(token) or sp.is_unknown(token) or sp.is_unused(token):
            continue
        edge[token] = False
        if sp.is_byte(token):
            base[token] = 1
            continue
        piece = sp.id_to_piece(token)
        if piece.startswith("▁"):
            space[token] = True
            piece = piece[1:]
        base[token] = len(piece.encode("utf-8"))
    return torch.tensor(base, device=device), torch.tensor(space), torch.tensor(edge)
"#)
        .expect("a table");
        assert_eq!((table.bytes_at, table.space_at, table.departures), (Some(0), Some(1), Vec::new()));
    }

    #[test]
    fn departures_have_names() {
        let cases = [
            (
                "    return [len(sp.id_to_piece(i).encode()) for i in range(vocab_size)]",
                vec![Departure::MarkKept, Departure::ByteByName, Departure::ControlCounted, Departure::UnusedCounted],
            ),
            (
                r#"
    out = [0] * vocab_size
    for i in range(vocab_size):
        if sp.is_control(i) or sp.is_unknown(i) or sp.is_unused(i):
            continue
        p = sp.id_to_piece(i)
        out[i] = 1 if sp.is_byte(i) else len(p.replace("▁", " ").encode("utf-8"))
    return out"#,
                vec![Departure::SpaceWithin],
            ),
            (
                r#"
    out = np.zeros(vocab_size)
    for i in range(vocab_size):
        p = sp.id_to_piece(i).lstrip("▁")
        out[i] = len(p) if not sp.is_byte(i) else 1
        if sp.is_control(i) or sp.is_unknown(i) or sp.is_unused(i): out[i] = 0
    return out"#,
                vec![Departure::Characters],
            ),
        ];
        for (body, expected) in cases {
            assert_eq!(of(body).expect(body).departures, expected, "{body}");
        }
    }

    /// Python's own slices, tests and conversions: a table that depends on them comes out as Python makes it.
    #[test]
    fn texts_are_cut_as_python_cuts_them() {
        let table = of(r#"
    out = [0] * vocab_size
    for i in range(vocab_size):
        p = sp.id_to_piece(i)
        if sp.is_control(i) or sp.is_unknown(i) or sp.is_unused(i):
            continue
        if p[0] + p[-1] == "<>" and int(p[3:-1], 16) == 10:
            out[i - vocab_size] = 1
            continue
        p = p[::-1].rstrip("▁")[::-1]
        out[i] = len(f"{p}".encode("utf-8", "ignore"))
    return out"#)
        .expect("a table");
        assert_eq!((table.bytes_at, table.departures), (None, Vec::new()));
    }

    #[test]
    fn what_is_no_table_of_bytes_or_cannot_be_worked_out_is_none() {
        for body in [
            "    return [1 if sp.id_to_piece(i).startswith('a') else 0 for i in range(vocab_size)]",
            "    return [1000 + len(sp.id_to_piece(i)) for i in range(vocab_size)]",
            "    while True:\n        sp.id_to_piece(1)",
            "    return luts(sp, vocab_size, device) + [sp.id_to_piece(0)]",
            "    x = [sp.id_to_piece(0)] * 10 ** 12\n    return x",
            "    return [len(sp.id_to_piece(i)) for i in unknown() if unknown()]",
            "    return [len(sp.id_to_piece(i)[: device]) for i in range(vocab_size)]",
        ] {
            assert_eq!(of(body), None, "{body}");
        }
    }
}
