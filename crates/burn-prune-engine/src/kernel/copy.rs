use std::ops::Range;

use super::{Output, Source};

/// Copies planes into others of the same height and width, whatever their margins: images in and out,
/// some channels, a part of a concatenation.
pub(crate) fn copy_planes(planes: Range<usize>, input: Source<'_>, output: &Output<'_>) {
    let (first, count) = (planes.start, planes.len());
    // SAFETY: these planes are the caller's alone.
    if let Some(to) = unsafe { output.as_one_line(first, count) }
        && let Some(from) = input.as_one_line(first, count)
    {
        to.copy_from_slice(from);
        return;
    }
    let height = output.planes().height;
    for plane in planes {
        for y in 0..height {
            // SAFETY: as above.
            unsafe { output.line_mut(plane, y) }.copy_from_slice(input.line(plane, y));
        }
        output.clear_margins(plane, 0..height);
    }
}
