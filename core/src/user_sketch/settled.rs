//! What a sketch is when nothing is being added to it: sorted codes while there are few, registers when there are many.

use super::codes::Codes;
use super::growing::{Growing, Inside};
use super::registers::Registers;

/// A set of users in the one form that its size asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Settled {
    Sparse(Codes),
    Dense(Registers),
}

impl Settled {
    pub(super) fn empty() -> Self {
        Self::Sparse(Codes::from_ascending(Vec::new()))
    }

    pub(super) fn of_codes(codes: Codes, precision: u8) -> Self {
        if codes.are_too_many(precision) { Self::Dense(codes.to_registers(precision)) } else { Self::Sparse(codes) }
    }

    pub(super) fn of_grown(growing: &mut Growing, precision: u8) -> Self {
        match growing.inside() {
            Inside::Codes(codes) => Self::of_codes(codes, precision),
            Inside::Registers(registers) => Self::Dense(registers),
        }
    }

    /// The same users at a lower precision.
    pub(super) fn fold_to(&self, precision: u8) -> Self {
        match self {
            Self::Sparse(codes) => Self::of_codes(codes.fold_to(precision), precision),
            Self::Dense(registers) => Self::Dense(registers.fold_to(precision)),
        }
    }

    /// Becomes the union of both, which have this precision.
    pub(super) fn merge(&mut self, other: &Self, precision: u8) {
        match (&mut *self, other) {
            (Self::Dense(registers), Self::Dense(others)) => registers.merge(others),
            (Self::Dense(registers), Self::Sparse(codes)) => codes.raise(registers, precision),
            (Self::Sparse(codes), Self::Sparse(others)) => *self = Self::of_codes(codes.union(others), precision),
            (Self::Sparse(codes), Self::Dense(others)) => {
                let mut registers = others.clone();
                codes.raise(&mut registers, precision);
                *self = Self::Dense(registers);
            }
        }
    }

    pub(super) fn estimate(&self) -> f64 {
        match self {
            Self::Sparse(codes) => codes.estimate(),
            Self::Dense(registers) => registers.estimate(),
        }
    }
}
