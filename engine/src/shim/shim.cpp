// What tch does not wrap of libtorch; mod.rs beside this file is the only caller and documents the functions.
//
// Everything here goes through the dispatcher of libtorch_cpu or the interfaces of libc10: the kernels and the
// allocator of libtorch_cuda are found at run time, where it is loaded, and nothing links it. The headers are the
// smallest that declare what is used: ATen/ATen.h takes three times as long to compile.

#include <ATen/core/Tensor.h>
#include <ATen/ops/_flash_attention_forward_ops.h>
#include <ATen/ops/leaky_relu_ops.h>
#include <c10/core/CachingDeviceAllocator.h>
#include <c10/util/Exception.h>
#include <torch/csrc/autograd/custom_function.h>

#include <cstdlib>
#include <cstring>
#include <exception>
#include <optional>
#include <utility>

namespace {

// A copy for the caller to free(). Null would mean success: without the memory for it the process ends, as in Rust.
char *message(const char *text) noexcept {
  char *copy = strdup(text);
  return copy != nullptr ? copy : (std::abort(), nullptr);
}

// Runs `body` and returns null, or returns the message of what it threw. No exception leaves.
template <typename Body>
char *guarded(Body body) noexcept {
  try {
    body();
    return nullptr;
  } catch (const c10::Error &error) {
    return message(error.what_without_backtrace());
  } catch (const std::exception &error) {
    return message(error.what());
  } catch (...) {
    return message("an exception of unknown type");
  }
}

// The kernel loads 16 bytes (8 numbers of 16 bits) at once: the last dimension must be dense and every row aligned.
at::Tensor loadable(const at::Tensor &tensor) {
  constexpr int64_t lanes = 8;
  const bool as_is = tensor.stride(2) == 1 && tensor.stride(1) % lanes == 0 && tensor.stride(0) % lanes == 0 &&
                     tensor.storage_offset() % lanes == 0;
  return as_is ? tensor : tensor.clone(at::MemoryFormat::Contiguous);
}

// Null where libtorch_cuda is not loaded, and before the first use of a GPU.
c10::DeviceAllocator *cuda_allocator() {
  auto *allocator = dynamic_cast<c10::DeviceAllocator *>(c10::GetAllocator(c10::DeviceType::CUDA));
  return allocator != nullptr && allocator->initialized() ? allocator : nullptr;
}

// A value for each row, and what is known of its gradient.
struct Known {
  at::Tensor values, rows, of_a, of_b;
};

struct KnownGradient : torch::autograd::Function<KnownGradient> {
  using Learned = std::optional<at::Tensor>;

  static at::Tensor forward(torch::autograd::AutogradContext *ctx, const at::Tensor &, const Learned &, const Learned &,
                            const Known &known) {
    ctx->saved_data["rows"] = known.rows;
    ctx->saved_data["of_a"] = known.of_a;
    ctx->saved_data["of_b"] = known.of_b;
    return known.values;
  }

  // Multiplies in place, so that there is no second tensor of the rows' size; hence only once.
  static torch::autograd::variable_list backward(torch::autograd::AutogradContext *ctx,
                                                 torch::autograd::variable_list grads) {
    auto saved = std::exchange(ctx->saved_data, {});
    TORCH_CHECK(saved.count("rows") == 1, "this gradient can be taken only once");
    const auto &grad = grads[0];
    const auto sum = [&](const at::Tensor &of) { return of.defined() ? of.mul(grad).sum() : at::Tensor(); };
    auto rows = saved["rows"].toTensor();
    rows.mul_(grad.unsqueeze(1));
    return {rows, sum(saved["of_a"].toTensor()), sum(saved["of_b"].toTensor()), at::Tensor()};
  }
};

} // namespace

extern "C" {

char *caddie_varlen_attention(const at::Tensor *q, const at::Tensor *k, const at::Tensor *v,
                              const at::Tensor *cu_seqlens, int64_t max_seqlen, at::Tensor **out) {
  return guarded([&] {
    auto result = at::_ops::_flash_attention_forward::call(
        loadable(*q), loadable(*k), loadable(*v), *cu_seqlens, *cu_seqlens, max_seqlen, max_seqlen, /*dropout_p=*/0.0,
        /*is_causal=*/true, /*return_debug_mask=*/false, /*scale=*/std::nullopt, /*window_size_left=*/std::nullopt,
        /*window_size_right=*/std::nullopt, /*seqused_k=*/std::nullopt, /*alibi_slopes=*/std::nullopt);
    *out = new at::Tensor(std::get<0>(std::move(result)));
  });
}

char *caddie_leaky_relu(const at::Tensor *x, double slope, at::Tensor **out) {
  return guarded([&] { *out = new at::Tensor(at::_ops::leaky_relu::call(*x, slope)); });
}

// `tensors` are z, two learned numbers or undefined ones, the values, and the gradients for the three.
char *caddie_known_gradient(const at::Tensor *const *tensors, at::Tensor **out) {
  return guarded([&] {
    const Known known{*tensors[3], *tensors[4], *tensors[5], *tensors[6]};
    const auto learned = [](const at::Tensor &t) { return t.defined() ? std::optional(t) : std::nullopt; };
    *out = new at::Tensor(KnownGradient::apply(*tensors[0], learned(*tensors[1]), learned(*tensors[2]), known));
  });
}

char *caddie_cuda_peak_memory(int8_t device, int64_t *allocated, int64_t *reserved) {
  return guarded([&] {
    auto *allocator = cuda_allocator();
    TORCH_CHECK(allocator != nullptr, "no memory of a GPU is in use");
    const auto stats = allocator->getDeviceStats(device);
    constexpr auto all = static_cast<size_t>(c10::CachingAllocator::StatType::AGGREGATE);
    *allocated = stats.allocated_bytes[all].peak;
    *reserved = stats.reserved_bytes[all].peak;
  });
}

char *caddie_cuda_empty_cache() {
  return guarded([&] {
    if (auto *allocator = cuda_allocator()) {
      allocator->emptyCache();
    }
  });
}

} // extern "C"
