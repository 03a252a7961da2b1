//! Logits of the next token, for drawing from a model.

use tch::{Device, Tensor, no_grad};

use crate::Result;
use crate::model::{Extra, Gpt};
use crate::nn::{Docs, Rows};

/// Returns the logits of the token that follows each row, f32 `[vocab_size]` each. All rows have the same length, at least one
/// and at most that of the model's context.
///
/// # Errors
/// When the rows are no rectangle.
pub fn next_logits(model: &Gpt, rows: &[&[u16]]) -> Result<Vec<Vec<f32>>> {
    let n = rows.len() as i64;
    let ids: Vec<i64> = rows.iter().copied().flatten().map(|&id| i64::from(id)).collect();
    let last = vec![rows.first().map_or(0, |row| row.len()) as i64 - 1; rows.len()];
    let on_device = |t: Tensor| t.f_view([n, -1]).map(|t| t.to_device(model.device()));
    let (ids, positions) = (on_device(Tensor::from_slice(&ids))?, on_device(Tensor::from_slice(&last))?);
    let only = Rows { positions };
    let logits = no_grad(|| {
        let hidden = model.hidden(&ids, &Docs::Rows, Extra { only: Some(&only), ..Extra::default() });
        model.logits(&hidden, None).to_device(Device::Cpu)
    });
    let all = Vec::<f32>::try_from(logits.f_reshape([-1])?)?;
    Ok(all.chunks((all.len() / rows.len().max(1)).max(1)).map(<[f32]>::to_vec).collect())
}
