//! Effects of array functions on values that are followed: losses, counts, choices, tensors made.

use super::effect::Content;
use super::perform::learns;
use crate::script::machine::Machine;
use crate::script::machine::arguments::Arguments;
use crate::script::taint::{Flags, TaintId};
use crate::script::value::{Kind, ObjectRole, Value};

/// Arguments of attention that come before its mask.
const QUERIES_KEYS_VALUES: usize = 3;

impl<'a> Machine<'a, '_> {
    /// `torch.stack([…])`
    pub(super) fn stacked(&mut self, arguments: &Arguments<'a>) -> Value<'a> {
        let taint = self.given(arguments);
        let taint = self.taints.as_number(taint);
        let experts = arguments.positional.first().map(|list| self.known_members(list)).unwrap_or_default();
        Value::unknown(self.side_by_side(&experts, taint))
    }

    /// `torch.multinomial(probabilities, 1)`: text of the model's own.
    pub(super) fn sampled(&mut self, arguments: &Arguments<'a>) -> Value<'a> {
        let taint = self.given(arguments);
        let taint = self.taints.without(taint, Flags::VAL.with(Flags::TRAIN).with(Flags::DISTRIBUTION));
        Value::unknown(self.taints.with(taint, Flags::GENERATED))
    }

    /// `torch.bincount(tokens)`
    pub(super) fn tallied(&mut self, arguments: &Arguments<'a>) -> Value<'a> {
        let taint = self.given(arguments);
        let taint = self.taints.as_number(taint);
        let taint = self.taints.without(taint, Flags::HASHED.with(Flags::EXTENDED).with(Flags::TARGET));
        Value::unknown(self.taints.with(taint, Flags::COUNTED))
    }

    /// The smaller of losses on the token that came.
    pub(super) fn smaller(&mut self, arguments: &Arguments<'a>) -> Value<'a> {
        let taint = self.given(arguments);
        let taint = self.taints.as_number(taint);
        // Numbers that are all known are not chosen by the token that came.
        if arguments.positional.len() > 1 && arguments.positional.iter().all(|value| value.number().is_some()) {
            return Value::unknown(taint);
        }
        let gold = Flags::LOSS.with(Flags::GOLD);
        let losses = arguments.positional.iter().map(|value| value.taint);
        let losses: Vec<TaintId> = losses.filter(|taint| self.taints.flags(*taint).any(gold)).collect();
        if losses.len() >= 2 && self.taints.flags(taint).has(Flags::VAL) {
            let chosen = self.by_comparing(&losses);
            return Value::unknown(self.taints.with(taint, chosen));
        }
        Value::unknown(taint)
    }

    /// `torch.nonzero(mask)`
    pub(super) fn positions_of(&mut self, arguments: &Arguments<'a>) -> Value<'a> {
        let taint = self.given(arguments);
        Value::unknown(self.found_at(taint))
    }

    /// Returns the origin of the positions that hold: neither key nor loss, but still selected by the compared values.
    pub(in crate::script::machine) fn found_at(&mut self, taint: TaintId) -> TaintId {
        let taint = self.taints.as_number(taint);
        let content = Flags::HASHED.with(Flags::EXTENDED).with(Flags::TARGET).with(Flags::LOSS).with(Flags::GOLD);
        self.taints.without(taint, content.with(Flags::DISTRIBUTION))
    }

    /// `torch.where(condition, one, other)`
    pub(super) fn selected_by_condition(&mut self, arguments: &Arguments<'a>) -> Value<'a> {
        let taint = self.given(arguments);
        let condition =
            arguments.positional.first().map_or(Flags::default(), |condition| self.taints.flags(condition.taint));
        // Only a choice between two losses or probabilities is a gate: a choice between a loss and nothing leaves
        // tokens out.
        let losses = arguments.positional.iter().skip(1);
        let losses = losses.filter(|value| self.taints.flags(value.taint).has(Flags::LOSS)).count();
        let constants = arguments.positional.iter().skip(1).filter(|value| value.number().is_some()).count();
        let leaves_out = losses == 1 && constants == 1;
        let class = Flags::BY_TARGET.with(Flags::TARGET_GATE);
        let taint = match condition.has(Flags::BY_TARGET) {
            true if leaves_out => self.taints.without(taint, class),
            true => self.selecting(taint),
            false => taint,
        };
        // `where(found > 0, mixed, alone)`
        let of_tokens = |value: &&Value<'a>| self.taints.flags(value.taint).any(Flags::LOSS.with(Flags::GOLD));
        let alternatives = arguments.positional.iter().skip(1).filter(of_tokens).count();
        let by_count = condition.has(Flags::SEEN) && alternatives > 1;
        let taint = if by_count { self.taints.with(taint, Flags::WHERE_SEEN) } else { taint };
        Value::unknown(self.taints.as_number(taint))
    }

    /// `torch.nn.functional.linear(x, weight)`
    pub(super) fn projected(&mut self, arguments: &Arguments<'a>) -> Value<'a> {
        let taint = self.given(arguments);
        let taint = self.taints.as_number(taint);
        Value::unknown(self.taints.without(taint, Flags::ADDED))
    }

    /// `scaled_dot_product_attention(q, k, v)`: without a mask every position sees those after it.
    pub(super) fn attended(&mut self, masks: &[&str], arguments: &Arguments<'a>) -> Value<'a> {
        let taint = self.given(arguments);
        let taint = self.taints.as_number(taint);
        let absent = |value: &Value<'a>| matches!(value.kind, Kind::None | Kind::Bool(false));
        let masked = arguments.positional.len() > QUERIES_KEYS_VALUES
            || arguments.named.iter().any(|(name, value)| *name == "**" || masks.contains(name) && !absent(value));
        Value::unknown(if masked { taint } else { self.taints.with(taint, Flags::UNMASKED) })
    }

    /// A tensor that can be written into.
    pub(super) fn allocated(&mut self, content: Content, arguments: &Arguments<'a>) -> Value<'a> {
        let held = match content {
            Content::Constant => TaintId::NONE,
            Content::Fill => arguments.positional.get(1).map_or(TaintId::NONE, |value| value.taint),
            Content::Given | Content::Parameter | Content::IfItLearns => self.given(arguments),
        };
        let tensor = self.new_object(ObjectRole::Tensor, held);
        let is_parameter = content == Content::Parameter;
        if let Some(id) = tensor.object().filter(|_| learns(arguments) || is_parameter) {
            self.as_offset(id);
            if !is_parameter && !self.loops.is_empty() {
                let anew = self.taints.with(TaintId::NONE, Flags::ANEW);
                self.pour(id, anew);
            }
            // `torch.zeros(1, 1, dim, requires_grad=True)`
            if matches!(&*arguments.positional, [Value { kind: Kind::Int(1), .. }, _, _, ..]) {
                let shared = self.taints.with(TaintId::NONE, Flags::SHARED);
                self.pour(id, shared);
            }
        }
        tensor
    }
}
