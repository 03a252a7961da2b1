//! Windows that slide over a stream, and how often they score its last targets.

use serde::Serialize;

/// Windows of `window` targets that begin `stride` targets apart. The first scores all of its targets, each other the last
/// `stride`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Sliding {
    pub window: usize,
    pub stride: usize,
    pub last: Last,
}

/// The windows that there are at the end of the stream, where they become short.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Last {
    /// Every window that has a target.
    Every,
    /// Those that have as many targets as the stride.
    Stride,
    /// Those that reach a target that none before them reached.
    New,
}

impl Sliding {
    const WINDOWS: [usize; 6] = [64, 128, 256, 512, 1024, 2048];
    /// Strides are multiples of this.
    const STEP: usize = 16;

    /// All that are tried.
    pub(super) fn all() -> impl Iterator<Item = Sliding> {
        Sliding::WINDOWS.into_iter().flat_map(|window| {
            let strides = (Sliding::STEP..window).step_by(Sliding::STEP);
            strides.flat_map(move |stride| {
                [Last::Every, Last::Stride, Last::New].map(|last| Sliding { window, stride, last })
            })
        })
    }

    /// How often each of the last targets of a stream of `targets` is scored, the last first. Before them each is scored once.
    pub(super) fn at_the_end(self, targets: usize) -> Vec<usize> {
        let Sliding { window, stride, last } = self;
        let mut times = vec![0; targets.min(2 * window)];
        let begin = targets - times.len();
        let is_one = |start: usize| match last {
            Last::Every => true,
            Last::Stride => targets.min(start + window) - start >= stride,
            Last::New => start + window - stride < targets,
        };
        for start in (0..targets).step_by(stride).filter(|start| *start == 0 || is_one(*start)) {
            let end = targets.min(start + window);
            let first = if start == 0 { 0 } else { end.saturating_sub(stride).max(start) };
            for target in first.max(begin)..end {
                if let Some(times) = times.get_mut(targets - 1 - target) {
                    *times += 1;
                }
            }
        }
        times
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Windows of 256 every 96 targets: that of 1728 ends at 1984, and those of 1824 and 1920 with the stream.
    #[test]
    fn windows_that_slide_over_the_end_score_it_several_times() {
        let sliding = |last| Sliding { window: 256, stride: 96, last };
        let times = |last| {
            let times = sliding(last).at_the_end(2000);
            (times.iter().sum::<usize>() - times.len(), times[0], times[79], times[95], times[96], times[200])
        };
        assert_eq!(times(Last::Every), (80 + 80, 2, 3, 2, 1, 1));
        assert_eq!(times(Last::Stride), (80, 1, 2, 2, 1, 1));
        assert_eq!(times(Last::New), (80, 1, 2, 2, 1, 1));
    }
}
