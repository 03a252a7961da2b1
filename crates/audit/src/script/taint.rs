//! The origin of a value: the data, the slice of it, the updates and the scores that it was made from.
//!
//! Sets are interned, so that a value carries four bytes and the union of two sets is computed once.

use std::rc::Rc;

use rustc_hash::FxHashMap;

pub use super::flags::Flags;
use super::sorted::{contains, merged, merged_stamps};

/// An iteration of a loop, as it is followed: the loop (a number given each time one is entered) and the iteration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Stamp {
    pub entered: u32,
    pub iteration: u8,
}

/// A bound of a slice, as it is written: two that are written alike stand for the same place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Bound {
    /// The expression's symbol, with names replaced by the expressions that they were assigned.
    pub symbol: u64,
    /// The symbol of the part that is subtracted in it, zero for nothing: `length - stride` and `window - stride` end
    /// at the same place of windows that are full.
    pub less: u64,
}

impl Bound {
    /// Tells whether both stand for the same place.
    pub fn meets(self, other: Bound) -> bool {
        self.symbol == other.symbol || (self.less != 0 && self.less == other.less)
    }
}

/// The positions of a window that a value holds, `None` where a side is open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Region {
    pub lower: Option<Bound>,
    pub upper: Option<Bound>,
}

/// Everything known about a value's origin.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Taint {
    pub flags: Flags,
    /// Loops that select the slice, with the latest iteration of each that the value holds; sorted by `entered`.
    pub stamps: Vec<Stamp>,
    /// Updates (events of the trace) that reached the value; sorted.
    pub updates: Vec<u32>,
    /// Scores (events of the trace) that the value sums up; sorted.
    pub scores: Vec<u32>,
    /// Objects whose parameters the value is; sorted.
    pub objects: Vec<u32>,
    /// Positions that were selected, by slices and masks; none: all of them. Sorted.
    pub regions: Vec<Region>,
    /// Tables of bytes (of the trace) that went in, one bit each.
    pub tables: u32,
    /// Places of the trace ([`super::trace::Trace::beyond`]) at which it passed through code that is not followed, one
    /// bit each.
    pub beyond: u32,
}

impl Taint {
    /// Tells whether the union with `other` is this set itself.
    fn holds(&self, other: &Taint) -> bool {
        let newest = |stamp: &Stamp| self.iteration(stamp.entered).is_some_and(|newest| newest >= stamp.iteration);
        self.flags.has(other.flags)
            && self.tables | other.tables == self.tables
            && self.beyond | other.beyond == self.beyond
            && other.stamps.iter().all(newest)
            && contains(&self.updates, &other.updates)
            && contains(&self.scores, &other.scores)
            && contains(&self.objects, &other.objects)
            && contains(&self.regions, &other.regions)
    }

    /// The latest iteration of the loop `entered` that selected the value.
    pub fn iteration(&self, entered: u32) -> Option<u8> {
        self.stamps.iter().find(|stamp| stamp.entered == entered).map(|stamp| stamp.iteration)
    }
}

/// A set of [`Taints`].
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TaintId(u32);

impl TaintId {
    /// The set in which nothing is known to have gone in.
    pub const NONE: TaintId = TaintId(0);
}

/// Most members of one list of a set; further ones are left out, largest first.
const MAX_MEMBERS: usize = 96;

/// The way in which one set is made from another, kept so that it is made once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Derived {
    With(Flags),
    Without(Flags),
    AsNumber,
    AsPosition,
    OfObject(u32),
    Stamped(Stamp),
    Varying(Stamp),
    Within(Region),
}

/// The interner.
#[derive(Debug)]
pub struct Taints {
    sets: Vec<Rc<Taint>>,
    ids: FxHashMap<Rc<Taint>, TaintId>,
    unions: FxHashMap<(TaintId, TaintId), TaintId>,
    derived: FxHashMap<(TaintId, Derived), TaintId>,
}

impl Default for Taints {
    fn default() -> Taints {
        let empty = Rc::new(Taint::default());
        let ids = FxHashMap::from_iter([(empty.clone(), TaintId::NONE)]);
        Taints { sets: vec![empty], ids, unions: FxHashMap::default(), derived: FxHashMap::default() }
    }
}

impl Taints {
    /// The set of an id.
    pub fn get(&self, id: TaintId) -> &Taint {
        &self.sets[id.0 as usize]
    }

    /// Returns the number of sets.
    pub fn count(&self) -> usize {
        self.sets.len()
    }

    /// The same sets with these flags alone, by the same ids; for families, which add none.
    #[cfg(test)]
    pub fn only(&self, flags: Flags) -> Taints {
        let only = |taint: &Rc<Taint>| {
            Rc::new(Taint { flags: taint.flags.without(Flags::ALL.without(flags)), ..Taint::clone(taint) })
        };
        Taints { sets: self.sets.iter().map(only).collect(), ..Taints::default() }
    }

    /// The flags of an id.
    pub fn flags(&self, id: TaintId) -> Flags {
        self.get(id).flags
    }

    /// The id of a set.
    pub fn intern(&mut self, mut taint: Taint) -> TaintId {
        for members in [&mut taint.updates, &mut taint.scores, &mut taint.objects] {
            members.truncate(MAX_MEMBERS);
        }
        taint.stamps.truncate(MAX_MEMBERS);
        taint.regions.truncate(MAX_MEMBERS);
        if let Some(id) = self.ids.get(&taint) {
            return *id;
        }
        let id = TaintId(u32::try_from(self.sets.len()).unwrap_or(u32::MAX));
        let taint = Rc::new(taint);
        self.sets.push(taint.clone());
        self.ids.insert(taint, id);
        id
    }

    /// Returns the union of two sets.
    pub fn union(&mut self, left: TaintId, right: TaintId) -> TaintId {
        if left == right || right == TaintId::NONE {
            return left;
        }
        if left == TaintId::NONE {
            return right;
        }
        let key = (left.min(right), left.max(right));
        if let Some(id) = self.unions.get(&key) {
            return *id;
        }
        let (a, b) = (self.get(left), self.get(right));
        // In most cases one set holds the other already.
        let larger = if a.holds(b) { Some(left) } else { b.holds(a).then_some(right) };
        if let Some(larger) = larger {
            self.unions.insert(key, larger);
            return larger;
        }
        let union = Taint {
            flags: a.flags.with(b.flags),
            stamps: merged_stamps(&a.stamps, &b.stamps),
            updates: merged(&a.updates, &b.updates),
            scores: merged(&a.scores, &b.scores),
            objects: merged(&a.objects, &b.objects),
            regions: merged(&a.regions, &b.regions),
            tables: a.tables | b.tables,
            beyond: a.beyond | b.beyond,
        };
        let id = self.intern(union);
        self.unions.insert(key, id);
        id
    }

    /// Returns the union of all these sets.
    pub fn all(&mut self, ids: impl IntoIterator<Item = TaintId>) -> TaintId {
        ids.into_iter().fold(TaintId::NONE, |sum, id| self.union(sum, id))
    }

    /// The same set, changed.
    pub fn change(&mut self, id: TaintId, change: impl FnOnce(&mut Taint)) -> TaintId {
        let mut taint = self.get(id).clone();
        change(&mut taint);
        self.intern(taint)
    }

    /// The same set, changed in a way that `how` says completely.
    fn derive(&mut self, id: TaintId, how: Derived, change: impl FnOnce(&mut Taint)) -> TaintId {
        if let Some(known) = self.derived.get(&(id, how)) {
            return *known;
        }
        let made = self.change(id, change);
        self.derived.insert((id, how), made);
        made
    }

    /// Returns the set with `flags` set.
    pub fn with(&mut self, id: TaintId, flags: Flags) -> TaintId {
        if self.flags(id).has(flags) {
            return id;
        }
        self.derive(id, Derived::With(flags), |taint| taint.flags = taint.flags.with(flags))
    }

    /// Returns the set without `flags`.
    pub fn without(&mut self, id: TaintId, flags: Flags) -> TaintId {
        if !self.flags(id).any(flags) {
            return id;
        }
        self.derive(id, Derived::Without(flags), |taint| taint.flags = taint.flags.without(flags))
    }

    /// Returns the set without objects: a number made from parameters is no parameter.
    pub fn as_number(&mut self, id: TaintId) -> TaintId {
        if self.get(id).objects.is_empty() {
            return id;
        }
        self.derive(id, Derived::AsNumber, |taint| taint.objects.clear())
    }

    /// A length or position: it is selected as the value is, but holds nothing of it.
    pub fn as_position(&mut self, id: TaintId) -> TaintId {
        self.derive(id, Derived::AsPosition, |taint| {
            *taint = Taint {
                flags: taint.flags.without(Flags::CONTENT),
                stamps: std::mem::take(&mut taint.stamps),
                ..Taint::default()
            };
        })
    }

    /// Returns the set as the parameters of `object` and of no other.
    pub fn of_object(&mut self, id: TaintId, object: u32) -> TaintId {
        self.derive(id, Derived::OfObject(object), |taint| taint.objects = vec![object])
    }

    /// Returns the set of these positions alone.
    pub fn within(&mut self, id: TaintId, region: Region) -> TaintId {
        self.derive(id, Derived::Within(region), |taint| taint.regions = merged(&taint.regions, &[region]))
    }

    /// Selected by `stamp` as well.
    pub fn stamped(&mut self, id: TaintId, stamp: Stamp) -> TaintId {
        self.derive(id, Derived::Stamped(stamp), |taint| taint.stamps = merged_stamps(&taint.stamps, &[stamp]))
    }

    /// Selected by the innermost of the loops that are being followed, and no more by those that were left.
    pub fn varying(&mut self, id: TaintId, loops: &[Stamp]) -> TaintId {
        let Some(innermost) = loops.last() else { return id };
        // The number of the innermost loop says which ones are around it.
        self.derive(id, Derived::Varying(*innermost), |taint| {
            taint.stamps.retain(|stamp| loops.iter().any(|active| active.entered == stamp.entered));
            taint.stamps = merged_stamps(&taint.stamps, &[*innermost]);
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_union_holds_both_and_the_latest_iteration() {
        let mut taints = Taints::default();
        let early = taints.stamped(TaintId::NONE, Stamp { entered: 3, iteration: 0 });
        let early = taints.with(early, Flags::VAL);
        let late = taints.stamped(TaintId::NONE, Stamp { entered: 3, iteration: 1 });
        let both = taints.union(early, late);
        assert_eq!(taints.get(both).iteration(3), Some(1));
        assert!(taints.flags(both).has(Flags::VAL));
        assert_eq!(taints.union(late, early), both, "interned once");
    }

    #[test]
    fn flags_come_and_go() {
        let mut taints = Taints::default();
        let loss = taints.with(TaintId::NONE, Flags::LOSS.with(Flags::VAL));
        let other = taints.without(loss, Flags::VAL);
        assert!(taints.flags(other).has(Flags::LOSS) && !taints.flags(other).any(Flags::VAL));
        assert_eq!(taints.without(other, Flags::VAL), other);
    }
}
