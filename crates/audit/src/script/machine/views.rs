//! Parts of tensors that a call is given: `accumulate(loss, sums[0])` changes `sums`, where the function adds to its parameter.

use super::super::taint::TaintId;
use super::super::value::{Kind, ObjectId, ObjectRole, Value};
use super::Machine;
use caddie_python::ast::visitor::{Visitor, walk_stmt};
use caddie_python::ast::{self, Expr, Stmt};

/// The tensors of which a call is given parts, each with the object that stands for the part.
pub(super) type Views = Vec<(ObjectId, ObjectId)>;

impl<'a> Machine<'a, '_> {
    /// Returns the value of an argument; a part of a tensor is an object of its own while a function of the script is called
    /// that adds to a parameter.
    pub(super) fn lent(
        &mut self,
        function: &Value<'a>,
        argument: &'a Expr,
        value: Value<'a>,
        views: &mut Views,
    ) -> Value<'a> {
        let (Kind::Function(definition) | Kind::Bound(definition, _)) = &function.kind else { return value };
        let Expr::Subscript(part) = argument else { return value };
        let is_named = matches!(&*part.value, Expr::Name(_) | Expr::Attribute(_));
        if !is_named || !matches!(value.kind, Kind::Unknown) || !adds_to_a_parameter(definition) {
            return value;
        }
        let holder = self.value(&part.value);
        let Some(whole) = holder.object().filter(|id| self.memory.is_own_tensor(*id)) else { return value };
        let view = self.new_object(ObjectRole::Tensor, TaintId::NONE);
        views.extend(view.object().map(|view| (whole, view)));
        Value { kind: view.kind, taint: value.taint }
    }

    /// Puts what a call added to parts of tensors into the tensors.
    pub(super) fn give_back(&mut self, views: &Views) {
        for (whole, view) in views {
            let view = self.memory.heap.get(*view);
            let (content, updates) = (view.content, view.updates);
            self.pour(*whole, content);
            self.memory.learn(*whole, updates, &mut self.taints);
        }
    }
}

/// Tells whether a function has a statement such as `loss_sum += loss` on one of its parameters.
fn adds_to_a_parameter(definition: &ast::StmtFunctionDef) -> bool {
    let mut adds = Adds { parameters: &definition.parameters, found: false };
    definition.body.iter().for_each(|stmt| adds.visit_stmt(stmt));
    adds.found
}

struct Adds<'a> {
    parameters: &'a ast::Parameters,
    found: bool,
}

impl<'a> Visitor<'a> for Adds<'_> {
    fn visit_stmt(&mut self, stmt: &'a Stmt) {
        if let Stmt::AugAssign(stmt) = stmt
            && let Expr::Name(name) = &*stmt.target
        {
            self.found |= self.parameters.includes(name.id.as_str());
        }
        walk_stmt(self, stmt);
    }

    fn visit_expr(&mut self, _: &'a Expr) {}
}
