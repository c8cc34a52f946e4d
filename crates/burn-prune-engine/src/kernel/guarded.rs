use std::ops::{Deref, DerefMut};

/// Which end of the values lies against a page that nobody may touch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Guard {
    Start,
    End,
}

/// Values in pages of their own, between two protected pages: one step beyond the guarded end kills
/// the test.
#[derive(Debug)]
pub(crate) struct Guarded {
    pages: *mut libc::c_void,
    bytes: usize,
    start: *mut f32,
    len: usize,
}

impl Guarded {
    /// Both ends, for tests that try each.
    pub(crate) const BOTH: [Guard; 2] = [Guard::Start, Guard::End];

    pub(crate) fn new(values: &[f32], guard: Guard) -> Self {
        // SAFETY: a question to the system.
        let page = unsafe { libc::sysconf(libc::_SC_PAGESIZE) } as usize;
        let used = size_of_val(values).next_multiple_of(page).max(page);
        let bytes = used + 2 * page;
        // SAFETY: fresh pages, at an address that the system chooses.
        let pages = unsafe {
            libc::mmap(
                std::ptr::null_mut(),
                bytes,
                libc::PROT_NONE,
                libc::MAP_PRIVATE | libc::MAP_ANONYMOUS,
                -1,
                0,
            )
        };
        assert_ne!(pages, libc::MAP_FAILED, "no pages for a guarded slice");
        // SAFETY: the pages between the first one and the last one, of the mapping above.
        let failed = unsafe {
            libc::mprotect(
                pages.byte_add(page),
                used,
                libc::PROT_READ | libc::PROT_WRITE,
            )
        };
        assert_eq!(failed, 0, "no rights on the pages of a guarded slice");
        let skipped = match guard {
            Guard::Start => 0,
            Guard::End => used - size_of_val(values),
        };
        // SAFETY: within the mapping.
        let start = unsafe { pages.byte_add(page + skipped) }.cast::<f32>();
        // SAFETY: room for `values` that may be written, aligned as a page or a number of floats before
        // the end of one.
        unsafe { start.copy_from_nonoverlapping(values.as_ptr(), values.len()) };
        Self {
            pages,
            bytes,
            start,
            len: values.len(),
        }
    }
}

impl Deref for Guarded {
    type Target = [f32];

    fn deref(&self) -> &[f32] {
        // SAFETY: written in `new`, and owned.
        unsafe { std::slice::from_raw_parts(self.start, self.len) }
    }
}

impl DerefMut for Guarded {
    fn deref_mut(&mut self) -> &mut [f32] {
        // SAFETY: as above, and borrowed for writing.
        unsafe { std::slice::from_raw_parts_mut(self.start, self.len) }
    }
}

impl Drop for Guarded {
    fn drop(&mut self) {
        // SAFETY: the mapping of `new`, of which nothing is borrowed any more.
        unsafe { libc::munmap(self.pages, self.bytes) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn guarded_values_lie_against_a_page_boundary() {
        // SAFETY: a question to the system.
        let page = unsafe { libc::sysconf(libc::_SC_PAGESIZE) } as usize;
        for len in [0, 1, 5, 1023, 1024, 1025] {
            let values: Vec<f32> = (0..len).map(|i| i as f32).collect();
            for guard in Guarded::BOTH {
                let guarded = Guarded::new(&values, guard);
                assert_eq!(&guarded[..], &values);
                let bounds = guarded.as_ptr_range();
                let end = match guard {
                    Guard::Start => bounds.start,
                    Guard::End => bounds.end,
                };
                assert_eq!(end as usize % page, 0, "{len} values, {guard:?}");
            }
        }
    }
}
