//! Threads that follow one thread through the steps of a run.

use std::cell::UnsafeCell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};

/// Work that is done in numbered tasks: `work(task, thread)`.
type Work<'a> = dyn Fn(usize, usize) + Sync + 'a;

/// How often a thread looks for work before it lets others run.
const SPINS: usize = 1 << 12;

/// One thread that leads and some that help it.
///
/// The leader says what is to be done and takes part in it. A helper that comes late, or never, is not
/// waited for: its tasks are taken by the others.
pub(crate) struct Team {
    shared: Arc<Shared>,
}

struct Shared {
    /// For each thread its tasks of the current work; those who have none left take from others.
    queues: Box<[Queue]>,
    /// Tasks of the current work that are done.
    done: AtomicUsize,
    panicked: AtomicBool,
    /// Odd while a run goes on.
    run: AtomicU64,
    work: UnsafeCell<Option<*const Work<'static>>>,
}

/// The next task and the one behind the last, in one word. Each queue has its line of cache.
#[repr(align(128))]
struct Queue(AtomicU64);

// SAFETY: `work` is written by the leader only, while no task is taken or waiting, and read only by
// a thread that has taken a task of it.
unsafe impl Send for Shared {}
// SAFETY: as above.
unsafe impl Sync for Shared {}

/// What a helper of one run does.
pub(crate) struct Helper {
    shared: Arc<Shared>,
    thread: usize,
    run: u64,
}

/// A team during one run.
pub(crate) struct Crew<'a> {
    shared: &'a Shared,
    threads: usize,
}

impl Team {
    /// A team of at most so many threads.
    pub(crate) fn new(threads: usize) -> Self {
        Self {
            shared: Arc::new(Shared {
                queues: (0..threads.max(1))
                    .map(|_| Queue(AtomicU64::new(0)))
                    .collect(),
                done: AtomicUsize::new(0),
                panicked: AtomicBool::new(false),
                run: AtomicU64::new(0),
                work: UnsafeCell::new(None),
            }),
        }
    }

    /// The most threads that it can have.
    pub(crate) fn len(&self) -> usize {
        self.shared.queues.len()
    }

    /// Begins a run with so many threads, this one included; `spawn` has to start each helper.
    pub(crate) fn gather(&mut self, threads: usize, spawn: impl Fn(Helper)) -> Crew<'_> {
        let threads = threads.clamp(1, self.len());
        if threads > 1 {
            let run = self.shared.run.load(Ordering::Relaxed) + 1;
            self.shared.run.store(run, Ordering::Release);
            for thread in 1..threads {
                spawn(Helper {
                    shared: Arc::clone(&self.shared),
                    thread,
                    run,
                });
            }
        }
        Crew {
            shared: &self.shared,
            threads,
        }
    }
}

impl Drop for Crew<'_> {
    fn drop(&mut self) {
        if self.threads > 1 {
            self.shared.run.fetch_add(1, Ordering::Release);
        }
    }
}

impl Crew<'_> {
    /// Does all tasks and comes back when they are done.
    pub(crate) fn run(&self, tasks: usize, work: &Work<'_>) {
        if self.threads == 1 || tasks <= 1 {
            for task in 0..tasks {
                work(task, 0);
            }
            return;
        }
        self.shared.done.store(0, Ordering::Relaxed);
        // SAFETY: only the lifetime changes. The reference is used by those who have taken a task, and
        // `Finish` waits for all of them before this function ends, also when it unwinds.
        let work_for_all =
            unsafe { std::mem::transmute::<*const Work<'_>, *const Work<'static>>(work) };
        // SAFETY: the work before is done, so nobody reads the cell until tasks are there.
        unsafe { *self.shared.work.get() = Some(work_for_all) };
        let finish = Finish {
            shared: self.shared,
            tasks,
        };
        for thread in 0..self.threads {
            let (from, to) = (
                tasks * thread / self.threads,
                tasks * (thread + 1) / self.threads,
            );
            self.shared.queues[thread]
                .0
                .store(word(from, to), Ordering::Release);
        }
        while let Some(task) = self.shared.take(0) {
            let _done = Done(self.shared);
            work(task, 0);
        }
        drop(finish);
        assert!(
            !self.shared.panicked.swap(false, Ordering::Relaxed),
            "a thread of the engine panicked"
        );
    }
}

/// Counts a task as done, also when it panics.
struct Done<'a>(&'a Shared);

impl Drop for Done<'_> {
    fn drop(&mut self) {
        self.0.done.fetch_add(1, Ordering::Release);
    }
}

/// Waits for all tasks; those that nobody has taken (the leader has panicked) are given up.
struct Finish<'a> {
    shared: &'a Shared,
    tasks: usize,
}

impl Drop for Finish<'_> {
    fn drop(&mut self) {
        while self.shared.take(0).is_some() {
            drop(Done(self.shared));
        }
        let mut spins = 0;
        while self.shared.done.load(Ordering::Acquire) < self.tasks {
            rest(&mut spins);
        }
    }
}

impl Helper {
    /// Helps until the run is over.
    pub(crate) fn work(self) {
        let shared = &*self.shared;
        let mut spins = 0;
        while shared.run.load(Ordering::Acquire) == self.run {
            let Some(task) = shared.take(self.thread) else {
                rest(&mut spins);
                continue;
            };
            spins = 0;
            let _done = Done(shared);
            // SAFETY: a task of the current work is taken and not done yet, so the leader waits, and
            // neither changes the cell nor lets go of what it points to.
            let work = unsafe { &*(*shared.work.get()).expect("tasks come with their work") };
            if catch_unwind(AssertUnwindSafe(|| work(task, self.thread))).is_err() {
                shared.panicked.store(true, Ordering::Relaxed);
            }
        }
    }
}

impl Shared {
    /// A task of this thread, or one of others.
    fn take(&self, thread: usize) -> Option<usize> {
        let count = self.queues.len();
        (0..count).find_map(|next| {
            let queue = &self.queues[(thread + next) % count].0;
            let mut seen = queue.load(Ordering::Relaxed);
            loop {
                let (task, end) = (seen >> 32, seen & u64::from(u32::MAX));
                if task >= end {
                    return None;
                }
                match queue.compare_exchange_weak(
                    seen,
                    seen + (1 << 32),
                    Ordering::Acquire,
                    Ordering::Relaxed,
                ) {
                    Ok(_) => return Some(task as usize),
                    Err(now) => seen = now,
                }
            }
        })
    }
}

fn word(next: usize, end: usize) -> u64 {
    (next as u64) << 32 | end as u64
}

fn rest(spins: &mut usize) {
    *spins += 1;
    if *spins < SPINS {
        std::hint::spin_loop();
    } else {
        std::thread::yield_now();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sums(threads: usize, helpers: bool) {
        let mut team = Team::new(threads);
        for round in 0..50 {
            let crew = team.gather(threads, |helper| {
                if helpers {
                    std::thread::spawn(move || helper.work());
                }
            });
            for tasks in [0, 1, 2, 3, 64, 1000] {
                let counts: Vec<AtomicUsize> = (0..tasks).map(|_| AtomicUsize::new(0)).collect();
                crew.run(tasks, &|task, thread| {
                    assert!(thread < threads);
                    counts[task].fetch_add(1, Ordering::Relaxed);
                });
                for count in &counts {
                    assert_eq!(count.load(Ordering::Relaxed), 1, "round {round}");
                }
            }
        }
    }

    #[test]
    fn each_task_is_done_once_by_any_number_of_threads() {
        for threads in 1..=5 {
            sums(threads, true);
        }
    }

    #[test]
    fn the_leader_does_everything_when_nobody_helps() {
        sums(4, false);
    }

    #[test]
    fn a_panic_of_any_thread_ends_the_work_and_the_team_goes_on() {
        let mut team = Team::new(3);
        for _ in 0..20 {
            let panicked = catch_unwind(AssertUnwindSafe(|| {
                let crew = team.gather(3, |helper| {
                    std::thread::spawn(move || helper.work());
                });
                crew.run(100, &|task, _| assert!(task != 57, "task 57"));
            }));
            assert!(panicked.is_err());
            let sum = AtomicUsize::new(0);
            let crew = team.gather(3, |helper| {
                std::thread::spawn(move || helper.work());
            });
            crew.run(10, &|task, _| {
                sum.fetch_add(task, Ordering::Relaxed);
            });
            assert_eq!(sum.into_inner(), 45);
        }
    }
}
