use std::fmt::{self, Write};

use burn::backend::ir::OperationIr;

/// The name of an operation as Burn's, `MaxPool2d` for instance.
pub(crate) fn operation_name(operation: &OperationIr) -> String {
    if let OperationIr::Custom(custom) = operation {
        return custom.id.clone();
    }
    let mut start = Start(String::new());
    // Ends with an error when there is enough.
    let _ = write!(start, "{operation:?}");
    let names = start.0.split(|letter: char| !letter.is_ascii_alphanumeric());
    let mut names = names.filter(|name| !name.is_empty());
    let outer = names.next().unwrap_or_default();
    let skipped = match operation {
        OperationIr::NumericFloat(..) | OperationIr::NumericInt(..) | OperationIr::Float(..) => 1,
        OperationIr::BaseFloat(_)
        | OperationIr::BaseInt(_)
        | OperationIr::BaseBool(_)
        | OperationIr::Bool(_)
        | OperationIr::Int(_)
        | OperationIr::Module(_)
        | OperationIr::Activation(_) => 0,
        _ => return outer.to_string(),
    };
    names.nth(skipped).unwrap_or(outer).to_string()
}

/// The first letters of a text.
struct Start(String);

impl Write for Start {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0.push_str(text);
        if self.0.len() > 80 {
            return Err(fmt::Error);
        }
        Ok(())
    }
}
