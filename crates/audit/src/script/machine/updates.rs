//! Updates: gradients, steps of optimizers, counts.

use super::super::taint::{Flags, TaintId};
use super::super::trace::{Action, Learner};
use super::super::value::{ObjectId, ObjectRole, Value};
use super::Machine;
use super::arguments::Arguments;
use super::calls::PARAMETERS;
use super::subscripts::KEY;
use caddie_python::ast::Operator;

/// Facts about a gradient that the thing which it changes does not have.
const OF_A_STEP: Flags =
    Flags::GRADIENT.with(Flags::BY_HAND).with(Flags::DISTRIBUTION).with(Flags::LOSS).with(Flags::GOLD).with(KEY);

impl<'a> Machine<'a, '_> {
    /// Evaluates `torch.autograd.grad(loss, parameters)`: a gradient, which will change the parameters that it is taken
    /// for.
    pub(super) fn gradient(&mut self, arguments: &Arguments<'a>) -> Value<'a> {
        let Some(loss) = arguments.positional.first() else { return Value::unknown(TaintId::NONE) };
        let data = self.taint(loss);
        let data = self.taints.as_number(data);
        if let Some(parameters) = arguments.get(1, "inputs") {
            let objects = self.memory.objects_of(&parameters.clone(), &self.taints);
            self.update_objects(&objects, data);
        }
        let taint = self.taints.with(data, Flags::GRADIENT);
        Value::unknown(taint)
    }

    /// An update of these objects with the help of `data`.
    pub(super) fn update_objects(&mut self, objects: &[u32], data: TaintId) {
        let own = |object: &u32| self.memory.is_own_tensor(ObjectId(*object));
        let learner = if !objects.is_empty() && objects.iter().all(own) { Learner::Offset } else { Learner::Gradient };
        let event = self.event(Action::Update { learner, data });
        let update = self.taints.change(TaintId::NONE, |taint| taint.updates = vec![event]);
        for object in objects {
            self.memory.learn(ObjectId(*object), update, &mut self.taints);
        }
    }

    /// `probabilities - one_hot(target)`: the gradient of the loss by the logits, for which nothing is propagated back.
    pub(super) fn gradient_by_hand(&mut self, op: Operator, left: TaintId, right: TaintId, taint: TaintId) -> TaintId {
        let (of_left, of_right) = (self.taints.flags(left), self.taints.flags(right));
        let scored = Flags::LOSS.with(Flags::GOLD);
        let expected = |flags: Flags| flags.has(Flags::DISTRIBUTION.with(Flags::VAL)) && !flags.any(scored);
        let other = scored.with(Flags::DISTRIBUTION).with(Flags::HASHED);
        let came = |flags: Flags| flags.has(Flags::TARGET.with(Flags::VAL)) && !flags.any(other);
        let both = |one: Flags, other: Flags| expected(one) && came(other);
        match op {
            Operator::Sub if !self.events.within_module() && (both(of_left, of_right) || both(of_right, of_left)) => {
                self.taints.with(taint, Flags::GRADIENT.with(Flags::BY_HAND))
            }
            _ => taint,
        }
    }

    /// `bias - rate * gradient`, where the gradient was written out by hand: a step without an optimizer. Returns the
    /// origin of the changed thing.
    pub(super) fn step_by_hand(&mut self, op: Operator, left: TaintId, right: TaintId) -> Option<TaintId> {
        if !matches!(op, Operator::Add | Operator::Sub) || self.loops.is_empty() || self.events.within_module() {
            return None;
        }
        let by_hand = |taint: TaintId| self.taints.flags(taint).has(Flags::BY_HAND.with(Flags::VAL));
        let (changed, gradient) = match (by_hand(left), by_hand(right)) {
            (false, true) => (left, right),
            (true, false) => (right, left),
            _ => return None,
        };
        if self.taints.flags(changed).any(OF_A_STEP) {
            return None;
        }
        let gradient = self.taints.as_number(gradient);
        let objects = self.taints.get(changed).objects.clone();
        let learner = if objects.is_empty() { Learner::Offset } else { Learner::Gradient };
        let event = self.event(Action::Update { learner, data: gradient });
        let changed = if objects.is_empty() { self.taints.with(changed, Flags::OFFSET) } else { changed };
        Some(self.taints.change(changed, |taint| taint.updates.push(event)))
    }

    /// `bias.sub_(rate * gradient)`, `bias -= rate * gradient`: the same in place.
    pub(super) fn step_in_place(&mut self, id: ObjectId, gradient: TaintId) {
        self.update_objects(&[id.0], gradient);
        if self.taints.flags(gradient).has(Flags::BY_HAND) {
            self.as_offset(id);
        }
    }

    /// A step of an optimizer.
    pub(super) fn optimizer_step(&mut self, id: ObjectId) {
        let owned = self.memory.heap.get(id).attributes.get(PARAMETERS).map(|value| value.taint);
        let objects = owned.map(|taint| self.taints.get(taint).objects.clone()).unwrap_or_default();
        let data = self.memory.gradients;
        self.update_objects(&objects, data);
    }

    /// Counts that are added under keys made of tokens.
    pub(super) fn table_update(
        &mut self,
        table: Option<&Value<'a>>,
        key: Option<&Value<'a>>,
        arguments: &Arguments<'a>,
    ) {
        let Some(id) = table.and_then(Value::object) else { return };
        let of_key = key.map_or(TaintId::NONE, |key| key.taint);
        let data = self.given(arguments);
        if self.taints.flags(of_key).any(Flags::VAL.with(Flags::TRAIN)) {
            self.learn_table(id, data);
        } else {
            self.pour(id, data);
        }
    }

    /// Tells whether a method of a model is followed, its making included.
    pub(super) fn within_model(&self) -> bool {
        let receivers = self.scopes.innermost_first().filter_map(|call| call.names.get("self")?.object());
        let mut classes = receivers.filter_map(|id| self.memory.heap.get(id).class);
        classes.any(|class| self.classes.is_module(class))
    }

    /// A tensor that gradients are taken for.
    pub(super) fn as_offset(&mut self, id: ObjectId) {
        if self.within_model() {
            self.memory.heap.get_mut(id).of_model = true;
        }
        if !self.memory.heap.get(id).of_model {
            let offset = self.taints.with(TaintId::NONE, Flags::OFFSET);
            self.pour(id, offset);
        }
    }

    /// A tensor of its own, made of something else: `bias.clone().requires_grad_()`.
    pub(super) fn offset_of(&mut self, made_from: TaintId) -> Value<'a> {
        let tensor = self.new_object(ObjectRole::Tensor, made_from);
        if let Some(id) = tensor.object() {
            self.as_offset(id);
        }
        tensor
    }
}
