"""What the Triton kernels of contest scripts compute, in PyTorch."""

from __future__ import annotations

from typing import Any

import torch

from .kernels import TensorDescriptor, reference


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
