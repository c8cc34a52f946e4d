use std::ops::Range;

use crate::kernel::Cut;

/// Columns that an index of one byte can name.
const LARGEST_BLOCK: usize = 256;

/// Horizontal places that are told apart at most.
const LARGEST_CLASSES: usize = 8;

/// In which order a sparse format keeps the columns of a weight.
///
/// A weight has its columns in the order channel, kernel line, kernel column. Sorted by the kernel column
/// first, those that read inputs of one alignment are next to each other.
#[derive(Debug, Clone, Copy)]
pub(super) struct Columns {
    count: usize,
    /// Horizontal places of the kernel; 1 leaves the columns in their order.
    places: usize,
    /// Columns that read one channel, in one place.
    lines: usize,
}

impl Columns {
    /// In the order of the weight.
    pub(super) fn natural_order(count: usize, kernel: [usize; 2]) -> Self {
        let [lines, places] = kernel;
        Self {
            count,
            places: 1,
            lines: lines * places,
        }
    }

    /// Sorted by the kernel column.
    pub(super) fn by_place(count: usize, kernel: [usize; 2]) -> Self {
        let [lines, places] = kernel;
        if places > LARGEST_CLASSES {
            return Self::natural_order(count, kernel);
        }
        Self {
            count,
            places,
            lines,
        }
    }

    /// Where a column of the format is in the weight.
    pub(super) fn natural(&self, column: usize) -> usize {
        let class = self.count / self.places;
        let (place, line) = (column / class, column % class);
        line * self.places + place
    }

    pub(super) fn permute<T: Copy>(&self, natural: &[T]) -> Vec<T> {
        assert_eq!(natural.len(), self.count, "one for each column");
        (0..self.count)
            .map(|column| natural[self.natural(column)])
            .collect()
    }

    /// How a weight of so many rows is cut: whole channels in a block where that is possible.
    pub(super) fn cut(&self, rows: usize) -> Cut {
        let is_window = self.places * self.lines > 1;
        Cut {
            rows,
            columns: self.count,
            classes: self.places,
            block: (LARGEST_BLOCK / self.lines * self.lines).max(LARGEST_BLOCK.min(self.lines)),
            // Windows keep the sums of a row in registers, and read the nonzeros row by row.
            chunk: if is_window { 1 } else { 16 },
        }
    }

    /// Rows with blocks of columns, in the order of the nonzeros.
    pub(super) fn order(&self, cut: Cut) -> impl Iterator<Item = (usize, Range<usize>)> {
        (0..cut.rows).step_by(cut.chunk).flat_map(move |chunk| {
            (0..cut.classes * cut.blocks()).flat_map(move |block| {
                let columns = cut.block(block / cut.blocks(), block % cut.blocks());
                (chunk..cut.rows.min(chunk + cut.chunk)).map(move |row| (row, columns.clone()))
            })
        })
    }

    /// The work before each row, and all of it.
    pub(super) fn work(&self, cut: Cut, starts: &[u32]) -> Vec<u64> {
        let mut done = 0;
        let mut work = vec![0];
        for row in 0..cut.rows {
            for class in 0..cut.classes {
                for block in 0..cut.blocks() {
                    let start = cut.start(row, class, block);
                    done += u64::from(starts[start + 1] - starts[start]);
                }
            }
            // A row costs something even if it is empty: it is stored.
            done += 2;
            work.push(done);
        }
        work
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_sorted_by_the_place_in_the_kernel() {
        // Two channels of a kernel of 2 x 3.
        let columns = Columns::by_place(12, [2, 3]);
        let natural: Vec<usize> = (0..12).collect();
        assert_eq!(
            columns.permute(&natural),
            [0, 3, 6, 9, 1, 4, 7, 10, 2, 5, 8, 11]
        );
        let columns = Columns::natural_order(12, [2, 3]);
        assert_eq!(columns.permute(&natural), natural);
    }

    #[test]
    fn every_row_and_column_comes_once_and_has_its_start() {
        let columns = Columns::by_place(9 * 40, [3, 3]);
        let cut = Cut {
            chunk: 4,
            block: 21,
            ..columns.cut(10)
        };
        let mut seen = vec![0; cut.rows * cut.columns];
        for (position, (row, block)) in columns.order(cut).enumerate() {
            let (class, at) = (block.start / cut.class(), block.start % cut.class());
            assert_eq!(cut.start(row, class, at / cut.block), position);
            for column in block {
                seen[row * cut.columns + columns.natural(column)] += 1;
            }
        }
        assert!(seen.iter().all(|&times| times == 1));
    }
}
