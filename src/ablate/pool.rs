//! Work that goes on side by side.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use crate::Result;

/// Applies `work` to every item, `jobs` at once, and returns the results in the order of the items. `work` is told the
/// slot that it works in, from 0 to `jobs` − 1: no two items are worked on in one slot at a time.
///
/// # Errors
/// The first error of `work`. No new item is begun after it, and those that were begun are ended first.
pub fn each<T: Sync, R: Send>(
    items: &[T],
    jobs: usize,
    work: impl Fn(usize, &T) -> Result<R> + Sync,
) -> Result<Vec<R>> {
    let (next, results) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for slot in 0..jobs.clamp(1, items.len().max(1)) {
            let (next, results, work) = (&next, &results, &work);
            scope.spawn(move || {
                while let Some((index, item)) = take(next, items) {
                    let result = work(slot, item);
                    if result.is_err() {
                        next.store(items.len(), Ordering::Relaxed);
                    }
                    results.lock().unwrap_or_else(PoisonError::into_inner).push((index, result));
                }
            });
        }
    });
    let mut results = results.into_inner().unwrap_or_else(PoisonError::into_inner);
    // An error comes first, in the order in which it came.
    let failed = results.iter().position(|(_, result)| result.is_err());
    if let Some(failed) = failed {
        let (_, result) = results.swap_remove(failed);
        return result.map(|_| Vec::new());
    }
    results.sort_by_key(|(index, _)| *index);
    results.into_iter().map(|(_, result)| result).collect()
}

fn take<'a, T>(next: &AtomicUsize, items: &'a [T]) -> Option<(usize, &'a T)> {
    let index = next.fetch_add(1, Ordering::Relaxed);
    items.get(index).map(|item| (index, item))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Error;

    #[test]
    fn results_keep_the_order_of_the_items_and_slots_are_not_shared() {
        let busy: Vec<Mutex<()>> = (0..3).map(|_| Mutex::new(())).collect();
        let items: Vec<u64> = (0..40).collect();
        let doubled = each(&items, 3, |slot, item| {
            let _mine = busy[slot].try_lock().expect("nobody else is in this slot");
            std::thread::sleep(std::time::Duration::from_micros(50 * (item % 3)));
            Ok(item * 2)
        });
        assert_eq!(doubled.unwrap(), (0..40).map(|item| item * 2).collect::<Vec<u64>>());
        assert_eq!(each(&[] as &[u64], 4, |_, item| Ok(*item)).unwrap(), Vec::<u64>::new());
    }

    #[test]
    fn after_an_error_nothing_new_begins() {
        let begun = AtomicUsize::new(0);
        let items: Vec<u64> = (0..1000).collect();
        // With one job: how far another one gets before it hears of the error is chance.
        let failed = each(&items, 1, |_, item| {
            begun.fetch_add(1, Ordering::Relaxed);
            if *item == 3 { Err(Error::usage("the third")) } else { Ok(()) }
        });
        assert!(failed.unwrap_err().to_string().contains("the third"));
        assert_eq!(begun.load(Ordering::Relaxed), 4);
    }
}
