//! Work on files that waits for the disk, several at a time.

use std::panic::resume_unwind;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

/// Threads at most. Those that wait for the disk at the same time share what it writes: a filesystem with a
/// journal commits once for all of them. They have the archivist's own priority: one that waits for a core could
/// hold what the others wait for.
const MOST: usize = 16;
/// Jobs for which a further thread is worth it.
const EACH: usize = 4;

/// What becomes of each job, in the order of the jobs.
pub fn abreast<J: Sync, R: Send>(jobs: &[J], work: impl Fn(&J) -> R + Sync) -> Vec<R> {
    let next = AtomicUsize::new(0);
    let some = || {
        let mut done = Vec::new();
        loop {
            let at = next.fetch_add(1, Ordering::Relaxed);
            match jobs.get(at) {
                Some(job) => done.push((at, work(job))),
                None => return done,
            }
        }
    };
    let further = (jobs.len() / EACH).min(MOST - 1);
    let mut done = thread::scope(|scope| {
        // Where there is no thread to be had, those that there are do it.
        let others: Vec<_> =
            (0..further).map_while(|_| thread::Builder::new().spawn_scoped(scope, some).ok()).collect();
        let mut done = some();
        for other in others {
            done.extend(other.join().unwrap_or_else(|panic| resume_unwind(panic)));
        }
        done
    });
    done.sort_unstable_by_key(|(at, _)| *at);
    done.into_iter().map(|(_, result)| result).collect()
}

#[cfg(test)]
mod tests {
    use super::abreast;

    #[test]
    fn every_job_is_done_once_and_answered_in_order() {
        for count in [0, 1, 3, 4, 5, 100, 1_000] {
            let jobs: Vec<usize> = (0..count).collect();
            let doubled: Vec<usize> = jobs.iter().map(|job| job * 2).collect();
            assert_eq!(abreast(&jobs, |job| job * 2), doubled, "{count}");
        }
    }
}
