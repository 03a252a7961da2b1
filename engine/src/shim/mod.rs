//! Bindings that tch lacks: attention over packed rows, leaky ReLU with a slope, values whose gradient is known, and the peak
//! memory of a GPU.
//!
//! tch 0.24 binds `_flash_attention_backward`, but not the forward, whose results the backward needs, leaves the slope of
//! `leaky_relu` at its default, takes no function with a gradient of its own, and has nothing of the caching allocator. `shim.cpp` beside this file adds what the functions of
//! this module call; `build.rs` compiles it against the headers of the same libtorch. It uses only what libtorch_cpu and libc10 export, so one
//! binary still serves machines with and without a GPU.
#![allow(unsafe_code)]

use std::ffi::{CStr, c_char};

use tch::{Device, Kind, TchError, Tensor};
use torch_sys::C_tensor;

use crate::Result;

/// The largest amounts of a GPU's memory that this process has held, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MemoryStats {
    /// Bytes that tensors occupied at most, as `torch.cuda.max_memory_allocated` counts them.
    pub peak_allocated: u64,
    /// Bytes that the allocator took from the driver at most, free blocks included, as `torch.cuda.max_memory_reserved`
    /// counts them.
    pub peak_reserved: u64,
}

/// Causal attention in which every row sees its own segment only, by libtorch's FlashAttention 2 for packed rows.
///
/// `q` is `[tokens, heads, head_dim]`; `k` and `v` are `[tokens, kv_heads, head_dim]`, and query head `h` reads key and
/// value head `h / (heads / kv_heads)`. All three are bf16 or f16 on one GPU of compute capability 8.0 or newer, and
/// `head_dim` is a multiple of 8 up to 256. `cu_seqlens` is `[segments + 1]`, i32, on the same GPU: segment `i` holds
/// the rows from `cu_seqlens[i]` up to `cu_seqlens[i + 1]`; a segment may be empty. Scores are divided by
/// `sqrt(head_dim)`. The result has the shape and type of `q`.
///
/// The result is differentiable once with respect to `q`, `k` and `v`. The gradient of `q` is summed with atomic
/// additions in f32, so its last bits can differ from run to run.
///
/// Reading `cu_seqlens` here would make the CPU wait for the GPU, so three properties are the caller's to keep: it
/// ascends from 0, it ends in `tokens`, and no segment is longer than `max_seqlen`. Where one is broken, rows of the
/// result and of the gradients are left as the memory was, and behind `tokens` the kernel writes over other tensors.
///
/// # Errors
/// A tensor that is not three-dimensional, a `max_seqlen` that is not a positive 32-bit number, or whatever libtorch
/// objects to: no kernel for the device of the tensors, another type, shapes that do not fit, too little memory.
///
/// # Source
/// `mha_varlen_fwd` and `mha_varlen_bwd` in `aten/src/ATen/native/transformers/cuda/flash_attn/flash_api.cpp` of
/// PyTorch 2.11; `FlashAttentionBackward0` in `torch/csrc/autograd/generated/Functions.h` is the gradient.
pub fn varlen_attention(q: &Tensor, k: &Tensor, v: &Tensor, cu_seqlens: &Tensor, max_seqlen: i64) -> Result<Tensor> {
    for tensor in [q, k, v] {
        tensor.size3()?;
    }
    if !(1..=i64::from(i32::MAX)).contains(&max_seqlen) {
        return Err(TchError::Shape(format!("varlen_attention: max_seqlen is {max_seqlen}")).into());
    }
    let mut out = std::ptr::null_mut();
    // SAFETY: the four tensors are borrowed for the whole call, so their pointers are valid `at::Tensor`s, of which the
    // function only copies handles. `q`, `k` and `v` have the three dimensions whose strides it reads. It throws
    // nothing, and where it returns no message it has set `out` to a tensor that it made with `new` and keeps no
    // pointer to, as `Tensor::from_ptr` asks.
    unsafe {
        let message =
            caddie_varlen_attention(q.as_ptr(), k.as_ptr(), v.as_ptr(), cu_seqlens.as_ptr(), max_seqlen, &mut out);
        check(message).map(|()| Tensor::from_ptr(out))
    }
}

/// `x` where it is positive and `slope · x` elsewhere, differentiable. tch leaves the slope at its default of 0.01; built from
/// other operations the same takes three to twelve times as long on a CPU.
///
/// # Errors
/// Whatever libtorch objects to.
pub fn leaky_relu(x: &Tensor, slope: f64) -> Result<Tensor> {
    let mut out = std::ptr::null_mut();
    // SAFETY: `x` is borrowed for the whole call, so its pointer is a valid `at::Tensor`. The function throws nothing, and
    // where it returns no message it has set `out` to a tensor that it made with `new` and keeps no pointer to.
    unsafe {
        let message = caddie_leaky_relu(x.as_ptr(), slope, &mut out);
        check(message).map(|()| Tensor::from_ptr(out))
    }
}

/// Gives `values` `[rows]` a gradient that is known already: for value i, that of row i of `z` `[rows, cols]` is row i of
/// `gradient`, and that of each learned number `[]` is the i-th of the `[rows]` beside it.
///
/// `gradient` may be `z`'s own memory where nothing else reads it any more. It is used up by the one backward pass that is
/// possible.
///
/// # Errors
/// Whatever libtorch objects to.
pub fn known_gradient(
    values: &Tensor,
    z: &Tensor,
    gradient: &Tensor,
    learned: Option<[(&Tensor, &Tensor); 2]>,
) -> Result<Tensor> {
    let none = Tensor::new();
    let [(a, of_a), (b, of_b)] = learned.unwrap_or([(&none, &none), (&none, &none)]);
    let tensors = [z, a, b, values, gradient, of_a, of_b].map(Tensor::as_ptr);
    let mut out = std::ptr::null_mut();
    // SAFETY: the seven tensors are borrowed for the whole call, so their pointers are valid `at::Tensor`s, of which the
    // function only copies handles. It throws nothing, and where it returns no message it has set `out` to a tensor that it
    // made with `new` and keeps no pointer to.
    unsafe {
        let message = caddie_known_gradient(tensors.as_ptr(), &mut out);
        check(message).map(|()| Tensor::from_ptr(out))
    }
}

/// The numbers of an f32 tensor on the CPU, row by row, to be changed in place.
///
/// # Errors
/// A tensor of another type or device, or one with gaps.
pub fn values_mut(tensor: &mut Tensor) -> Result<&mut [f32]> {
    if tensor.f_kind()? != Kind::Float || tensor.device() != Device::Cpu || !tensor.is_contiguous() {
        return Err(TchError::Kind("a dense f32 tensor on the CPU is needed".to_owned()).into());
    }
    let len = tensor.numel();
    if len == 0 {
        return Ok(&mut []);
    }
    // SAFETY: a dense tensor has `numel` numbers of its type from `data_ptr` on, which live as long as the tensor does. Whoever
    // has it borrowed mutably has to know of other handles to the same memory, as with every operation in place.
    Ok(unsafe { std::slice::from_raw_parts_mut(tensor.data_ptr().cast::<f32>(), len) })
}

/// The peaks of this process on GPU `device_index`, since its start.
///
/// It is `None` where no GPU computes: without libtorch's CUDA part, before the first use of a GPU, and for a GPU that
/// is not there.
pub fn memory_stats(device_index: usize) -> Option<MemoryStats> {
    let device = i8::try_from(device_index).ok()?;
    let (mut allocated, mut reserved) = (0, 0);
    // SAFETY: both pointers are to integers of this frame, which the function only writes; it throws nothing.
    check(unsafe { caddie_cuda_peak_memory(device, &mut allocated, &mut reserved) }).ok()?;
    Some(MemoryStats { peak_allocated: allocated.try_into().ok()?, peak_reserved: reserved.try_into().ok()? })
}

/// Hands the memory that no tensor occupies back to the driver, on all GPUs: between training and an evaluation whose
/// tensors have other shapes. Without a GPU nothing happens.
///
/// # Errors
/// The driver reports that an earlier kernel failed.
pub fn empty_cache() -> Result<()> {
    // SAFETY: the function takes nothing and throws nothing; memory that a tensor occupies is not touched.
    check(unsafe { caddie_cuda_empty_cache() })
}

/// Turns the message of a function of the shim into an error, and null into success.
fn check(message: *mut c_char) -> Result<()> {
    if message.is_null() {
        return Ok(());
    }
    // SAFETY: a message that is not null is a string that ends in a zero byte, made with `strdup` for this one reader.
    let text = unsafe {
        let text = CStr::from_ptr(message).to_string_lossy().into_owned();
        libc::free(message.cast());
        text
    };
    // After an empty line, the dispatcher lists fifty kernels that it does have.
    Err(TchError::Torch(text.split("\n\n").next().unwrap_or_default().to_owned()).into())
}

// SAFETY: the declarations repeat the definitions in shim.cpp: `at::Tensor *` is what tch calls `*mut C_tensor`, and
// each function returns null or a message to free.
unsafe extern "C" {
    fn caddie_varlen_attention(
        q: *const C_tensor,
        k: *const C_tensor,
        v: *const C_tensor,
        cu_seqlens: *const C_tensor,
        max_seqlen: i64,
        out: *mut *mut C_tensor,
    ) -> *mut c_char;
    fn caddie_leaky_relu(x: *const C_tensor, slope: f64, out: *mut *mut C_tensor) -> *mut c_char;
    fn caddie_known_gradient(tensors: *const *const C_tensor, out: *mut *mut C_tensor) -> *mut c_char;
    fn caddie_cuda_peak_memory(device: i8, allocated: *mut i64, reserved: *mut i64) -> *mut c_char;
    fn caddie_cuda_empty_cache() -> *mut c_char;
}
