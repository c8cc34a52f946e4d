/// Whether the machine has all of these.
#[cfg(target_arch = "x86_64")]
macro_rules! has {
    ($($feature:tt),*) => {
        $(std::arch::is_x86_feature_detected!($feature))&&*
    };
}

/// Runs a loop compiled for the wide vectors of this machine, where it has them.
///
/// The loop is inlined into a function that may use them; its results are the same.
#[inline]
pub(crate) fn vectorized<R>(work: impl FnOnce() -> R) -> R {
    #[cfg(target_arch = "x86_64")]
    {
        #[target_feature(enable = "avx2,bmi1,bmi2,popcnt")]
        fn avx2<R>(work: impl FnOnce() -> R) -> R {
            work()
        }
        if has!("avx2", "bmi1", "bmi2", "popcnt") {
            // SAFETY: the machine has just said that it has them.
            #[expect(unsafe_code, reason = "the target features are checked")]
            return unsafe { avx2(work) };
        }
    }
    work()
}
