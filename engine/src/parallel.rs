//! The CPU's cores: each works alone on its own micro-step, batch, document or matrix.
//!
//! libtorch's own threads split every single operation, which costs more than it brings on models of this size, and makes a
//! sum depend on the number of cores. Here libtorch runs on one thread and whole pieces of work are dealt out, so that
//! on the CPU every number is the same however many cores there are.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, OnceLock, mpsc};

use tch::Device;

use crate::error::guard;
use crate::{Error, Result};

/// Returns the number of pieces of work that run at once on `device`: the cores (`OMP_NUM_THREADS` limits them), or one
/// for a GPU. The first call for the CPU also tells libtorch to use one thread for each piece.
pub fn workers(device: Device) -> usize {
    static CORES: OnceLock<usize> = OnceLock::new();
    if device != Device::Cpu {
        return 1;
    }
    *CORES.get_or_init(|| {
        let cores = tch::get_num_threads().max(1) as usize;
        tch::set_num_threads(1);
        cores
    })
}

/// Prepares the process for this kind of work. Call it first: glibc fixes the number of its memory pools when the
/// second thread allocates. Everything works without it, but slower.
pub fn prepare_process() {
    allocator::keep_freed_memory();
}

/// Applies `work` to every item, each worker with a state of its own, and returns the results in the order of the items.
/// `on_done` sees each result, with its item's index, on the calling thread and in the order of completion.
///
/// # Errors
/// The first error of `work` or `on_done`; no new item is begun after it.
pub fn map_with<S: Send, T: Send, R: Send>(
    states: &mut [S],
    items: Vec<T>,
    work: impl Fn(&mut S, T) -> Result<R> + Sync,
    mut on_done: impl FnMut(usize, &R) -> Result<()>,
) -> Result<Vec<R>> {
    let count = items.len();
    let mut results: Vec<Option<R>> = (0..count).map(|_| None).collect();
    let mut finish = |index: usize, result: Result<R>| {
        let result = result?;
        on_done(index, &result)?;
        results[index] = Some(result);
        Ok::<(), Error>(())
    };
    if let [state] = states {
        for (index, item) in items.into_iter().enumerate() {
            finish(index, guard(|| work(state, item)))?;
        }
    } else {
        let items: Vec<Mutex<Option<T>>> = items.into_iter().map(|item| Mutex::new(Some(item))).collect();
        let next = AtomicUsize::new(0);
        std::thread::scope(|scope| {
            let (sender, receiver) = mpsc::channel();
            for state in states.iter_mut().take(count) {
                let (sender, items, next, work) = (sender.clone(), &items, &next, &work);
                scope.spawn(move || {
                    tch::set_num_threads(1);
                    loop {
                        let index = next.fetch_add(1, Ordering::Relaxed);
                        let Some(item) = items.get(index).and_then(|slot| slot.lock().ok()?.take()) else { return };
                        if sender.send((index, guard(|| work(state, item)))).is_err() {
                            return;
                        }
                    }
                });
            }
            drop(sender);
            let result = receiver.into_iter().try_for_each(|(index, result)| finish(index, result));
            next.store(count, Ordering::Relaxed);
            result
        })?;
    }
    Ok(results.into_iter().flatten().collect())
}

/// The setting of glibc's allocator: tensors of a few megabytes come and go thousands of times a second.
#[allow(unsafe_code)]
mod allocator {
    /// Tells glibc to keep freed memory for the next tensor instead of handing it back to the system, and to keep it in one
    /// place for all threads. Without this, a third of the training time on the CPU goes into page faults (BENCHMARKS.md).
    pub fn keep_freed_memory() {
        #[cfg(all(target_os = "linux", target_env = "gnu"))]
        {
            const LARGEST_THRESHOLD: libc::c_int = 32 << 20; // glibc refuses more
            // SAFETY: mallopt only sets parameters of glibc's allocator. It takes effect for later allocations and is
            // called once, before any worker thread exists.
            unsafe {
                libc::mallopt(libc::M_ARENA_MAX, 1);
                libc::mallopt(libc::M_MMAP_THRESHOLD, LARGEST_THRESHOLD);
                libc::mallopt(libc::M_TRIM_THRESHOLD, libc::c_int::MAX);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_keep_the_order_of_the_items_and_every_worker_its_state() {
        let mut states = [0u64; 3];
        let mut seen = 0;
        let squares = map_with(
            &mut states,
            (0..50u64).collect(),
            |done, item| {
                *done += 1;
                Ok(item * item)
            },
            |_, _| {
                seen += 1;
                Ok(())
            },
        )
        .unwrap();
        assert_eq!(squares, (0..50).map(|i| i * i).collect::<Vec<u64>>());
        assert_eq!((states.iter().sum::<u64>(), seen), (50, 50));
    }

    #[test]
    fn an_error_ends_the_work() {
        let mut states = [(), ()];
        let result = map_with(
            &mut states,
            (0..1000).collect(),
            |(), item: u32| if item == 3 { Err(Error::Stopped) } else { Ok(item) },
            |_, _| Ok(()),
        );
        assert!(matches!(result, Err(Error::Stopped)));
    }
}
