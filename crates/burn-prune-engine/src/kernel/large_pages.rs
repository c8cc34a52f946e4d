/// Less than this stays in cache, or is read in no time.
const WORTH: usize = 1 << 22;

/// The same values without spare capacity, in large pages where the system has them (Linux).
///
/// A product by one position reads each weight once, from a new page every few hundred cycles: with
/// pages of 4 KiB, a third of the time goes into looking up where they are.
pub(crate) fn in_large_pages<T: Copy>(mut values: Vec<T>) -> Vec<T> {
    let bytes = size_of_val(values.as_slice());
    if bytes < WORTH {
        values.shrink_to_fit();
        return values;
    }
    let mut copy = Vec::<T>::with_capacity(values.len());
    advise(copy.as_mut_ptr().cast(), bytes);
    copy.extend_from_slice(&values);
    copy
}

/// Asks for large pages where there is nothing yet. It is advice: without them all works as well.
#[cfg(target_os = "linux")]
fn advise(start: *mut u8, bytes: usize) {
    unsafe extern "C" {
        // Of the C library that the standard library is linked with.
        fn madvise(start: *mut std::ffi::c_void, bytes: usize, advice: std::ffi::c_int) -> i32;
    }
    /// `MADV_HUGEPAGE`, the same on all processors.
    const LARGE_PAGES: std::ffi::c_int = 14;
    /// Of a large page on x86-64 and most others. Only pages that belong to the values alone are asked for.
    const PAGE: usize = 1 << 21;
    let before = start.align_offset(PAGE);
    let Some(inside) = bytes.checked_sub(before).map(|bytes| bytes / PAGE * PAGE) else {
        return;
    };
    // SAFETY: whole pages inside of an allocation; the advice does not change what is in them.
    unsafe { madvise(start.wrapping_add(before).cast(), inside, LARGE_PAGES) };
}

#[cfg(not(target_os = "linux"))]
fn advise(_: *mut u8, _: usize) {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_the_same_in_large_pages() {
        for len in [0, 1000, WORTH / 4, 3 << 20] {
            let values: Vec<u32> = (0..len as u32).collect();
            let copy = in_large_pages(values.clone());
            assert!(copy == values, "{len} values");
            assert_eq!(copy.capacity(), len);
        }
    }
}
