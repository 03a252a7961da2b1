//! Gates that mix a token with the one before it, across the start of a document, in scripts whose attention keeps
//! documents apart.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::{Case, Family, Lead, Needs, Rule, Step};
use caddie_python::ast::visitor::{Visitor, walk_expr, walk_stmt};
use caddie_python::constant::{self, Constant};
use caddie_python::{Module, ast};
use caddie_rulebook::Confidence;

/// Metadata of the family.
pub const FAMILY: Family = Family {
    name: "doc-boundary",
    about: "A gate that mixes neighboring tokens stops at the start of a document where attention does.",
    rules: &[Rule { id: "doc-boundary", needs: &[Needs::NOTHING] }],
    by_command: &[],
    beside: Needs::NOTHING,
    run,
};

fn run(case: &Case<'_>) -> Vec<Lead> {
    let mut gates =
        Gates { module: case.module, case, assigned: Vec::new(), reached: false, found: BTreeMap::new(), apart: false };
    case.module.bodies().flatten().for_each(|stmt| gates.visit_stmt(stmt));
    // Where attention itself reads over the boundary, a gate adds nothing to it.
    if !gates.apart {
        return Vec::new();
    }
    let Some((line, name)) = gates.found.into_iter().next() else { return Vec::new() };
    vec![Lead {
        rule: "doc-boundary",
        confidence: Confidence::Medium,
        message: format!(
            "a gate adds the token before to each token of `{name}`, and nothing stops it at the start of a document"
        ),
        because:
            "attention keeps documents apart, the gate does not; #1797 was sent back for it, records from before the \
                  ruling have none, and whether it is a leak at all is contested (#1988: it is causal)"
                .to_owned(),
        steps: vec![Step { line, what: "the token before is mixed in".to_owned(), path: Vec::new() }],
        clears: "multiply the gate with `input_ids[:, 1:] != BOS_ID`",
        at_most: None,
    }]
}

/// Looks for gates in the code that was reached.
struct Gates<'a, 'c> {
    module: &'c Module,
    case: &'c Case<'c>,
    /// Expressions that the functions around assign to each name.
    assigned: Vec<HashMap<&'a str, Vec<&'a ast::Expr>>>,
    /// True when the statement that is looked at was reached.
    reached: bool,
    /// Lines of gates without a mask, with the names that they mix.
    found: BTreeMap<u64, &'a str>,
    /// True when attention is told where documents begin.
    apart: bool,
}

impl<'a> Visitor<'a> for Gates<'a, '_> {
    fn visit_stmt(&mut self, stmt: &'a ast::Stmt) {
        let around = std::mem::replace(&mut self.reached, self.case.trace.reached(self.module.start(stmt)));
        if let ast::Stmt::FunctionDef(function) = stmt {
            let mut assigned = Assigned::default();
            function.body.iter().for_each(|stmt| assigned.visit_stmt(stmt));
            self.assigned.push(assigned.0);
            walk_stmt(self, stmt);
            self.assigned.pop();
        } else {
            walk_stmt(self, stmt);
        }
        self.reached = around;
    }

    fn visit_expr(&mut self, expr: &'a ast::Expr) {
        match expr {
            ast::Expr::BinOp(sum) if matches!(sum.op, ast::Operator::Add) => {
                let mixed = self.mixed(&sum.left, &sum.right).or_else(|| self.mixed(&sum.right, &sum.left));
                if let Some((name, gate)) = mixed
                    && self.reached
                    && !self.masked(gate)
                {
                    self.found.entry(self.module.line(expr)).or_insert(name);
                }
            }
            ast::Expr::Call(call) => {
                let given = call.arguments.keywords.iter().filter_map(|keyword| keyword.arg.as_ref());
                let by_name = given.map(|name| name.as_str()).any(is_boundaries);
                self.apart |= by_name && self.reached;
            }
            _ => {}
        }
        walk_expr(self, expr);
    }
}

/// Parameters of attention that say where documents begin.
fn is_boundaries(name: &str) -> bool {
    name.starts_with("cu_seqlens") || matches!(name, "doc_ids" | "document_ids" | "block_mask" | "seq_ids")
}

impl<'a> Gates<'a, '_> {
    /// Takes `x[:, 1:] + g * x[:, :-1]` apart: the name that is mixed, and the gated part.
    fn mixed(&self, whole: &'a ast::Expr, part: &'a ast::Expr) -> Option<(&'a str, &'a ast::Expr)> {
        let later = sliced(whole, |slice| is_int(slice.lower.as_deref(), 1) && slice.upper.is_none());
        let gated = matches!(part, ast::Expr::BinOp(product) if matches!(product.op, ast::Operator::Mult));
        let name = later.filter(|_| gated)?;
        let mut parts = Parts { name, found: false };
        parts.visit_expr(part);
        parts.found.then_some((name, part))
    }

    /// Tells whether the gate's expression depends on a comparison, or on something called a mask.
    fn masked(&self, gate: &'a ast::Expr) -> bool {
        let mut open = vec![gate];
        let mut seen = HashSet::new();
        while let Some(expr) = open.pop() {
            let mut names = NamesRead::default();
            names.visit_expr(expr);
            if names.compares {
                return true;
            }
            for name in names.names {
                let lower = name.to_ascii_lowercase();
                if ["mask", "bos", "bound", "same_doc", "doc_"].iter().any(|part| lower.contains(part)) {
                    return true;
                }
                // The mixed name is no part of the gate.
                if seen.len() < 64 && seen.insert(name) {
                    let assigned = self.assigned.last().and_then(|assigned| assigned.get(name));
                    open.extend(assigned.into_iter().flatten().copied());
                }
            }
        }
        false
    }
}

/// The name that is sliced along its second dimension as `fits` says.
fn sliced(expr: &ast::Expr, fits: impl Fn(&ast::ExprSlice) -> bool) -> Option<&str> {
    let ast::Expr::Subscript(subscript) = expr else { return None };
    let (ast::Expr::Name(name), ast::Expr::Tuple(index)) = (&*subscript.value, &*subscript.slice) else { return None };
    let second = index.elts.get(1)?;
    matches!(second, ast::Expr::Slice(slice) if fits(slice)).then_some(name.id.as_str())
}

fn is_int(expr: Option<&ast::Expr>, wanted: i64) -> bool {
    let value = |expr: &ast::Expr| match constant::literal(expr) {
        Some(Ok(Constant::Int(int))) => Some(int),
        _ => None,
    };
    match expr {
        Some(ast::Expr::UnaryOp(unary)) if matches!(unary.op, ast::UnaryOp::USub) => {
            value(&unary.operand).is_some_and(|int| -int == wanted)
        }
        Some(expr) => value(expr) == Some(wanted),
        None => false,
    }
}

/// A search of a product for the same tokens one earlier.
struct Parts<'a> {
    name: &'a str,
    found: bool,
}

impl<'a> Visitor<'a> for Parts<'_> {
    fn visit_expr(&mut self, expr: &'a ast::Expr) {
        let earlier = sliced(expr, |slice| slice.lower.is_none() && is_int(slice.upper.as_deref(), -1));
        self.found |= earlier == Some(self.name);
        walk_expr(self, expr);
    }
}

#[derive(Default)]
struct Assigned<'a>(HashMap<&'a str, Vec<&'a ast::Expr>>);

impl<'a> Visitor<'a> for Assigned<'a> {
    fn visit_stmt(&mut self, stmt: &'a ast::Stmt) {
        if let ast::Stmt::Assign(assign) = stmt {
            for target in &assign.targets {
                if let ast::Expr::Name(name) = target {
                    self.0.entry(name.id.as_str()).or_default().push(&assign.value);
                }
            }
        }
        walk_stmt(self, stmt);
    }
}

#[derive(Default)]
struct NamesRead<'a> {
    names: Vec<&'a str>,
    compares: bool,
}

impl<'a> Visitor<'a> for NamesRead<'a> {
    fn visit_expr(&mut self, expr: &'a ast::Expr) {
        match expr {
            ast::Expr::Name(name) => self.names.push(name.id.as_str()),
            ast::Expr::Compare(_) => self.compares = true,
            _ => {}
        }
        walk_expr(self, expr);
    }
}
