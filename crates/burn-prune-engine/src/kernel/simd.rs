use std::sync::OnceLock;

/// The instructions that kernels use, chosen when the program runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Simd {
    /// Plain Rust: any processor.
    Portable,
    /// AVX2 with FMA, F16C, BMI1 and POPCNT.
    Avx2,
    /// All of AVX2, and AVX-512 F, BW, DQ, VL.
    Avx512,
}

impl Simd {
    /// All that this processor has, the best one last.
    pub(crate) fn available() -> Vec<Self> {
        let mut found = vec![Self::Portable];
        #[cfg(target_arch = "x86_64")]
        {
            if is_x86_feature_detected!("avx2")
                && is_x86_feature_detected!("fma")
                && is_x86_feature_detected!("f16c")
                && is_x86_feature_detected!("bmi1")
                && is_x86_feature_detected!("popcnt")
            {
                found.push(Self::Avx2);
                if is_x86_feature_detected!("avx512f")
                    && is_x86_feature_detected!("avx512bw")
                    && is_x86_feature_detected!("avx512dq")
                    && is_x86_feature_detected!("avx512vl")
                {
                    found.push(Self::Avx512);
                }
            }
        }
        found
    }

    /// Values in a vector.
    pub(crate) fn lanes(self) -> usize {
        match self {
            Self::Portable | Self::Avx2 => 8,
            Self::Avx512 => 16,
        }
    }

    /// The best that this processor has.
    pub(crate) fn best() -> Self {
        static BEST: OnceLock<Simd> = OnceLock::new();
        *BEST.get_or_init(|| {
            *Self::available()
                .last()
                .expect("the portable one is always there")
        })
    }
}

#[cfg(all(test, target_arch = "x86_64"))]
mod tests {
    use super::*;

    /// Tests of kernels run all that are available. The system's list is read here, so that one which
    /// is overlooked fails.
    #[test]
    #[cfg(target_os = "linux")]
    fn the_paths_that_tests_run_are_all_that_the_processor_has() {
        let processor = std::fs::read_to_string("/proc/cpuinfo").unwrap();
        let flags = processor.lines().find(|line| line.starts_with("flags"));
        let flags: Vec<&str> = flags.unwrap().split_whitespace().collect();
        let has = |wanted: &[&str]| wanted.iter().all(|flag| flags.contains(flag));
        let mut expected = vec![Simd::Portable];
        if has(&["avx2", "fma", "f16c", "bmi1", "popcnt"]) {
            expected.push(Simd::Avx2);
            if has(&["avx512f", "avx512bw", "avx512dq", "avx512vl"]) {
                expected.push(Simd::Avx512);
            }
        }
        println!("paths that tests run: {expected:?}");
        assert_eq!(Simd::available(), expected);
    }
}
