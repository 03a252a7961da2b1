//! Loops: entered twice, or as often as their members are known.

use std::rc::Rc;

use super::super::taint::{Flags, TaintId};
use super::super::value::{Kind, ObjectRole, Value};
use super::{Flow, Machine};
use caddie_python::ast::{self, Expr};

/// Members that are followed one by one.
const MAX_MEMBERS: usize = 6;
/// Loops deeper than this are entered once: two iterations of each would double the work with every level. Loops of a
/// model over its layers are entered once as well, because the output of one layer is made of the same things as that
/// of the next.
const MAX_TWICE: usize = 6;

/// The members that a loop runs over.
pub(super) struct Members<'a> {
    /// The members one by one, or two that stand for all.
    pub each: Vec<Value<'a>>,
    /// True when they stand for all.
    alike: bool,
}

impl<'a> Machine<'a, '_> {
    /// The members of an iterable.
    pub(super) fn members(&mut self, iterable: &Value<'a>) -> Members<'a> {
        if let Kind::Object(id) = &iterable.kind
            && self.memory.heap.get(*id).role == ObjectRole::Dict
        {
            let keys = self.dict_view(*id, iterable, "keys");
            return self.members(&keys);
        }
        let taint = self.taint(iterable);
        let known = match &iterable.kind {
            Kind::Tuple(items) if items.len() <= MAX_MEMBERS => Some(items.to_vec()),
            Kind::Object(id) => match &self.memory.heap.get(*id).items {
                Some(items) if items.len() <= MAX_MEMBERS => Some(items.clone()),
                _ => None,
            },
            Kind::Range { len: Some(0), .. } => Some(Vec::new()),
            Kind::Range { start, len: Some(1) } => {
                Some(vec![Value { kind: start.map_or(Kind::Unknown, Kind::Int), taint }])
            }
            _ => None,
        };
        if let Some(each) = known {
            // The selection of the iterable selected its members as well.
            let each = each.into_iter().map(|item| {
                let taint = self.taints.union(item.taint, iterable.taint);
                Value { kind: item.kind, taint }
            });
            return Members { each: each.collect(), alike: false };
        }
        let element = match &iterable.kind {
            Kind::Object(id) => {
                let object = self.memory.heap.get(*id);
                let last = object.items.as_ref().and_then(|items| items.last()).cloned();
                object.element.clone().or(last)
            }
            Kind::Tuple(items) => items.last().cloned(),
            _ => None,
        };
        let one = match element {
            Some(element) => {
                // The members of a tuple in a list are told apart: one does not hold the origin of another.
                let taint = if matches!(element.kind, Kind::Tuple(_)) { iterable.taint } else { taint };
                let taint = self.taints.union(element.taint, taint);
                Value { kind: element.kind, taint }
            }
            None => Value::unknown(taint),
        };
        Members { each: vec![one.clone(), one], alike: true }
    }

    pub(super) fn for_loop(&mut self, stmt: &'a ast::StmtFor) -> Flow {
        let iterable = self.value(&stmt.iter);
        let Members { each: mut members, alike } = self.members(&iterable);
        if self.loops.depth() >= MAX_TWICE || (alike && self.events.within_module()) {
            members.truncate(1);
        }
        self.loop_symbols(&stmt.target, &stmt.iter);
        let outer = self.loops.enter();
        self.loops.begin_body();
        let mut flow = Flow::Next;
        for (iteration, member) in members.into_iter().enumerate() {
            self.loops.iterate(iteration);
            let member = self.selected(member);
            self.assign(&stmt.target, member);
            flow = self.block(&stmt.body);
            if matches!(flow, Flow::Break | Flow::Return) {
                break;
            }
            self.go_on();
        }
        self.loops.leave(outer);
        self.after_loop(flow, &stmt.orelse)
    }

    /// Ends an iteration: names bound by branches that went on from within it may hold in the next.
    fn go_on(&mut self) {
        let continued = self.loops.take_continued();
        self.join_left(continued);
    }

    /// Follows the end of a loop: its `else` where no branch broke off, and the names that branches bound which did.
    fn after_loop(&mut self, flow: Flow, orelse: &'a [ast::Stmt]) -> Flow {
        let broke = self.loops.end_body();
        if flow == Flow::Return {
            return flow;
        }
        let flow = match flow {
            Flow::Break => Flow::Next,
            _ if broke.is_empty() => self.block(orelse),
            _ => self.either(&[orelse, &[]], TaintId::NONE),
        };
        self.join_left(broke);
        flow
    }

    pub(super) fn while_loop(&mut self, stmt: &'a ast::StmtWhile) -> Flow {
        let iterations = if self.loops.depth() >= MAX_TWICE || self.events.within_module() { 1 } else { 2 };
        let outer = self.loops.enter();
        self.loops.begin_body();
        let mut flow = Flow::Next;
        for iteration in 0..iterations {
            self.loops.iterate(iteration);
            if self.value(&stmt.test).truth() == Some(false) {
                break;
            }
            flow = self.block(&stmt.body);
            if matches!(flow, Flow::Break | Flow::Return) {
                break;
            }
            self.go_on();
        }
        self.loops.leave(outer);
        self.after_loop(flow, &stmt.orelse)
    }

    /// The value of a comprehension's element, as a list with one member that stands for all.
    pub(super) fn comprehension(&mut self, element: &'a Expr, generators: &'a [ast::Comprehension]) -> Value<'a> {
        let mut opened = Vec::new();
        let mut empty = false;
        // A comprehension's names are its own: minified scripts use one letter inside and outside of it.
        let mut names = Vec::new();
        generators.iter().for_each(|generator| named(&generator.target, &mut names));
        let before: Vec<Option<Value<'a>>> = names.iter().map(|name| self.scopes.names().get(name).cloned()).collect();
        for generator in generators {
            let iterable = self.value(&generator.iter);
            let member = self.members(&iterable).each.into_iter().next_back();
            empty |= member.is_none();
            opened.push(self.loops.enter());
            self.loops.iterate(0);
            let member = member.unwrap_or_else(|| Value::unknown(TaintId::NONE));
            let member = self.selected(member);
            self.assign(&generator.target, member);
            for condition in &generator.ifs {
                self.value(condition);
            }
        }
        let element = self.value(element);
        let own = self.loops.active().iter().rev().take(opened.len());
        let stamps: Vec<u32> = own.map(|stamp| stamp.entered).collect();
        for outer in opened.into_iter().rev() {
            self.loops.leave(outer);
        }
        for (name, before) in names.into_iter().zip(before) {
            self.scopes.names().set(name, before);
        }
        // A list holds every slice: which one the comprehension was at says nothing about it.
        let kind = element.kind.clone();
        let whole = |machine: &mut Self, taint| {
            machine.taints.change(taint, |taint| taint.stamps.retain(|stamp| !stamps.contains(&stamp.entered)))
        };
        let held = self.taint(&element);
        let (held, taint) = (whole(self, held), whole(self, element.taint));
        let list = self.new_object(ObjectRole::List, held);
        if let (Some(id), false) = (list.object(), empty) {
            self.memory.heap.get_mut(id).element = Some(Value { kind, taint });
        }
        list
    }

    /// A member, selected by the loop that is being followed.
    fn selected(&mut self, member: Value<'a>) -> Value<'a> {
        let taint = self.varying(member.taint);
        match &member.kind {
            Kind::Tuple(items) => {
                let items: Vec<Value<'a>> = items.iter().map(|item| self.selected(item.clone())).collect();
                Value { kind: Kind::Tuple(Rc::from(items)), taint }
            }
            _ => Value { kind: member.kind, taint },
        }
    }

    /// A length is a position that selects nothing of the share of a process.
    pub(super) fn as_length(&mut self, taint: TaintId) -> TaintId {
        let taint = self.taints.as_position(taint);
        self.taints.without(taint, Flags::OF_A_PROCESS)
    }

    /// Lengths and positions are no content.
    pub(super) fn as_position(&mut self, taint: TaintId) -> TaintId {
        self.taints.as_position(taint)
    }
}

/// The names that a target binds.
fn named<'a>(target: &'a Expr, names: &mut Vec<&'a str>) {
    match target {
        Expr::Name(name) => names.push(name.id.as_str()),
        Expr::Tuple(tuple) => tuple.elts.iter().for_each(|target| named(target, names)),
        Expr::List(list) => list.elts.iter().for_each(|target| named(target, names)),
        Expr::Starred(starred) => named(&starred.value, names),
        _ => {}
    }
}
