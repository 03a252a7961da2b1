//! The C++ shim: its errors arrive as errors on a machine without a GPU, and with one its numbers are attention's.

use caddie_engine::shim::{MemoryStats, empty_cache, memory_stats, varlen_attention};
use caddie_engine::{Error, device};
use tch::{Cuda, Device, Kind, Tensor};

/// The first GPU, or `None` with the reason printed. `select` loads libtorch's CUDA part where there is one.
fn gpu() -> Option<Device> {
    let selected = device::select("cuda");
    if let Err(reason) = &selected {
        println!("skipped: {reason}");
    }
    selected.ok()
}

#[test]
fn tensors_without_a_kernel_are_an_error_that_names_the_operator() {
    let rows = Tensor::zeros([4, 2, 8], (Kind::BFloat16, Device::Cpu));
    let cu_seqlens = Tensor::from_slice(&[0i32, 4]);
    for _ in 0..2 {
        let error = varlen_attention(&rows, &rows, &rows, &cu_seqlens, 4).unwrap_err();
        let message = error.to_string();
        assert!(matches!(error, Error::Torch(_)));
        assert!(message.contains("aten::_flash_attention_forward") && message.contains("CPU"), "{message}");
        assert!(
            !message.contains("Exception raised from") && !message.contains('\n'),
            "not only the reason: {message}"
        );
    }
}

#[test]
fn shapes_and_lengths_are_checked_before_libtorch_reads_strides() {
    let rows = Tensor::zeros([4, 2, 8], (Kind::BFloat16, Device::Cpu));
    let flat = Tensor::zeros([4, 16], (Kind::BFloat16, Device::Cpu));
    let cu_seqlens = Tensor::from_slice(&[0i32, 4]);
    for (q, k, v) in [(&flat, &rows, &rows), (&rows, &flat, &rows), (&rows, &rows, &flat)] {
        let message = varlen_attention(q, k, v, &cu_seqlens, 4).unwrap_err().to_string();
        assert!(message.contains("expected three dims, got [4, 16]"), "{message}");
    }
    for length in [0, -1, i64::from(i32::MAX) + 1] {
        let message = varlen_attention(&rows, &rows, &rows, &cu_seqlens, length).unwrap_err().to_string();
        assert!(message.contains(&format!("max_seqlen is {length}")), "{message}");
    }
}

#[test]
fn without_a_gpu_there_is_no_memory_to_report_and_none_to_hand_back() {
    if Cuda::is_available() || gpu().is_some() {
        println!("skipped: this machine has a GPU");
        return;
    }
    for index in [0, 7, 127, 128, usize::MAX] {
        assert_eq!(memory_stats(index), None);
    }
    empty_cache().unwrap();
}

/// Rows of one segment at a time, in f32 on the CPU: `[tokens, heads, head_dim]`, key and value heads repeated.
fn by_segment(q: &Tensor, k: &Tensor, v: &Tensor, bounds: &[i32]) -> Tensor {
    let group = q.size()[1] / k.size()[1];
    let segments: Vec<Tensor> = bounds
        .windows(2)
        .filter(|pair| pair[0] < pair[1])
        .map(|pair| {
            let heads_first = |rows: &Tensor, repeats: i64| {
                let segment = rows.narrow(0, pair[0].into(), (pair[1] - pair[0]).into());
                segment.repeat_interleave_self_int(repeats, 1, None).transpose(0, 1).unsqueeze(0)
            };
            let (q, k, v) = (heads_first(q, 1), heads_first(k, group), heads_first(v, group));
            let out = Tensor::scaled_dot_product_attention(&q, &k, &v, None::<&Tensor>, 0.0, true, None, false);
            out.squeeze_dim(0).transpose(0, 1)
        })
        .collect();
    Tensor::cat(&segments, 0)
}

/// Norm of the difference by the norm of what is right.
fn relative_error(found: &Tensor, right: &Tensor) -> f64 {
    assert_eq!(found.size(), right.size());
    let found = found.to_device(Device::Cpu).to_kind(Kind::Float);
    ((found - right).norm() / right.norm()).double_value(&[])
}

/// Inputs are rounded to bf16 before either side sees them, so what is left is the rounding of the probabilities, of
/// their gradients and of the results to bf16: 0.2 % of the values' norm and 0.3 % of the gradients', worked out in
/// f32.
#[test]
fn with_a_gpu_values_and_gradients_are_those_of_each_segment_alone() {
    let Some(gpu) = gpu() else { return };
    // Longer than a block of the kernel, one row, an empty one, and one that fills no block.
    let bounds = [0i32, 300, 301, 301, 368];
    let (tokens, longest) = (368, 300);
    tch::manual_seed(1);
    for (heads, kv_heads, head_dim) in [(4, 4, 64), (8, 2, 64), (6, 1, 128), (4, 2, 72)] {
        let case = format!("{heads} heads, {kv_heads} key heads of {head_dim}");
        let leaf = |heads: i64| {
            let rows = Tensor::randn([tokens, heads, head_dim], (Kind::Float, Device::Cpu)).to_kind(Kind::BFloat16);
            (rows.to_device(gpu).set_requires_grad(true), rows.to_kind(Kind::Float).set_requires_grad(true))
        };
        let (q, right_q) = leaf(heads);
        let (k, right_k) = leaf(kv_heads);
        let (v, right_v) = leaf(kv_heads);
        let weight = Tensor::randn([tokens, heads, head_dim], (Kind::Float, Device::Cpu)).to_kind(Kind::BFloat16);

        let cu_seqlens = Tensor::from_slice(&bounds).to_device(gpu);
        let out = varlen_attention(&q, &k, &v, &cu_seqlens, longest).unwrap();
        assert_eq!((out.size(), out.kind(), out.device()), (q.size(), Kind::BFloat16, gpu), "{case}");
        (&out * weight.to_device(gpu)).sum(Kind::Float).backward();
        let right = by_segment(&right_q, &right_k, &right_v, &bounds);
        (&right * weight.to_kind(Kind::Float)).sum(Kind::Float).backward();

        let error = relative_error(&out.detach(), &right.detach());
        assert!(error < 1e-2, "{case}: the values are off by {error}");
        for (name, found, right) in [("q", &q, &right_q), ("k", &k, &right_k), ("v", &v, &right_v)] {
            let error = relative_error(&found.grad(), &right.grad());
            assert!(error < 1e-2, "{case}: the gradient of {name} is off by {error}");
        }

        // Views of one tensor, as a fused projection gives them, whose last dimension is dense or not.
        let fused = Tensor::cat(&[q.detach(), k.detach(), v.detach()], 1);
        for fused in [fused.shallow_clone(), fused.transpose(1, 2).contiguous().transpose(1, 2)] {
            let part = |start, heads| fused.narrow(1, start, heads);
            let (q, k, v) = (part(0, heads), part(heads, kv_heads), part(heads + kv_heads, kv_heads));
            let views = varlen_attention(&q, &k, &v, &cu_seqlens, longest).unwrap();
            assert!(views.equal(&out.detach()), "{case}: a view changes the values");
        }
    }
}

#[test]
fn with_a_gpu_what_libtorch_refuses_is_an_error() {
    let Some(gpu) = gpu() else { return };
    let rows = |heads: i64, head_dim: i64, kind| Tensor::zeros([4, heads, head_dim], (kind, gpu));
    let cu_seqlens = Tensor::from_slice(&[0i32, 4]).to_device(gpu);
    let refused = |q: &Tensor, k: &Tensor, cu_seqlens: &Tensor| {
        assert!(matches!(varlen_attention(q, k, k, cu_seqlens, 4), Err(Error::Torch(_))));
    };
    let (q, k) = (rows(4, 64, Kind::BFloat16), rows(2, 64, Kind::BFloat16));
    refused(&rows(4, 64, Kind::Float), &rows(2, 64, Kind::Float), &cu_seqlens);
    refused(&q, &rows(2, 64, Kind::Half), &cu_seqlens);
    refused(&q, &rows(3, 64, Kind::BFloat16), &cu_seqlens);
    refused(&rows(4, 60, Kind::BFloat16), &rows(2, 60, Kind::BFloat16), &cu_seqlens);
    refused(&q, &k, &cu_seqlens.to_kind(Kind::Int64));
    refused(&q, &k, &cu_seqlens.to_device(Device::Cpu));
    assert_eq!(varlen_attention(&q, &k, &k, &cu_seqlens, 4).unwrap().size(), [4, 4, 64]);
}

#[test]
fn with_a_gpu_the_peak_covers_what_was_allocated() {
    let Some(gpu) = gpu() else { return };
    let Device::Cuda(index) = gpu else { unreachable!("select gave no GPU") };
    const BYTES: u64 = 256 << 20;
    drop(Tensor::zeros([BYTES as i64], (Kind::Uint8, gpu)));
    let Some(MemoryStats { peak_allocated, peak_reserved }) = memory_stats(index) else {
        panic!("no statistics after an allocation")
    };
    assert!(BYTES <= peak_allocated && peak_allocated <= peak_reserved, "{peak_allocated} {peak_reserved}");
    assert_eq!(memory_stats(127), None);
    empty_cache().unwrap();
}
