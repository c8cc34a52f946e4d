/// Runs a loop compiled for the wide vectors of this machine, where it has them.
///
/// The loop is inlined into a function that may use them; its results are the same.
#[inline]
pub(crate) fn vectorized<R>(work: impl FnOnce() -> R) -> R {
    #[cfg(target_arch = "x86_64")]
    {
        #[target_feature(enable = "avx2")]
        fn avx2<R>(work: impl FnOnce() -> R) -> R {
            work()
        }
        if std::arch::is_x86_feature_detected!("avx2") {
            // SAFETY: the machine has just said that it has AVX2.
            #[expect(unsafe_code, reason = "the target feature is checked")]
            return unsafe { avx2(work) };
        }
    }
    work()
}
