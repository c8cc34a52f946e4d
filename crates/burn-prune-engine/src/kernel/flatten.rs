//! Images as matrices, and back. Feature `(c · height + y) · width + x` is one plane, and an image is a
//! position of it.

use std::ops::Range;

use super::{Output, Source};

/// Images as a matrix: these channels of all images, which lie `image` values apart.
pub(crate) fn flatten(
    channels: Range<usize>,
    images: usize,
    image: usize,
    input: Source<'_>,
    output: &Output<'_>,
) {
    let (height, width) = (input.planes.height, input.planes.width);
    for channel in channels {
        for y in 0..height {
            let first = (channel * height + y) * width;
            // SAFETY: these planes are the caller's alone.
            if images == 1
                && let Some(to) = unsafe { output.as_one_line(first, width) }
            {
                to.copy_from_slice(input.line(channel, y));
                continue;
            }
            for x in 0..width {
                // SAFETY: as above.
                let to = unsafe { output.line_mut(first + x, 0) };
                let from = &input.values[input.planes.value(channel, y, x)..];
                for (to, from) in to.iter_mut().zip(from.iter().step_by(image)) {
                    *to = *from;
                }
                output.clear_margins(first + x, 0..1);
            }
        }
    }
}

/// A matrix as images: these channels of one of them.
pub(crate) fn unflatten(
    channels: Range<usize>,
    image: usize,
    input: Source<'_>,
    output: &Output<'_>,
) {
    let (height, width) = (output.planes().height, output.planes().width);
    for channel in channels {
        for y in 0..height {
            let first = (channel * height + y) * width;
            // SAFETY: these planes are the caller's alone.
            let to = unsafe { output.line_mut(channel, y) };
            for (x, to) in to.iter_mut().enumerate() {
                *to = input.values[input.planes.value(first + x, 0, image)];
            }
        }
        output.clear_margins(channel, 0..height);
    }
}
