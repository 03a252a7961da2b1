//! Updates: gradients, steps of optimizers, counts.

use super::super::taint::{Flags, TaintId};
use super::super::trace::{Action, Learner};
use super::super::value::{ObjectId, ObjectRole, Value};
use super::Machine;
use super::arguments::Arguments;
use super::calls::PARAMETERS;

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
