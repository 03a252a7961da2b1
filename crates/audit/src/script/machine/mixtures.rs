//! Mixtures of the losses of experts.

use super::super::taint::{Flags, TaintId};
use super::super::value::{Kind, Value};
use super::Machine;

impl<'a> Machine<'a, '_> {
    /// Follows a softmax, or the logarithm of a sum of exponentials. Where it sums up losses of experts beside
    /// something that is the loss of no token, the mixture is no distribution (#720).
    pub(super) fn normalized(&mut self, sums: bool, taint: TaintId) -> TaintId {
        let taint = self.taints.as_number(taint);
        let mixed = sums && self.taints.flags(taint).has(Flags::BESIDE_LOSS);
        let taint = self.taints.without(taint, Flags::BESIDE_LOSS);
        let what = if mixed { Flags::DISTRIBUTION.with(Flags::UNNORMALIZED) } else { Flags::DISTRIBUTION };
        self.taints.with(taint, what)
    }

    /// The members of a list that are known one by one.
    pub(super) fn known_members(&self, list: &Value<'a>) -> Vec<Value<'a>> {
        match &list.kind {
            Kind::Tuple(items) => items.to_vec(),
            Kind::Object(id) => self.memory.heap.get(*id).items.clone().unwrap_or_default(),
            _ => Vec::new(),
        }
    }

    /// `torch.stack([neural_nll, trigram_nll, entropy])`: the entropy is made of the distribution alone, whatever token
    /// came.
    pub(super) fn side_by_side(&mut self, experts: &[Value<'a>], taint: TaintId) -> TaintId {
        let flags: Vec<Flags> = experts.iter().map(|expert| self.taints.flags(expert.taint)).collect();
        let of_token = Flags::LOSS.with(Flags::GOLD);
        let losses = flags.iter().any(|flags| flags.any(of_token) && flags.has(Flags::VAL));
        let of_none = flags.iter().any(|flags| flags.has(Flags::DISTRIBUTION.with(Flags::VAL)) && !flags.any(of_token));
        if losses && of_none { self.taints.with(taint, Flags::BESIDE_LOSS) } else { taint }
    }
}
