//! Whether the stored weight under a mask is known to be zero where it is pruned.

use burn::module::{
    Content, Devices, Flag, Module, ModuleDisplay, ModuleDisplayDefault, ModuleMapper,
    ModuleVisitor, Param, ParamId,
};
use burn::tensor::Device;

/// What is known of the stored weight under a mask.
///
/// Whatever changes a weight inside a module, be it a record that is loaded, an optimizer or a
/// mapper of the user, does so in [`Module::map`], and the same walk visits the state of the mask
/// right after the weight. So each walk removes trust. Only our own passes restore it: they answer
/// the question that [`Trust`] asks each mapper.
///
/// It has no parameters, so it is not in any record; `clone`, `valid`, `train`, `fork` and `to_device`
/// keep it, as they keep the weight.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Trust {
    /// Zeroed by a pass of our own, and no mapper has been here since.
    Zeroed,
    /// One mapper has been here since the weight was zeroed.
    WalkedOnce,
    /// Anything may be stored.
    Unknown,
    /// Read the weight as it is stored, whatever that is: the mask is being removed.
    AsStored,
}

/// What a mapper of our own says about the weight that it has just been given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Answer {
    /// Its values are what they were.
    Unchanged,
    /// What is pruned is zero now.
    Zeroed,
    /// Read it as it is stored.
    AsStored,
}

impl Trust {
    /// The container under which it shows itself to visitors, by the name of the variant.
    const CONTAINER: &'static str = "Enum:Trust";

    /// The id of the flag with which mappers are asked. Mappers of others leave it alone, or do not
    /// know the ids that answer it.
    const QUESTION: u64 = 0x6275_726e_7072_0000;

    /// The flag that a mapper returns in answer to this one.
    pub(crate) fn answer(flag: Param<Flag>, answer: Answer) -> Param<Flag> {
        if flag.id.val() != Self::QUESTION {
            return flag;
        }
        let id = match answer {
            Answer::Unchanged => Self::QUESTION + 1,
            Answer::Zeroed => Self::QUESTION + 2,
            Answer::AsStored => Self::QUESTION + 3,
        };
        Param::initialized(ParamId::from(id), Flag::new(false))
    }

    /// What a visitor that enters this container is shown, if it is this.
    pub(crate) fn shown(name: &str, container: &str) -> Option<Self> {
        if container != Self::CONTAINER {
            return None;
        }
        let all = [
            Self::Zeroed,
            Self::WalkedOnce,
            Self::Unknown,
            Self::AsStored,
        ];
        all.into_iter().find(|trust| trust.name() == name)
    }

    fn name(self) -> &'static str {
        match self {
            Self::Zeroed => "Zeroed",
            Self::WalkedOnce => "WalkedOnce",
            Self::Unknown => "Unknown",
            Self::AsStored => "AsStored",
        }
    }

    fn walked(self) -> Self {
        match self {
            Self::Zeroed => Self::WalkedOnce,
            Self::WalkedOnce | Self::Unknown | Self::AsStored => Self::Unknown,
        }
    }
}

impl Module for Trust {
    fn map<Mapper: ModuleMapper>(self, mapper: &mut Mapper) -> Self {
        let question = Param::initialized(ParamId::from(Self::QUESTION), Flag::new(false));
        let answer = mapper.map_flag(question).id.val();
        match answer.wrapping_sub(Self::QUESTION) {
            1 => self,
            2 => Self::Zeroed,
            3 => Self::AsStored,
            _ => self.walked(),
        }
    }

    fn visit<Visitor: ModuleVisitor>(&self, visitor: &mut Visitor) {
        visitor.enter_module(self.name(), Self::CONTAINER);
        visitor.exit_module(self.name(), Self::CONTAINER);
    }

    fn collect_devices(&self, devices: Devices) -> Devices {
        devices
    }

    fn fork(self, _device: &Device) -> Self {
        self
    }

    fn to_device(self, _device: &Device) -> Self {
        self
    }

    fn train(self) -> Self {
        self
    }

    fn valid(&self) -> Self {
        *self
    }

    fn materialize(self) -> Self {
        self
    }
}

impl ModuleDisplayDefault for Trust {
    fn content(&self, content: Content) -> Option<Content> {
        content.add_formatted(&self.name()).optional()
    }
}

impl ModuleDisplay for Trust {}

#[cfg(test)]
mod tests {
    use super::*;

    struct Foreign;
    impl ModuleMapper for Foreign {}

    /// Gives every flag a new id, as a mapper that makes all ids fresh does.
    struct FreshIds;
    impl ModuleMapper for FreshIds {
        fn map_flag(&mut self, flag: Param<Flag>) -> Param<Flag> {
            Param::initialized(ParamId::new(), flag.val())
        }
    }

    struct Own(Answer);
    impl ModuleMapper for Own {
        fn map_flag(&mut self, flag: Param<Flag>) -> Param<Flag> {
            Trust::answer(flag, self.0)
        }
    }

    #[test]
    fn a_mapper_that_does_not_answer_takes_trust_away() {
        let once = Trust::Zeroed.map(&mut Foreign);
        assert_eq!(once, Trust::WalkedOnce);
        assert_eq!(once.map(&mut Foreign), Trust::Unknown);
        assert_eq!(Trust::Zeroed.map(&mut FreshIds), Trust::WalkedOnce);
        assert_eq!(Trust::Unknown.map(&mut FreshIds), Trust::Unknown);
        assert_eq!(Trust::AsStored.map(&mut Foreign), Trust::Unknown);
    }

    #[test]
    fn freezing_takes_trust_away_and_module_transitions_keep_it() {
        assert_eq!(Trust::Zeroed.freeze(), Trust::WalkedOnce);
        assert_eq!(Trust::Zeroed.no_grad(), Trust::WalkedOnce);
        let device = Device::default();
        for trust in [Trust::Zeroed, Trust::WalkedOnce, Trust::Unknown] {
            assert_eq!(trust.valid().train(), trust);
            assert_eq!(trust.fork(&device).to_device(&device), trust);
        }
    }

    #[test]
    fn only_an_answer_gives_it_back() {
        assert_eq!(Trust::Unknown.map(&mut Own(Answer::Zeroed)), Trust::Zeroed);
        let kept = Trust::WalkedOnce.map(&mut Own(Answer::Unchanged));
        assert_eq!(kept, Trust::WalkedOnce);
        let flag = Param::from_bool(true);
        let id = flag.id;
        let answered = Trust::answer(flag, Answer::Zeroed);
        assert!(answered.id == id && answered.is_enabled(), "another flag");
    }
}
