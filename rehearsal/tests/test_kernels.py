"""Triton kernels of the project's own through the interpreter, and the references of known kernels."""

from __future__ import annotations

import unittest

import support  # noqa: F401  It sets the path.
from support import rehearse

import numpy as np
import torch

from rehearsal import interpreter, kernels, known_kernels

TRITON = interpreter.available()

KERNEL = """
    import torch, triton
    import triton.language as tl

    @triton.jit
    def scale(x_ptr, y_ptr, n, factor, block: tl.constexpr):
        at = tl.program_id(0) * block + tl.arange(0, block)
        x = tl.load(x_ptr + at, mask=at < n, other=0.0)
        y = (x.to(tl.bfloat16) * factor).to(tl.float32)
        tl.store(y_ptr + at, y, mask=at < n)

    if __name__ == "__main__":
        x = torch.linspace(-3, 3, 100, device="cuda")
        y = torch.empty_like(x)
        scale[(triton.cdiv(100, 32),)](x, y, 100, 2.0, block=32, num_warps=4)
        import numpy as np
        bits = x.numpy().view(np.uint32)
        rounded = ((bits + 0x7FFF + ((bits >> 16) & 1)) & 0xFFFF0000).astype(np.uint32).view(np.float32)
        assert (y.numpy() == 2 * rounded).all()
        print("kernel done")
"""


class Rounding(unittest.TestCase):
    def test_bfloat16_is_rounded_as_pytorch_rounds_it(self) -> None:
        torch.manual_seed(0)
        values = torch.cat((torch.randn(4096) * 100, torch.tensor([0.0, -0.0, float("inf"), -float("inf"), 1.00390625, 1.01171875])))
        wanted = values.bfloat16().float().numpy()
        np.testing.assert_array_equal(interpreter.rounded(values.numpy()), wanted)
        self.assertTrue(np.isnan(interpreter.rounded(np.array([np.nan], dtype=np.float32))).all())
        np.testing.assert_array_equal(interpreter.unpacked(interpreter.packed(wanted)), wanted)

    def test_bits_are_counted(self) -> None:
        np.testing.assert_array_equal(interpreter._population(np.array([[0, 1], [-1, 255]], dtype=np.int32)), [[0, 1], [32, 8]])


@unittest.skipUnless(TRITON, "triton is not installed")
class Interpreted(unittest.TestCase):
    """Every operation in bfloat16 gives what PyTorch gives in bfloat16."""

    def launch(self, body: str, *tensors: torch.Tensor) -> None:
        import importlib.util
        import os
        import tempfile

        interpreter.patch()
        source = (
            "import triton\nimport triton.language as tl\n\n@triton.jit\ndef kernel(a_ptr, b_ptr, y_ptr, n: tl.constexpr):\n"
            "    at = tl.arange(0, n)\n    a = tl.load(a_ptr + at)\n    b = tl.load(b_ptr + at)\n"
            f"    {body}\n    tl.store(y_ptr + at, y)\n"
        )
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "own_kernel.py")
            with open(path, "w", encoding="utf-8") as file:
                file.write(source)
            spec = importlib.util.spec_from_file_location("own_kernel", path)
            module = importlib.util.module_from_spec(spec)
            spec.loader.exec_module(module)
            module.kernel[(1,)](*tensors, n=64)

    def check(self, body: str, wanted: object) -> None:
        torch.manual_seed(0)
        a, b = torch.randn(64).bfloat16(), torch.randn(64).bfloat16()
        y = torch.empty(64, dtype=torch.bfloat16)
        self.launch(body, a, b, y)
        torch.testing.assert_close(y, wanted(a, b), rtol=0, atol=0)  # type: ignore[operator]

    def test_arithmetic(self) -> None:
        self.check("y = a + b", lambda a, b: a + b)
        self.check("y = a * b", lambda a, b: a * b)
        self.check("y = tl.abs(a) - b", lambda a, b: a.abs() - b)
        self.check("y = tl.where(a > b, a, -b)", lambda a, b: torch.where(a > b, a, -b))
        self.check("y = (a.to(tl.float32) * b.to(tl.float32)).to(tl.bfloat16)", lambda a, b: a * b)

    def test_constants_and_bits(self) -> None:
        self.check("y = tl.zeros((n,), dtype=tl.bfloat16) + a", lambda a, b: a)
        self.check("y = tl.full((n,), 0.1, dtype=tl.bfloat16)", lambda a, b: torch.full((64,), 0.1).bfloat16())
        self.check("y = a.to(tl.int16, bitcast=True).to(tl.bfloat16, bitcast=True)", lambda a, b: a)

    def test_functions_of_libdevice(self) -> None:
        a = torch.randint(-1000, 1000, (64,), dtype=torch.int32)
        y = torch.empty(64, dtype=torch.int32)
        self.launch("y = tl.extra.cuda.libdevice.popc(a ^ b)", a, torch.zeros_like(a), y)
        self.assertEqual(y.tolist(), [bin(value & 0xFFFFFFFF).count("1") for value in a.tolist()])

    def test_sums(self) -> None:
        torch.manual_seed(0)
        a = torch.randn(64).bfloat16()
        y = torch.empty(64)
        self.launch("y = tl.sum(a.to(tl.float32), axis=0) + tl.max(b, axis=0).to(tl.float32) + tl.zeros((n,), tl.float32)", a, a, y)
        torch.testing.assert_close(y, (a.float().sum() + a.max().float()).expand(64))

    def test_a_kernel_of_a_script_runs_under_the_harness(self) -> None:
        report = rehearse(KERNEL)
        self.assertIsNone(report["failure"])
        self.assertIn("Triton kernel scale -> Triton's interpreter", report["emulated"])

    def test_autotune_takes_the_first_configuration(self) -> None:
        source = KERNEL.replace("@triton.jit", "@triton.autotune(configs=[triton.Config({'block': 32}), triton.Config({'block': 64})], key=['n'])\n    @triton.jit")
        report = rehearse(source.replace("2.0, block=32, num_warps=4", "2.0"))
        self.assertIsNone(report["failure"])


class Known(unittest.TestCase):
    def test_another_body_is_not_known(self) -> None:
        def kernel(a_desc, b_desc):  # type: ignore[no-untyped-def]
            return a_desc + b_desc

        self.assertIsNone(kernels.known(kernel))

    def test_softcapped_cross_entropy_and_its_gradient(self) -> None:
        torch.manual_seed(0)
        softcap, rows, columns = 5.0, 7, 33
        logits = (4 * torch.randn(rows, columns)).requires_grad_()
        targets = torch.randint(0, columns, (rows,))
        losses, sums, weights = torch.empty(rows), torch.empty(rows), torch.randn(rows)
        sizes = (logits.stride(0), logits.stride(1))
        known_kernels.softcapped_cross_entropy(logits.detach(), losses, sums, targets, *sizes, rows, columns, softcap, block_size=16)
        wanted = torch.nn.functional.cross_entropy(softcap * torch.tanh(logits / softcap), targets, reduction="none")
        torch.testing.assert_close(losses, wanted.detach())
        (wanted * weights).sum().backward()
        gradient = torch.empty(rows, columns)
        known_kernels.softcapped_cross_entropy_gradient(
            gradient, weights, sums, logits.detach(), targets, *sizes, *sizes, rows, columns, softcap, block_size=16
        )
        torch.testing.assert_close(gradient, logits.grad)

    def test_the_product_of_signs(self) -> None:
        torch.manual_seed(0)
        x, w = torch.randn(3, 128), torch.randn(5, 128)
        alpha, beta, y = torch.rand(5, 2), torch.rand(3), torch.empty(3, 5)

        def packed(values: torch.Tensor) -> torch.Tensor:
            bits = (values.view(values.shape[0], -1, 32) > 0).long() << torch.arange(32)
            return bits.sum(-1).to(torch.int32)

        known_kernels.xnor_product(packed(x), packed(w), y, alpha, beta, 3, 5, 4, 2, 2, 4, 4, 5, 2, BLOCK_M=8, BLOCK_N=8)
        scaled = w.sign() * alpha.repeat_interleave(64, 1)
        torch.testing.assert_close(y, x.sign() @ scaled.T * beta[:, None])


if __name__ == "__main__":
    unittest.main()
