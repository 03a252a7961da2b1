//! The adapters' initial A matrices: A ~ U(±1/√in), the project's own map from (seed, document, adapter) to values.
//!
//! It is integer arithmetic on 64 bits and one exact rounding to f32, carried out by libtorch on the device that scores, so a
//! CPU and a GPU draw the same values and no library's next version can change a ledger.

use sha2::{Digest as _, Sha256};
use tch::{Device, Kind, Tensor};

use crate::nn::AdapterInit;

/// The increment of splitmix64, 2⁶⁴ divided by the golden ratio, and the multipliers of its finaliser, as signed numbers: the
/// products wrap around in either reading.
const GOLDEN: i64 = 0x9E37_79B9_7F4A_7C15_u64 as i64;
const MIX: [i64; 2] = [0xBF58_476D_1CE4_E5B9_u64 as i64, 0x94D0_49BB_1331_11EB_u64 as i64];

/// Draws from SHA-256 of `seed/document/adapter`, so that values do not depend on the batch, the order or the device.
pub struct SeededInit {
    pub seed: u64,
}

impl AdapterInit for SeededInit {
    /// Value i of an adapter is `(2u − 1)/√in`, where u has the 24 highest bits of splitmix64's i-th output, counted from 1,
    /// after the key: the first eight bytes of the digest, little-endian.
    fn a(&self, docs: &[usize], names: &[String], rank: i64, inputs: i64, device: Device) -> Tensor {
        let keys =
            docs.iter().flat_map(|&doc| names.iter().map(move |name| self.key(&doc.to_string(), name))).collect();
        let rows = draw(keys, rank, inputs, device);
        rows.view([docs.len() as i64, names.len() as i64 * rank, inputs])
    }
}

impl SeededInit {
    /// Returns A of the adapters `names` for no document, from which a start is learnt: f32 `[names · rank, inputs]`.
    pub(super) fn shared(&self, names: &[String], rank: i64, inputs: i64, device: Device) -> Tensor {
        draw(names.iter().map(|name| self.key("start", name)).collect(), rank, inputs, device)
    }

    fn key(&self, of: &str, name: &str) -> i64 {
        let digest = Sha256::digest(format!("{}/{of}/{name}", self.seed));
        digest.first_chunk::<8>().map_or(0, |bytes| i64::from_le_bytes(*bytes))
    }
}

/// Draws `rank` rows for each key: `[keys · rank, inputs]`.
fn draw(keys: Vec<i64>, rank: i64, inputs: i64, device: Device) -> Tensor {
    let steps = Tensor::arange_start(1, rank * inputs + 1, (Kind::Int64, device)) * GOLDEN;
    let mut z = Tensor::from_slice(&keys).to_device(device).unsqueeze(1) + steps.unsqueeze(0);
    z = z.bitwise_xor_tensor(&shifted(&z, 30)) * MIX[0];
    z = z.bitwise_xor_tensor(&shifted(&z, 27)) * MIX[1];
    z = z.bitwise_xor_tensor(&shifted(&z, 31));
    let u = shifted(&z, 40).to_kind(Kind::Float) * 2f64.powi(-24);
    let bound = 1.0 / (inputs as f32).sqrt();
    let a = (u * 2.0 - 1.0) * f64::from(bound);
    a.view([keys.len() as i64 * rank, inputs])
}

/// Computes `z >> bits` with zeros from the left, which libtorch's shift of signed numbers does not give.
fn shifted(z: &Tensor, bits: i64) -> Tensor {
    z.bitwise_right_shift_tensor_scalar(bits).bitwise_and((1i64 << (64 - bits)) - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The same map in plain arithmetic.
    fn plainly(seed: u64, doc: usize, name: &str, count: u64, inputs: i64) -> Vec<f32> {
        let digest = Sha256::digest(format!("{seed}/{doc}/{name}"));
        let key = u64::from_le_bytes(*digest.first_chunk::<8>().unwrap());
        let value = |i: u64| {
            let mut z = key.wrapping_add(i.wrapping_mul(0x9E37_79B9_7F4A_7C15));
            z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
            z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
            z ^= z >> 31;
            ((z >> 40) as f32 / (1u32 << 24) as f32 * 2.0 - 1.0) * (1.0 / (inputs as f32).sqrt())
        };
        (1..=count).map(value).collect()
    }

    #[test]
    fn the_map_is_its_definition_bit_for_bit() {
        let names = ["q.3".to_owned(), "mlp.0".to_owned()];
        let drawn = SeededInit { seed: 1337 }.a(&[5, 40_000], &names, 3, 32, Device::Cpu);
        assert_eq!(drawn.size(), [2, 6, 32]);
        let expected: Vec<f32> = [5, 40_000]
            .iter()
            .flat_map(|&doc| names.iter().flat_map(move |name| plainly(1337, doc, name, 96, 32)))
            .collect();
        assert_eq!(Vec::<f32>::try_from(drawn.reshape([-1])).unwrap(), expected);
        // A value that must never change, or ledgers would.
        assert_eq!(plainly(1337, 0, "q.0", 2, 512), [0.004_277_894_7, -0.033_044_945]);
    }

    #[test]
    fn values_fill_the_interval_evenly() {
        let drawn = SeededInit { seed: 7 }.a(&[1], &["q.0".to_owned()], 64, 1024, Device::Cpu) * 32.0;
        let moments = [drawn.mean(Kind::Double), drawn.square().mean(Kind::Double)].map(|t| t.double_value(&[]));
        assert!(moments[0].abs() < 0.01 && (moments[1] - 1.0 / 3.0).abs() < 0.01, "{moments:?}");
        assert!(drawn.abs().max().double_value(&[]) <= 1.0);
    }
}
