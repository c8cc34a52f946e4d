use std::fmt::{self, Debug, Write};

/// The name of an enum variant in lower case, with spaces between its words.
pub(super) fn name(variant: &impl Debug) -> String {
    let mut name = Name(String::new());
    // Ends with an error behind the name, before the contents are formatted.
    let _ = write!(name, "{variant:?}");
    name.0
}

struct Name(String);

impl Write for Name {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for letter in text.chars() {
            if !letter.is_ascii_alphanumeric() {
                return Err(fmt::Error);
            }
            if letter.is_ascii_uppercase() && !self.0.is_empty() {
                self.0.push(' ');
            }
            self.0.push(letter.to_ascii_lowercase());
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::{Along, Elementwise, Reduction, Spatial};

    #[test]
    fn names_are_words() {
        #[derive(Debug)]
        #[allow(dead_code)]
        enum Operation {
            Relu,
            MaxPool2d(usize),
            AddScalar { scalar: f64 },
        }
        assert_eq!(name(&Operation::Relu), "relu");
        assert_eq!(name(&Operation::MaxPool2d(1)), "max pool2d");
        assert_eq!(name(&Operation::AddScalar { scalar: 1.0 }), "add scalar");
    }

    /// The first plans that were saved have them.
    #[test]
    fn our_operations_have_the_names_that_burn_gives() {
        for one in Elementwise::ALL {
            assert_eq!(name(one), one.name());
        }
        for one in Reduction::ALL {
            assert_eq!(name(one), one.name());
        }
        for one in Along::ALL {
            assert_eq!(name(one), one.name());
        }
        for one in Spatial::ALL {
            assert_eq!(name(one), one.name());
        }
    }
}
