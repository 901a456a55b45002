//! Comparing several ways to do the same: interleaved rounds, medians, the machine.
//!
//! Load and clock frequency change while a benchmark runs. So the ways take turns, and
//! each way is judged by how it compares with the first one of the same round. Time is
//! that of the thread on the processor, which other load disturbs less.
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

/// The middle value; of an even number, the upper of the two.
///
/// # Panics
/// When there is no value.
#[must_use]
pub fn median(values: Vec<f64>) -> f64 {
    percentile(values, 50)
}

/// The value below which so many of a hundred are.
///
/// # Panics
/// When there is no value, or all of a hundred are asked for.
#[must_use]
pub fn percentile(mut values: Vec<f64>, percent: usize) -> f64 {
    assert!(!values.is_empty(), "a percentile needs a value");
    values.sort_by(f64::total_cmp);
    values[values.len() * percent / 100]
}

/// The mean for ratios.
///
/// # Panics
/// When there is no value.
#[must_use]
pub fn geometric_mean(values: &[f64]) -> f64 {
    assert!(!values.is_empty(), "a mean needs a value");
    let count = f64::from(u32::try_from(values.len()).expect("a handful of values"));
    (values.iter().map(|value| value.ln()).sum::<f64>() / count).exp()
}

/// Runs each way once per round, in turns, and returns the times by way; one round
/// before the first is not counted.
pub fn interleaved(rounds: u32, ways: &mut [Box<dyn FnMut() + '_>]) -> Vec<Vec<Duration>> {
    let mut times = vec![Vec::new(); ways.len()];
    for round in 0..=rounds {
        for (way, times) in ways.iter_mut().zip(&mut times) {
            let start = thread_time();
            way();
            let time = thread_time().saturating_sub(start);
            if round > 0 {
                times.push(time);
            }
        }
    }
    times
}

/// Time that the thread has been running.
fn thread_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    let seconds = u64::try_from(time.tv_sec).expect("no thread runs for a negative time");
    Duration::new(
        seconds,
        u32::try_from(time.tv_nsec).expect("below a billion"),
    )
}

/// Median over the rounds of a way's time divided by the first way's.
#[must_use]
pub fn ratio(way: &[Duration], first: &[Duration]) -> f64 {
    let ratios = way
        .iter()
        .zip(first)
        .map(|(way, first)| way.as_secs_f64() / first.as_secs_f64());
    median(ratios.collect())
}

/// Processor, number of processors, and system, in words.
#[must_use]
pub fn machine() -> String {
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    let cpuinfo = read("/proc/cpuinfo");
    let model = cpuinfo
        .lines()
        .find_map(|line| line.strip_prefix("model name"));
    let model = model.map_or("unknown processor", |model| {
        model.trim_start_matches([' ', '\t', ':'])
    });
    let count = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let kernel = read("/proc/sys/kernel/osrelease");
    format!("{model}, {count} processors, Linux {}", kernel.trim())
}

#[cfg(test)]
mod tests {
    use super::{geometric_mean, interleaved, median, percentile};

    #[test]
    fn means() {
        assert!((median(vec![3.0, 1.0, 2.0]) - 2.0).abs() < 1e-12);
        let hundred: Vec<f64> = (0..100).rev().map(f64::from).collect();
        assert!((percentile(hundred, 99) - 99.0).abs() < 1e-12);
        assert!((percentile(vec![7.0], 99) - 7.0).abs() < 1e-12);
        assert!((geometric_mean(&[1.0, 4.0]) - 2.0).abs() < 1e-12);
    }

    #[test]
    fn ways_take_turns() {
        let order = std::cell::RefCell::new(String::new());
        let mut ways: [Box<dyn FnMut()>; 2] = [
            Box::new(|| order.borrow_mut().push('a')),
            Box::new(|| order.borrow_mut().push('b')),
        ];
        let times = interleaved(2, &mut ways);
        assert_eq!(times.iter().map(Vec::len).collect::<Vec<_>>(), [2, 2]);
        drop(ways);
        assert_eq!(order.into_inner(), "ababab");
    }
}
