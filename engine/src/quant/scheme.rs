//! Conversion between tensors of libtorch and the schemes of a model file.

use caddie_format::model::{Outline, Scheme};
use tch::Kind;

use super::{Data, QuantizedModel, QuantizedTensor};

/// The scheme of exported data.
fn of(data: &Data) -> Scheme {
    match data {
        Data::IntRow { .. } => Scheme::IntPerRow,
        Data::PerTensor { .. } => Scheme::Int8PerTensor,
        Data::Float16(_) => Scheme::Float16,
        Data::Float32(_) => Scheme::Float32,
    }
}

/// Element type of the values.
pub fn kind(scheme: Scheme) -> Kind {
    match scheme {
        Scheme::IntPerRow | Scheme::Int8PerTensor => Kind::Int8,
        Scheme::Float16 => Kind::Half,
        Scheme::Float32 => Kind::Float,
    }
}

/// Element type of the scales.
pub fn scale_kind(scheme: Scheme) -> Option<Kind> {
    match scheme {
        Scheme::IntPerRow => Some(Kind::Half),
        Scheme::Int8PerTensor => Some(Kind::Float),
        Scheme::Float16 | Scheme::Float32 => None,
    }
}

/// Returns the facts that determine the layout of a model's file.
pub fn outline(model: &QuantizedModel) -> Vec<Outline> {
    let of_tensor = |t: &QuantizedTensor| {
        let scheme = of(&t.data);
        let bits = match t.data {
            Data::IntRow { bits, .. } => bits,
            _ => 8 * scheme.width() as u8,
        };
        Outline { name: t.name.clone(), shape: t.shape.clone(), scheme, bits }
    };
    model.tensors.iter().map(of_tensor).collect()
}
