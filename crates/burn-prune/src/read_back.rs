//! Reading tensors back from their device: a wait for all that the device has still to do.

use burn::tensor::{TensorData, Transaction};

/// Waits for the device, and reads what is registered.
pub(crate) fn read_back(transaction: Transaction) -> Vec<TensorData> {
    #[cfg(test)]
    count::add();
    transaction.execute()
}

/// How often this thread has waited for a device to read from it.
#[cfg(test)]
pub(crate) mod count {
    use std::cell::Cell;

    thread_local!(static COUNT: Cell<usize> = const { Cell::new(0) });

    pub(super) fn add() {
        COUNT.set(COUNT.get() + 1);
    }

    /// What has been counted since the last call.
    pub(crate) fn take() -> usize {
        COUNT.take()
    }
}
