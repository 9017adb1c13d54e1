//! How far two CPUs are from each other: what a cache line takes there and back. Virtual machines find their CPUs near
//! each other in one second and far apart in the next, and with them every figure of two programs that share rings.

use std::hint;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::Instant;

use crate::cores;

/// Round trips of a sample, and samples of which the median is taken.
const TRIPS: u64 = 1000;
const SAMPLES: usize = 21;

/// A line of its own: two on many CPUs, which fetch lines in pairs.
#[derive(Debug, Default)]
#[repr(align(128))]
struct Ball(AtomicU64);

/// Nanoseconds of a round trip between two CPUs.
pub(crate) fn measure(here: usize, there: usize) -> Result<f64, String> {
    cores::check(&[here, there])?;
    let (ball, over) = (Ball::default(), AtomicBool::new(false));
    let mut samples = thread::scope(|scope| {
        let other = scope.spawn(|| cores::pin(there).map(|()| play_back(&ball.0, &over)));
        let samples = cores::pin(here).map(|()| play(&ball.0, || other.is_finished()));
        over.store(true, Ordering::Relaxed);
        other.join().expect("it does not panic").and(samples)
    })?;
    samples.sort_by(f64::total_cmp);
    Ok(samples[samples.len() / 2])
}

/// Makes the number odd and waits until it is even again, unless the other one has gone.
fn play(ball: &AtomicU64, gone: impl Fn() -> bool) -> Vec<f64> {
    let mut next = 0;
    let mut sample = |_| {
        let begun = Instant::now();
        for _ in 0..TRIPS {
            ball.store(next + 1, Ordering::Release);
            next += 2;
            let mut patience = 0u32;
            while ball.load(Ordering::Acquire) != next {
                patience = patience.wrapping_add(1);
                if patience.is_multiple_of(1 << 16) && gone() {
                    return 0.0;
                }
                hint::spin_loop();
            }
        }
        begun.elapsed().as_nanos() as f64 / TRIPS as f64
    };
    (0..SAMPLES).map(&mut sample).collect()
}

/// Makes odd numbers even.
fn play_back(ball: &AtomicU64, over: &AtomicBool) {
    while !over.load(Ordering::Relaxed) {
        let number = ball.load(Ordering::Acquire);
        if number % 2 == 1 {
            ball.store(number + 1, Ordering::Release);
        } else {
            hint::spin_loop();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cpu_that_is_not_there_is_told() {
        let error = measure(0, 100_000).unwrap_err();
        assert!(error.contains("CPU 100000"), "{error}");
    }
}
