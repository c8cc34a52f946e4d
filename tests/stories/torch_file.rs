//! State dicts as `torch.save` writes them: a ZIP archive of stored entries, with a pickle in it.

use std::path::Path;

/// The tensors of a state dict, in this order.
#[derive(Default, Clone)]
pub(crate) struct TorchFile {
    tensors: Vec<Stored>,
    /// In the place of the pickle that describes them.
    pickle: Option<Vec<u8>>,
}

#[derive(Clone)]
struct Stored {
    name: String,
    storage: &'static str,
    shape: Vec<usize>,
    values: usize,
    bytes: Vec<u8>,
}

impl TorchFile {
    /// Adds a tensor; `storage` is PyTorch's name for its type, and the bytes are little-endian.
    pub(crate) fn tensor(
        mut self,
        name: &str,
        storage: &'static str,
        shape: &[usize],
        bytes: Vec<u8>,
    ) -> Self {
        self.tensors.push(Stored {
            name: name.to_string(),
            storage,
            shape: shape.to_vec(),
            values: shape.iter().product(),
            bytes,
        });
        self
    }

    pub(crate) fn floats(self, name: &str, shape: &[usize], values: &[f32]) -> Self {
        let bytes = values.iter().flat_map(|value| value.to_le_bytes());
        self.tensor(name, "FloatStorage", shape, bytes.collect())
    }

    pub(crate) fn save(&self, path: &Path) {
        std::fs::write(path, self.to_bytes()).unwrap();
    }

    /// With other bytes for one of its contents: the pickle for 0, then the tensors.
    pub(crate) fn with_content(&self, index: usize, other: impl FnOnce(&[u8]) -> Vec<u8>) -> Self {
        let mut file = self.clone();
        match index.checked_sub(1) {
            Some(tensor) => file.tensors[tensor].bytes = other(&self.tensors[tensor].bytes),
            None => file.pickle = Some(other(&self.pickle())),
        }
        file
    }

    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        let pickle = self.pickle.clone().unwrap_or_else(|| self.pickle());
        let mut entries = vec![
            ("archive/data.pkl".to_string(), pickle),
            ("archive/byteorder".to_string(), b"little".to_vec()),
            ("archive/version".to_string(), b"3\n".to_vec()),
        ];
        for (index, tensor) in self.tensors.iter().enumerate() {
            entries.push((format!("archive/data/{index}"), tensor.bytes.clone()));
        }
        zip(&entries)
    }

    /// `{name: torch._utils._rebuild_tensor_v2(storage, 0, shape, strides, False, {})}`
    fn pickle(&self) -> Vec<u8> {
        let mut out = b"\x80\x02}(".to_vec();
        for (index, tensor) in self.tensors.iter().enumerate() {
            text(&mut out, &tensor.name);
            out.extend(b"ctorch._utils\n_rebuild_tensor_v2\n((");
            text(&mut out, "storage");
            out.extend(format!("ctorch\n{}\n", tensor.storage).bytes());
            text(&mut out, &index.to_string());
            text(&mut out, "cpu");
            number(&mut out, tensor.values);
            out.extend(b"tQ");
            number(&mut out, 0);
            let strides = (0..tensor.shape.len())
                .map(|axis| tensor.shape[axis + 1..].iter().product::<usize>());
            for sizes in [tensor.shape.clone(), strides.collect()] {
                out.push(b'(');
                sizes.iter().for_each(|size| number(&mut out, *size));
                out.push(b't');
            }
            out.extend(b"\x89}tR");
        }
        out.extend(b"u.");
        out
    }
}

fn text(out: &mut Vec<u8>, text: &str) {
    out.push(b'X');
    out.extend((text.len() as u32).to_le_bytes());
    out.extend(text.bytes());
}

fn number(out: &mut Vec<u8>, number: usize) {
    out.push(b'J');
    out.extend((number as u32).to_le_bytes());
}

/// A ZIP archive of stored entries, with their checksums.
fn zip(entries: &[(String, Vec<u8>)]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut directory = Vec::new();
    for (name, content) in entries {
        let offset = out.len() as u32;
        let mut description = Vec::new();
        // Version 2.0, no flags, stored, at no time.
        description.extend([20, 0, 0, 0, 0, 0, 0, 0, 33, 0]);
        description.extend(crc32fast::hash(content).to_le_bytes());
        for length in [content.len(), content.len()] {
            description.extend((length as u32).to_le_bytes());
        }
        description.extend((name.len() as u16).to_le_bytes());
        description.extend(0u16.to_le_bytes());

        out.extend(b"PK\x03\x04");
        out.extend(&description);
        out.extend(name.bytes());
        out.extend(content);

        directory.extend(b"PK\x01\x02");
        directory.extend([20, 0]);
        directory.extend(&description);
        // No comment, the first disk, no attributes.
        directory.extend([0; 10]);
        directory.extend(offset.to_le_bytes());
        directory.extend(name.bytes());
    }
    let start = out.len() as u32;
    out.extend(&directory);
    out.extend(b"PK\x05\x06");
    out.extend([0; 4]);
    for _ in 0..2 {
        out.extend((entries.len() as u16).to_le_bytes());
    }
    out.extend((directory.len() as u32).to_le_bytes());
    out.extend(start.to_le_bytes());
    out.extend([0; 2]);
    out
}
