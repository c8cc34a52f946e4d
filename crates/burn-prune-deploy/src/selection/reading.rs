//! Which units nobody needs under masks.
//!
//! A unit can go when each layer that reads it gets nothing from it: what it sends is 0, or the weights
//! that read it are masked, or what it is read into can go itself; or when what it sends is a constant
//! that the layer's bias can take over. Everything starts as a unit that can go, and those that are
//! needed are taken out until nothing changes: so units that only read each other can go, too.

use std::collections::{HashMap, HashSet};
use std::rc::Rc;

use super::constants::Constants;
use super::masked::Masked;
use super::product::Product;
use super::takers::{self, Taker};
use crate::graph::{OperationId, OperationKind as Kind, TensorId};
use crate::groups::{Groups, Place};
use crate::shrink::{Constant, Fold, FoldTerm};

/// The units of a model under masks.
pub(super) struct Reading<'a> {
    groups: &'a Groups,
    products: &'a [Product],
    constants: &'a Constants<'a>,
    /// What can take over constants, by product.
    takers: Vec<Taker>,
    /// By group and unit, whether it can go.
    gone: Vec<Vec<bool>>,
    /// Whether it is all masked.
    forced: Vec<Vec<bool>>,
    /// The products and inputs where each unit is read.
    readers: HashMap<(u32, u32), Vec<(usize, usize)>>,
}

/// A constant that a unit sends to a layer.
pub(super) struct Received {
    pub product: usize,
    pub constant: Rc<Constant>,
}

/// What a unit sends to the layers that need it.
pub(super) enum Sending {
    /// Something that depends on the input.
    Signal,
    /// Constants, those included that are 0 with the values that the graph has.
    Constants(Vec<Received>),
}

impl<'a> Reading<'a> {
    pub(super) fn of(
        groups: &'a Groups,
        masked: &Masked,
        products: &'a [Product],
        constants: &'a Constants<'a>,
    ) -> Self {
        let graph = groups.graph();
        let all = groups.groups().iter();
        let forced = all.clone().map(|group| {
            let units = group.units.iter();
            units.map(|unit| masked.has_unit(graph, unit)).collect()
        });
        let products_takers = products.iter().map(|product| takers::of(graph, product));
        let mut reading = Self {
            groups,
            products,
            constants,
            takers: products_takers.collect(),
            // The only unit of a group stays.
            gone: all
                .map(|group| vec![group.units.len() > 1; group.units.len()])
                .collect(),
            forced: forced.collect(),
            readers: HashMap::new(),
        };
        for (number, product) in products.iter().enumerate() {
            for input in 0..product.inputs {
                if let Some(unit) = reading.place(number, input) {
                    reading
                        .readers
                        .entry(unit)
                        .or_default()
                        .push((number, input));
                }
            }
        }
        for operation in graph.operation_ids() {
            reading.keep_leaks(operation);
        }
        while reading.keep_read() {}
        reading
    }

    /// By group and unit, whether it can go.
    pub(super) fn gone(&self) -> &[Vec<bool>] {
        &self.gone
    }

    pub(super) fn taker(&self, product: usize) -> &Taker {
        &self.takers[product]
    }

    pub(super) fn product(&self, product: usize) -> &Product {
        &self.products[product]
    }

    fn is_gone(&self, place: Place) -> bool {
        place.is_some_and(|(group, unit)| self.gone[group as usize][unit as usize])
    }

    fn keep(&mut self, place: Place) {
        if let Some((group, unit)) = place {
            let (group, unit) = (group as usize, unit as usize);
            self.gone[group][unit] &= self.forced[group][unit] && self.gone[group].len() > 1;
        }
    }

    /// Keeps units that lead into an operation and neither out of it again nor into a sum with weights:
    /// what is 1 along their axis is repeated, for instance.
    fn keep_leaks(&mut self, operation: OperationId) {
        let groups = self.groups;
        let graph = groups.graph();
        let (kind, inputs) = (&graph[operation].kind, &graph[operation].inputs);
        let products = self.products;
        let product = products
            .iter()
            .find(|product| product.operation == operation);
        let is_summed = |tensor: TensorId, axis: usize| {
            product.is_some_and(|product| {
                let summed = [product.signal, product.weight];
                summed
                    .iter()
                    .any(|along| (along.tensor, along.axis) == (tensor, axis))
            })
        };
        let made = graph[operation].outputs.iter().flat_map(|output| {
            let axes = 0..graph.shape(*output).len();
            axes.flat_map(|axis| groups.units_of(*output, axis))
        });
        let made: HashSet<(u32, u32)> = made.flatten().copied().collect();
        for input in inputs {
            for axis in 0..graph.shape(*input).len() {
                if is_summed(*input, axis) {
                    continue;
                }
                let places = groups.units_of(*input, axis);
                let aligned = match kind {
                    Kind::Elementwise { .. } | Kind::Expand => {
                        let output = graph[operation].outputs[0];
                        let missing = graph.shape(output).len() - graph.shape(*input).len();
                        Some(groups.units_of(output, axis + missing))
                    }
                    _ => None,
                };
                let is_dropped = matches!(kind, Kind::Slice { .. });
                for (entry, place) in places.iter().enumerate() {
                    if !self.is_gone(*place) || is_dropped {
                        continue;
                    }
                    let leads_on = match aligned {
                        Some(aligned) => aligned.len() == places.len() && aligned[entry] == *place,
                        None => place.is_some_and(|unit| made.contains(&unit)),
                    };
                    if !leads_on {
                        self.keep(*place);
                    }
                }
            }
        }
    }

    /// Keeps what is needed by something that stays; says whether there was something.
    fn keep_read(&mut self) -> bool {
        let mut found = false;
        for number in (0..self.products.len()).rev() {
            for input in 0..self.products[number].inputs {
                let place = self.place(number, input);
                if !self.is_gone(place) || !self.is_read(number, input) {
                    continue;
                }
                if !self.is_taken(number, input) {
                    self.keep(place);
                    found |= !self.is_gone(place);
                }
            }
        }
        found
    }

    /// The unit of an input of a product.
    fn place(&self, product: usize, input: usize) -> Place {
        let product = &self.products[product];
        let (signal, weight) = (product.signal, product.weight);
        let place = self.groups.units_of(signal.tensor, signal.axis)[input];
        let entry = product.weight_entry(input);
        place.or(self.groups.units_of(weight.tensor, weight.axis)[entry])
    }

    /// Whether an output that stays reads an input with weights that are not masked.
    fn is_read(&self, product: usize, input: usize) -> bool {
        let product = &self.products[product];
        let outputs = self.groups.units_of(product.out.tensor, product.out.axis);
        let mut reads = product.reads(input);
        reads.any(|output| !self.is_gone(outputs[output]) && !product.is_masked(input, output))
    }

    /// Whether what comes in at an input can go: it is 0, or the product's bias takes it over.
    fn is_taken(&self, product: usize, input: usize) -> bool {
        let known = &self.products[product];
        self.constants.sent(known, input).is_some_and(|sent| {
            // What is 0 with the values of today has to be so when the model is cut, which takes a
            // weight to look at.
            let can_be_checked = known.matrix.is_some();
            let is_taken =
                self.constants.is_zero(&sent) || matches!(self.takers[product], Taker::Into(_));
            sent.is_zero() || (can_be_checked && is_taken)
        })
    }

    /// What a unit sends to what reads it.
    pub(super) fn sending(&self, group: usize, unit: usize) -> Sending {
        let readers = self.readers.get(&(group as u32, unit as u32));
        let mut received = Vec::new();
        for (product, input) in readers.into_iter().flatten().copied() {
            if !self.is_read(product, input) {
                continue;
            }
            match self.constants.sent(&self.products[product], input) {
                None => return Sending::Signal,
                Some(constant) if constant.is_zero() => {}
                Some(constant) => received.push(Received { product, constant }),
            }
        }
        Sending::Constants(received)
    }

    /// What goes over to biases when these units are cut.
    pub(super) fn folds(&self, is_cut: impl Fn(usize, usize) -> bool) -> Vec<Fold> {
        let graph = self.groups.graph();
        let mut folds = Vec::new();
        for (number, product) in self.products.iter().enumerate() {
            let mut terms = Vec::new();
            for input in 0..product.inputs {
                let Some((group, unit)) = self.place(number, input) else {
                    continue;
                };
                let (group, unit) = (group as usize, unit as usize);
                let is_needed = is_cut(group, unit) && !self.forced[group][unit];
                if !is_needed || !self.is_read(number, input) {
                    continue;
                }
                let sent = self.constants.sent(product, input);
                let Some(sent) = sent.filter(|sent| !sent.is_zero()) else {
                    continue;
                };
                terms.push(FoldTerm {
                    entry: product.weight_entry(input),
                    outputs: product.reads(input),
                    constant: Constant::clone(&sent),
                });
            }
            if terms.is_empty() {
                continue;
            }
            let Some(matrix) = &product.matrix else {
                continue;
            };
            let weight = &graph[matrix.parameter];
            folds.push(Fold {
                weight: weight.path.clone(),
                shape: graph.shape(weight.tensor).to_vec(),
                axis: matrix.input_axis,
                into: match &self.takers[number] {
                    Taker::Into(into) => Some(into.clone()),
                    Taker::Nobody(_) => None,
                },
                terms,
            });
        }
        folds
    }
}
