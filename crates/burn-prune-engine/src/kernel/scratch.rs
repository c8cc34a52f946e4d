/// Memory for the intermediate sums of one thread. It grows in the first runs and is reused afterwards.
#[derive(Debug, Default)]
pub(crate) struct Scratch {
    lines: Vec<Line>,
}

/// A line of cache.
#[derive(Debug, Clone, Copy)]
#[repr(align(64))]
struct Line {
    _values: [f32; 16],
}

impl Scratch {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// So many values at the start of a line of cache. What is in them is left from earlier uses.
    pub(crate) fn values(&mut self, count: usize) -> &mut [f32] {
        let lines = count.div_ceil(16);
        if self.lines.len() < lines {
            let empty = Line { _values: [0.0; 16] };
            self.lines.resize(lines, empty);
        }
        // SAFETY: each line is sixteen values without anything between them.
        unsafe { std::slice::from_raw_parts_mut(self.lines.as_mut_ptr().cast(), count) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scratch_is_aligned_and_reused() {
        let mut scratch = Scratch::new();
        let first = scratch.values(100).as_ptr();
        assert_eq!(first.addr() % 64, 0);
        assert_eq!(scratch.values(17).as_ptr(), first);
        assert_eq!(scratch.values(17).len(), 17);
    }
}
