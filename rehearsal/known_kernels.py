"""What the Triton kernels of contest scripts compute, in PyTorch."""

from __future__ import annotations

from typing import Any

import torch

from .kernels import TensorDescriptor, reference


def _rows(pointer: torch.Tensor, rows: int, columns: int, stride: int, step: int) -> torch.Tensor:
    """The matrix that a kernel reads from a pointer and two strides."""
    return pointer.as_strided((rows, columns), (stride, step))


@reference("af24b1e7b2bee342532de72d942c53a2e4ddfb24de6606ad6c0217de8a8f791d")
def linear_leaky_relu_square(
    a_desc: TensorDescriptor,
    b_desc: TensorDescriptor,
    c_desc: TensorDescriptor,
    aux_desc: TensorDescriptor,
    FORWARD: bool,
    **sizes: Any,
) -> None:
    """The first half of an MLP with the square of LeakyReLU (slope 1/2), and its gradient.

    Forward, c is the product and aux the activation. Backward, a holds the gradient of the activation, aux the product
    of the forward pass, and c becomes the gradient of that product. The derivative of (x/2)² is x/2.
    """
    product = (a_desc.base @ b_desc.base.T).to(c_desc.base.dtype)
    if FORWARD:
        c_desc.base.copy_(product)
        activation = torch.where(product > 0, product, 0.5 * product)
        aux_desc.base.copy_(activation * activation)
    else:
        before = aux_desc.base
        c_desc.base.copy_(product * torch.where(before > 0, 2.0 * before, 0.5 * before))


@reference("a14347780f16a6b9219e07b9460860a11327d4e585a06a538da769ad466c1857")
def softcapped_cross_entropy(
    logits_ptr: torch.Tensor,
    losses_ptr: torch.Tensor,
    lse_ptr: torch.Tensor,
    targets_ptr: torch.Tensor,
    stride_logits_n: int,
    stride_logits_v: int,
    n_rows: int,
    n_cols: int,
    softcap: float,
    **sizes: Any,
) -> None:
    """The cross-entropy of each row of softcapped logits, and the logarithm of the row's sum of exponentials.

    The cap is c·tanh(x/c). Written as 2c·sigmoid(2x/c) it is larger by the constant c, which the loss does not see and
    the logarithm of the sum does.
    """
    logits = _rows(logits_ptr, n_rows, n_cols, stride_logits_n, stride_logits_v).float()
    capped = softcap * torch.tanh(logits / softcap) + softcap
    total = torch.logsumexp(capped, dim=1)
    chosen = capped.gather(1, targets_ptr.view(-1, 1).long()).squeeze(1)
    lse_ptr.view(-1).copy_(total)
    losses_ptr.view(-1).copy_(total - chosen)


@reference("aef6778f01c2702bf4810f264fcca45bf2087128bc12c7cf64c9634a820d9a99")
def softcapped_cross_entropy_gradient(
    grad_logits_ptr: torch.Tensor,
    grad_losses_ptr: torch.Tensor,
    lse_ptr: torch.Tensor,
    logits_ptr: torch.Tensor,
    targets_ptr: torch.Tensor,
    stride_logits_n: int,
    stride_logits_v: int,
    stride_grad_n: int,
    stride_grad_v: int,
    n_rows: int,
    n_cols: int,
    softcap: float,
    **sizes: Any,
) -> None:
    """The gradient of the above with respect to the logits; the derivative of c·tanh(x/c) is 1 − tanh²(x/c)."""
    logits = _rows(logits_ptr, n_rows, n_cols, stride_logits_n, stride_logits_v).float()
    bent = torch.tanh(logits / softcap)
    gradient = torch.exp(softcap * bent + softcap - lse_ptr.view(-1, 1))
    rows = torch.arange(n_rows)
    gradient[rows, targets_ptr.view(-1).long()] -= 1.0
    gradient *= grad_losses_ptr.view(-1, 1).float() * (1.0 - bent * bent)
    _rows(grad_logits_ptr, n_rows, n_cols, stride_grad_n, stride_grad_v).copy_(gradient)


def _signs(packed: torch.Tensor) -> torch.Tensor:
    """The signs that rows of 32-bit integers hold: one for a bit that is set, minus one for another."""
    bits = packed[..., None] >> torch.arange(32) & 1
    return (2 * bits - 1).flatten(-2).float()


@reference("eb955c4aad19f9539c1e52ba3c961e3b0b0cf33494f77dce64fc38c7b1b9d4c7")
def xnor_product(
    X_ptr: torch.Tensor,
    W_ptr: torch.Tensor,
    Y_ptr: torch.Tensor,
    alpha_ptr: torch.Tensor,
    beta_ptr: torch.Tensor,
    M: int,
    N: int,
    K_packed: int,
    GROUP_PACKED: int,
    num_groups: int,
    stride_xm: int,
    stride_wn: int,
    stride_yn: int,
    stride_alpha_n: int,
    **sizes: Any,
) -> None:
    """The product of two matrices of signs, with a scale for each group of each column and one for each row.

    Where the bits of x and w are equal their product is one. The kernel counts those that differ; that is the same sum.
    """
    grouped = num_groups * GROUP_PACKED
    x = _signs(_rows(X_ptr, M, grouped, stride_xm, 1)).view(M, num_groups, -1)
    w = _signs(_rows(W_ptr, N, grouped, stride_wn, 1)).view(N, num_groups, -1)
    alpha = _rows(alpha_ptr, N, num_groups, stride_alpha_n, 1).float()
    product = torch.einsum("mgk,ngk->mn", x, w * alpha[..., None])
    _rows(Y_ptr, M, N, stride_yn, 1).copy_(product * beta_ptr.view(-1, 1).float())
