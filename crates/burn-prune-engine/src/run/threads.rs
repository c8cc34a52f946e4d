use std::sync::Arc;

use rayon::ThreadPool;

use crate::kernel::{Crew, Team};

/// Which threads a run has.
#[derive(Debug, Clone, Default)]
pub(crate) struct Threads {
    own: Option<Own>,
}

/// Threads of an engine.
#[derive(Debug, Clone)]
struct Own {
    count: usize,
    /// Of one thread less, since the caller works too.
    pool: Option<Arc<ThreadPool>>,
}

impl Threads {
    /// So many, in a pool of their own; the calling thread is one of them.
    pub(crate) fn new(count: usize) -> Self {
        let count = count.max(1);
        let pool = (count > 1).then(|| {
            rayon::ThreadPoolBuilder::new()
                .num_threads(count - 1)
                .thread_name(|thread| format!("burn-prune-engine-{thread}"))
                .build()
        });
        // Without threads to be had, the caller works alone.
        let pool = pool.and_then(Result::ok).map(Arc::new);
        let helpers = pool.as_ref().map(|pool| pool.current_num_threads());
        let count = 1 + helpers.unwrap_or(0);
        Self {
            own: Some(Own { count, pool }),
        }
    }

    /// The calling thread included.
    pub(crate) fn count(&self) -> usize {
        match &self.own {
            Some(own) => own.count,
            None => rayon::current_num_threads(),
        }
    }

    /// Begins a run of a team with these threads.
    pub(super) fn gather<'t>(&self, team: &'t mut Team, threads: usize) -> Crew<'t> {
        match &self.own {
            Some(Own {
                pool: Some(pool), ..
            }) => team.gather(threads, |helper| pool.spawn(move || helper.work())),
            Some(Own { pool: None, .. }) => team.gather(1, |_| {}),
            None => team.gather(threads, |helper| rayon::spawn(move || helper.work())),
        }
    }
}
