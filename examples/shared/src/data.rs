use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use burn::data::dataloader::batcher::Batcher;
use burn::data::dataset::{Dataset, DatasetError};
use burn::tensor::{Device, Int, Tensor, TensorData};

use crate::DataError;
use crate::idx::{self, Idx};

/// Number of classes in MNIST and Fashion-MNIST.
const CLASSES: u8 = 10;

/// The directory of the images that come with the examples: a subset of Fashion-MNIST.
pub fn bundled_data() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("data/fashion-mnist")
}

/// Grey images and their classes.
#[derive(Debug, Clone)]
pub struct Images {
    pixels: Arc<[u8]>,
    labels: Arc<[u8]>,
    /// Height and width.
    size: [usize; 2],
}

/// An image of `height x width` grey values and its class.
#[derive(Debug, Clone)]
pub struct ImageItem {
    pixels: Vec<u8>,
    size: [usize; 2],
    label: u8,
}

impl Images {
    /// The training images in a directory of IDX files.
    ///
    /// # Errors
    /// When a file is missing or malformed; the error names it.
    pub fn train(dir: &Path) -> Result<Self, DataError> {
        Self::read(dir, "train")
    }

    /// The test images in a directory of IDX files.
    ///
    /// # Errors
    /// When a file is missing or malformed; the error names it.
    pub fn test(dir: &Path) -> Result<Self, DataError> {
        Self::read(dir, "t10k")
    }

    fn read(dir: &Path, part: &str) -> Result<Self, DataError> {
        let images = idx::read(dir, &format!("{part}-images-idx3-ubyte"), 3)?;
        let labels = idx::read(dir, &format!("{part}-labels-idx1-ubyte"), 1)?;
        let malformed = |file: &Idx, expected: String, found: String| DataError::Malformed {
            path: file.path.clone(),
            expected,
            found,
        };
        let [count, height, width] = images.shape[..] else {
            unreachable!("the reader checks the number of dimensions");
        };
        if [height, width] != [28, 28] || count == 0 {
            let found = format!("{count} images of {height}x{width}");
            return Err(malformed(&images, "images of 28x28".to_string(), found));
        }
        if labels.values.len() != count {
            let expected = format!("{count} labels, one an image");
            let found = format!("{} labels", labels.values.len());
            return Err(malformed(&labels, expected, found));
        }
        if let Some(label) = labels.values.iter().find(|label| **label >= CLASSES) {
            let expected = format!("labels below {CLASSES}");
            return Err(malformed(&labels, expected, format!("label {label}")));
        }
        Ok(Self {
            pixels: images.values.into(),
            labels: labels.values.into(),
            size: [height, width],
        })
    }

    /// The first `count` of these images, or all when there are fewer.
    #[must_use]
    pub fn first(&self, count: usize) -> Self {
        let count = count.min(self.labels.len());
        let [height, width] = self.size;
        Self {
            pixels: self.pixels[..count * height * width].into(),
            labels: self.labels[..count].into(),
            size: self.size,
        }
    }
}

impl Images {
    /// Number of images.
    #[expect(
        clippy::len_without_is_empty,
        reason = "the reader refuses an empty file"
    )]
    pub fn len(&self) -> usize {
        self.labels.len()
    }

    /// The images in this range.
    ///
    /// # Panics
    /// When there are fewer images.
    pub fn items(&self, range: Range<usize>) -> Vec<ImageItem> {
        range.map(|index| self.item(index)).collect()
    }

    fn item(&self, index: usize) -> ImageItem {
        let [height, width] = self.size;
        let area = height * width;
        ImageItem {
            pixels: self.pixels[index * area..][..area].to_vec(),
            size: self.size,
            label: self.labels[index],
        }
    }
}

impl Dataset<ImageItem> for Images {
    fn get(&self, index: usize) -> Result<ImageItem, DatasetError> {
        Ok(self.item(index))
    }

    fn len(&self) -> usize {
        self.labels.len()
    }
}

/// Images as a model takes them.
#[derive(Debug, Clone)]
pub struct ImageBatch {
    /// `[batch, 1, height, width]`, normalised as the batcher does.
    pub images: Tensor<4>,
    /// `[batch]`.
    pub labels: Tensor<1, Int>,
}

/// Makes batches of normalised pixels.
#[derive(Debug, Clone)]
pub struct ImageBatcher {
    mean: f32,
    deviation: f32,
}

impl ImageBatcher {
    /// A batcher that normalises by the mean and standard deviation of these images.
    pub fn new(train: &Images) -> Self {
        let values = || train.pixels.iter().map(|pixel| f64::from(*pixel) / 255.0);
        let count = train.pixels.len() as f64;
        let mean = values().sum::<f64>() / count;
        let variance = values().map(|value| (value - mean).powi(2)).sum::<f64>() / count;
        Self {
            mean: mean as f32,
            // An all-black set would otherwise divide by 0.
            deviation: variance.sqrt().max(1e-6) as f32,
        }
    }

    /// A batcher of pixels between 0 and 1.
    pub fn unit() -> Self {
        Self {
            mean: 0.0,
            deviation: 1.0,
        }
    }
}

impl Batcher<ImageItem, ImageBatch> for ImageBatcher {
    fn batch(&self, items: Vec<ImageItem>, device: &Device) -> ImageBatch {
        let count = items.len();
        let [height, width] = items[0].size;
        let normalise = |pixel: &u8| (f32::from(*pixel) / 255.0 - self.mean) / self.deviation;
        let pixels: Vec<f32> = items
            .iter()
            .flat_map(|item| item.pixels.iter().map(normalise))
            .collect();
        let labels: Vec<i32> = items.iter().map(|item| item.label.into()).collect();
        ImageBatch {
            images: Tensor::from_data(TensorData::new(pixels, [count, 1, height, width]), device),
            labels: Tensor::from_data(TensorData::new(labels, [count]), device),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn the_bundled_images_are_balanced() {
        let train = Images::train(&bundled_data()).unwrap();
        let test = Images::test(&bundled_data()).unwrap();
        assert_eq!((train.len(), test.len()), (10_000, 10_000));
        let of_class = |class| test.labels.iter().filter(|label| **label == class).count();
        assert!((0..10).all(|class| of_class(class) == 1000));
    }

    #[test]
    fn batches_are_normalised() {
        let train = Images::train(&bundled_data()).unwrap().first(500);
        let batcher = ImageBatcher::new(&train);
        let batch = batcher.batch(train.items(0..500), &Device::flex());
        assert_eq!(batch.images.dims(), [500, 1, 28, 28]);
        let mean = batch.images.clone().mean().into_scalar::<f32>();
        let square = batch.images.powi_scalar(2).mean().into_scalar::<f32>();
        assert!(
            mean.abs() < 1e-3 && (square - 1.0).abs() < 1e-3,
            "{mean} {square}"
        );
    }

    #[test]
    fn pixels_of_a_unit_batch_are_between_0_and_1() {
        let train = Images::train(&bundled_data()).unwrap().first(500);
        let batch = ImageBatcher::unit().batch(train.items(0..500), &Device::flex());
        assert_eq!(batch.images.clone().min().into_scalar::<f32>(), 0.0);
        assert_eq!(batch.images.max().into_scalar::<f32>(), 1.0);
    }

    fn images(dir: &Path, bytes: &[u8]) {
        fs::write(dir.join("train-images-idx3-ubyte"), bytes).unwrap();
    }

    fn message(dir: &Path) -> String {
        Images::train(dir).unwrap_err().to_string()
    }

    #[test]
    fn errors_name_the_file_and_what_is_wrong_with_it() {
        let dir = tempfile::tempdir().unwrap();
        let dir = dir.path();
        assert!(message(dir).contains("train-images-idx3-ubyte: no such file"));

        images(dir, &[0, 0]);
        assert!(message(dir).contains("expected an IDX header of 16 bytes, found 2 bytes"));

        let mut one = vec![0, 0, 8, 3, 0, 0, 0, 1, 0, 0, 0, 28, 0, 0, 0, 28];
        images(dir, &[&[1], &one[1..]].concat());
        assert!(message(dir).contains("expected magic [0, 0, 8, 3], found [1, 0, 8, 3]"));

        images(dir, &one);
        assert!(message(dir).contains("expected [1, 28, 28] values"));

        one.extend([0; 28 * 28]);
        images(dir, &one);
        assert!(message(dir).contains("train-labels-idx1-ubyte: no such file"));

        let labels = dir.join("train-labels-idx1-ubyte");
        fs::write(&labels, [0, 0, 8, 1, 0, 0, 0, 2, 0, 0]).unwrap();
        assert!(message(dir).contains("expected 1 labels, one an image, found 2 labels"));

        fs::write(&labels, [0, 0, 8, 1, 0, 0, 0, 1, 10]).unwrap();
        assert!(message(dir).contains("expected labels below 10, found label 10"));

        fs::write(&labels, [0, 0, 8, 1, 0, 0, 0, 1, 9]).unwrap();
        assert_eq!(Images::train(dir).unwrap().len(), 1);

        fs::remove_file(&labels).unwrap();
        fs::write(dir.join("train-labels-idx1-ubyte.gz"), b"not gzip").unwrap();
        assert!(message(dir).contains("train-labels-idx1-ubyte.gz: "));
    }
}
