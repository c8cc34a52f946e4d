/// `scale · x + shift`, with one of each for every channel, or one for all.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct ChannelMap {
    pub scale: Vec<f64>,
    pub shift: Vec<f64>,
}

impl ChannelMap {
    pub(super) fn identity() -> Self {
        Self::uniform(1.0, 0.0)
    }

    /// The same for all channels.
    pub(super) fn uniform(scale: f64, shift: f64) -> Self {
        Self {
            scale: vec![scale],
            shift: vec![shift],
        }
    }

    pub(super) fn is_uniform(&self) -> bool {
        self.scale.len() == 1
    }

    pub(super) fn scale_of(&self, channel: usize) -> f64 {
        self.scale[channel % self.scale.len()]
    }

    pub(super) fn shift_of(&self, channel: usize) -> f64 {
        self.shift[channel % self.shift.len()]
    }

    /// This one, then another.
    pub(super) fn then(&self, next: &Self) -> Self {
        let channels = self.scale.len().max(next.scale.len());
        let scale = |at| self.scale_of(at) * next.scale_of(at);
        let shift = |at| self.shift_of(at) * next.scale_of(at) + next.shift_of(at);
        Self {
            scale: (0..channels).map(scale).collect(),
            shift: (0..channels).map(shift).collect(),
        }
    }

    pub(super) fn is_finite(&self) -> bool {
        self.scale
            .iter()
            .chain(&self.shift)
            .all(|value| value.is_finite())
    }
}
