//! Sorted lists as sets.

use super::taint::Stamp;

/// Tells whether a sorted list holds every member of another.
pub fn contains<T: Ord>(all: &[T], some: &[T]) -> bool {
    let mut rest = all.iter();
    some.len() <= all.len() && some.iter().all(|wanted| rest.any(|found| found == wanted))
}

/// Both of two sorted lists, sorted.
pub fn merged<T: Copy + Ord>(left: &[T], right: &[T]) -> Vec<T> {
    if left.is_empty() || right.is_empty() {
        return [left, right].concat();
    }
    let mut both = Vec::with_capacity(left.len() + right.len());
    let (mut a, mut b) = (left.iter().peekable(), right.iter().peekable());
    while let (Some(x), Some(y)) = (a.peek(), b.peek()) {
        let least = **x.min(y);
        both.push(least);
        a.next_if(|next| **next == least);
        b.next_if(|next| **next == least);
    }
    both.extend(a.chain(b));
    both
}

/// Merges stamps. The latest iteration counts: data read in several iterations are as new as the newest of them.
pub fn merged_stamps(left: &[Stamp], right: &[Stamp]) -> Vec<Stamp> {
    let mut both: Vec<Stamp> = left.iter().chain(right).copied().collect();
    both.sort_unstable_by_key(|stamp| (stamp.entered, std::cmp::Reverse(stamp.iteration)));
    both.dedup_by_key(|stamp| stamp.entered);
    both
}
