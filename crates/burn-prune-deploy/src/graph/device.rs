//! Capture devices, which a process can make 65,536 of.

use std::ops::Deref;
use std::sync::{Mutex, PoisonError};

use burn::tensor::Device;

/// Devices that no capture uses now.
static FREE: Mutex<Vec<Device>> = Mutex::new(Vec::new());

/// A capture device for one capture. Each can be used again and again, so that a process has as many
/// as it ever runs captures at once, on whatever threads.
pub(super) struct CaptureDevice(Device);

impl CaptureDevice {
    pub(super) fn take() -> Self {
        let free = FREE.lock().unwrap_or_else(PoisonError::into_inner).pop();
        Self(free.unwrap_or_else(Device::capture))
    }
}

impl Deref for CaptureDevice {
    type Target = Device;

    fn deref(&self) -> &Device {
        &self.0
    }
}

impl Drop for CaptureDevice {
    fn drop(&mut self) {
        let mut free = FREE.lock().unwrap_or_else(PoisonError::into_inner);
        free.push(self.0.clone());
    }
}
