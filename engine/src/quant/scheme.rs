//! Conversion between tensors of libtorch and the schemes of a model file.

use caddie_format::model::{Outline, Scheme};
use tch::Kind;

use super::{Data, QuantizedModel, QuantizedTensor};
use crate::{Error, Result};

/// The scheme of exported data; symbols have none, they are in files of another format.
fn of(data: &Data) -> Option<Scheme> {
    Some(match data {
        Data::IntRow { .. } => Scheme::IntPerRow,
        Data::PerTensor { .. } => Scheme::Int8PerTensor,
        Data::Float16(_) => Scheme::Float16,
        Data::Float32(_) => Scheme::Float32,
        Data::Symbols(_) => return None,
    })
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
pub fn outline(model: &QuantizedModel) -> Result<Vec<Outline>> {
    let of_tensor = |t: &QuantizedTensor| {
        let Some(scheme) = of(&t.data) else {
            let reason = "symbols are stored in Q2BN files; give the recipe its section [quant.q2]".to_owned();
            return Err(Error::Parameter { name: t.name.clone(), reason });
        };
        let bits = match t.data {
            Data::IntRow { bits, .. } => bits,
            _ => 8 * scheme.width() as u8,
        };
        Ok(Outline { name: t.name.clone(), shape: t.shape.clone(), scheme, bits })
    };
    model.tensors.iter().map(of_tensor).collect()
}
