//! Byte-pair encoding: neighbors whose union is a piece are joined, the union of the highest score first.

use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;

use rustc_hash::FxHashMap;

use crate::Tokenizer;

/// A part of the text. Parts that were joined to their left neighbor are empty.
struct Symbol {
    start: usize,
    length: usize,
    left: Option<usize>,
    right: Option<usize>,
    /// Never joined: the model's user asked for it as it is.
    kept: bool,
}

/// Two neighbors that could be joined.
#[derive(PartialEq)]
struct Pair {
    score: f32,
    left: usize,
    right: usize,
    /// Bytes of both; another number later says that one of them has changed.
    length: usize,
}

impl Eq for Pair {}

impl Ord for Pair {
    fn cmp(&self, other: &Pair) -> Ordering {
        let key = |pair: &Pair| Reverse(pair.left);
        self.score.total_cmp(&other.score).then_with(|| key(self).cmp(&key(other)))
    }
}

impl PartialOrd for Pair {
    fn partial_cmp(&self, other: &Pair) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// The work on one text.
struct Merging<'a> {
    text: &'a str,
    tokenizer: &'a Tokenizer,
    symbols: Vec<Symbol>,
    pairs: BinaryHeap<Pair>,
    /// Where a union that is no longer produced falls apart again: the length of its left part.
    unused: FxHashMap<&'a str, usize>,
}

/// The parts of `text`, in order, each with its id; a part without one is a character that no piece spells.
pub fn merged<'a>(text: &'a str, tokenizer: &'a Tokenizer) -> Vec<(&'a str, Option<u16>)> {
    let symbols = symbols(text, tokenizer);
    let mut merging = Merging { text, tokenizer, symbols, pairs: BinaryHeap::new(), unused: FxHashMap::default() };
    for right in 1..merging.symbols.len() {
        merging.consider(right - 1, right);
    }
    merging.run();
    merging.parts()
}

/// One symbol for each character, and for each piece that is kept.
fn symbols(text: &str, tokenizer: &Tokenizer) -> Vec<Symbol> {
    let mut symbols = Vec::with_capacity(text.len());
    let mut start = 0;
    while let Some(c) = text[start..].chars().next() {
        let kept = tokenizer.rules.kept.prefix(&text[start..]);
        let length = kept.unwrap_or(c.len_utf8());
        let here = symbols.len();
        symbols.push(Symbol { start, length, left: here.checked_sub(1), right: None, kept: kept.is_some() });
        start += length;
    }
    let count = symbols.len();
    symbols.iter_mut().enumerate().for_each(|(at, symbol)| symbol.right = Some(at + 1).filter(|&next| next < count));
    symbols
}

impl<'a> Merging<'a> {
    /// Remembers two neighbors, when their union is a piece.
    fn consider(&mut self, left: usize, right: usize) {
        let (a, b) = (&self.symbols[left], &self.symbols[right]);
        if a.kept || b.kept {
            return;
        }
        let length = a.length + b.length;
        let union = &self.text[a.start..a.start + length];
        let Some((_, score, unused)) = self.tokenizer.id(union) else { return };
        if unused {
            self.unused.insert(union, a.length);
        }
        self.pairs.push(Pair { score, left, right, length });
    }

    fn run(&mut self) {
        while let Some(Pair { left, right, length, .. }) = self.pairs.pop() {
            let (a, b) = (self.symbols[left].length, self.symbols[right].length);
            if a == 0 || b == 0 || a + b != length {
                continue;
            }
            let after = self.symbols[right].right;
            self.symbols[right].length = 0;
            self.symbols[left].length = length;
            self.symbols[left].right = after;
            if let Some(after) = after {
                self.symbols[after].left = Some(left);
                self.consider(left, after);
            }
            if let Some(before) = self.symbols[left].left {
                self.consider(before, left);
            }
        }
    }

    fn parts(&self) -> Vec<(&'a str, Option<u16>)> {
        let mut parts = Vec::new();
        for symbol in self.symbols.iter().filter(|symbol| symbol.length > 0) {
            self.split(&self.text[symbol.start..symbol.start + symbol.length], &mut parts);
        }
        parts
    }

    /// Adds a part, or what it was joined from as far down as pieces are no longer produced.
    fn split(&self, part: &'a str, parts: &mut Vec<(&'a str, Option<u16>)>) {
        let found = self.tokenizer.id(part);
        match (found, self.unused.get(part)) {
            (Some((_, _, true)), Some(&at)) => {
                self.split(&part[..at], parts);
                self.split(&part[at..], parts);
            }
            _ => parts.push((part, found.map(|(id, ..)| id))),
        }
    }
}
