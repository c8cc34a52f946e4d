//! Capture devices, which a process can make 65,536 of.

use std::ops::Deref;
use std::sync::{Mutex, PoisonError};

use burn::tensor::{BoolDType, Device, DeviceConfig, FloatDType, IntDType};

/// Devices that no capture uses now, with the types that they are set to.
static FREE: Mutex<Vec<(Types, Device)>> = Mutex::new(Vec::new());

/// The types of tensors for which none is named; none when the device has its own.
type Types = Option<DeviceTypes>;

#[derive(Debug, Clone, Copy, PartialEq)]
struct DeviceTypes {
    float: FloatDType,
    int: IntDType,
    bool: BoolDType,
}

/// A capture device for one capture. Each can be used again and again, so that a process has as many
/// as it ever runs captures at once, on whatever threads.
pub(super) struct CaptureDevice {
    types: Types,
    device: Device,
}

impl CaptureDevice {
    /// A device on which tensors get the types that they have on `like`.
    pub(super) fn take(like: Option<&Device>) -> Self {
        let types = like.map(|device| {
            let settings = device.settings();
            DeviceTypes {
                float: settings.float_dtype,
                int: settings.int_dtype,
                bool: settings.bool_dtype,
            }
        });
        let mut free = FREE.lock().unwrap_or_else(PoisonError::into_inner);
        let known = free.iter().position(|(known, _)| *known == types);
        let known = known.map(|position| free.swap_remove(position).1);
        drop(free);
        let device = known.unwrap_or_else(|| {
            let device = Device::capture();
            if let Some(types) = types {
                let config = DeviceConfig::default()
                    .float_dtype(types.float)
                    .int_dtype(types.int)
                    .bool_dtype(types.bool);
                // It says which types it takes within a scope only; a new one takes any.
                let mut inside = device.clone();
                let empty = device.capture_scope(|scope| {
                    let configured = inside.configure(config);
                    debug_assert!(configured.is_ok(), "{configured:?}");
                    scope.complete([], [])
                });
                debug_assert!(empty.is_ok(), "{empty:?}");
            }
            device
        });
        Self { types, device }
    }
}

impl Deref for CaptureDevice {
    type Target = Device;

    fn deref(&self) -> &Device {
        &self.device
    }
}

impl Drop for CaptureDevice {
    fn drop(&mut self) {
        let mut free = FREE.lock().unwrap_or_else(PoisonError::into_inner);
        free.push((self.types, self.device.clone()));
    }
}
