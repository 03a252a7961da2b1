//! The order in which the physical layers run: U-Net halves and depth recurrence (spec/algorithms.md §2.5, §2.6).

use crate::recipe::ModelRecipe;

/// Physical layer indices, encoder half first. Encoder outputs are skip connections of the decoder half, last in first
/// out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Schedule {
    pub encoder: Vec<usize>,
    pub decoder: Vec<usize>,
}

impl Schedule {
    /// The order with (`looping`) or without the extra passes over `loop_start..=loop_end`.
    pub fn new(m: &ModelRecipe, looping: bool) -> Schedule {
        let layers = m.num_layers as usize;
        let mut order: Vec<usize> = Vec::new();
        if looping && m.num_loops > 0 {
            let (start, end) = (m.loop_start as usize, m.loop_end as usize);
            order.extend(0..start);
            for _ in 0..=m.num_loops {
                order.extend(start..=end);
            }
            order.extend(end + 1..layers);
        } else {
            order.extend(0..layers);
        }
        let decoder = order.split_off(order.len() / 2);
        Schedule { encoder: order, decoder }
    }

    /// Virtual layers, each of which has adapters of its own in test-time training.
    pub fn slots(&self) -> usize {
        self.encoder.len() + self.decoder.len()
    }
}

/// Rows of `skip_weights`: sized for the looped order, so that turning loops on needs no new parameters.
pub fn num_skips(m: &ModelRecipe) -> i64 {
    let order = Schedule::new(m, m.num_loops > 0);
    order.encoder.len().min(order.decoder.len()) as i64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recipe::Recipe;

    #[test]
    fn pr_1530_runs_seventeen_virtual_layers() {
        let toml = "[model]\nnum_layers = 11\nnum_loops = 2\nloop_start = 3\nloop_end = 5\n";
        let m = Recipe::parse(toml, &[]).unwrap().model;
        let looped = Schedule::new(&m, true);
        assert_eq!(looped.encoder, [0, 1, 2, 3, 4, 5, 3, 4]);
        assert_eq!(looped.decoder, [5, 3, 4, 5, 6, 7, 8, 9, 10]);
        let plain = Schedule::new(&m, false);
        assert_eq!((plain.encoder.len(), plain.decoder.len(), num_skips(&m)), (5, 6, 8));
    }
}
