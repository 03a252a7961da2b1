"""The references of known kernels against Triton's interpreter on the kernels' own sources.

The sources are other people's, so this needs a checkout of the contest's repository in the variable UPSTREAM, and Triton.
"""

from __future__ import annotations

import ast
import importlib.util
import os
import tempfile
import textwrap
import unittest
from pathlib import Path
from typing import Any
from unittest import mock

import support  # noqa: F401  It sets the path.

import torch

from rehearsal import interpreter, kernels, known_kernels

UPSTREAM = os.environ.get("UPSTREAM")


def sources(root: Path) -> dict[str, str]:
    """The source of each known kernel that the checkout has, by its fingerprint."""
    known_kernels.reference  # The import registers the references.
    found: dict[str, str] = {}
    for path in sorted(root.glob("records/*/*/*.py")):
        text = path.read_text(encoding="utf-8")
        if "triton.jit" not in text:
            continue
        lines = text.splitlines(keepends=True)
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef) and any("triton.jit" in ast.unparse(d) for d in node.decorator_list):
                source = textwrap.dedent("".join(lines[node.lineno - 1 : node.end_lineno]))
                fingerprint = kernels.fingerprint(source)
                if fingerprint in kernels._references:
                    found[fingerprint] = source
    return found


@unittest.skipUnless(UPSTREAM and interpreter.available(), "needs UPSTREAM and triton")
class References(unittest.TestCase):
    @classmethod
    def setUpClass(cls) -> None:
        interpreter.patch()
        cls.folder = tempfile.TemporaryDirectory()
        cls.kernels: dict[str, Any] = {}
        for number, source in enumerate(sources(Path(UPSTREAM or "")).values()):
            path = Path(cls.folder.name) / f"kernel_{number}.py"
            path.write_text(f"import triton\nimport triton.language as tl\n\n@triton.jit\n{source}", encoding="utf-8")
            spec = importlib.util.spec_from_file_location(path.stem, path)
            module = importlib.util.module_from_spec(spec)
            spec.loader.exec_module(module)
            for name, value in vars(module).items():
                if isinstance(value, interpreter.patch().InterpretedFunction):
                    cls.kernels[name] = value

    @classmethod
    def tearDownClass(cls) -> None:
        cls.folder.cleanup()

    def both(self, name: str, grid: tuple[int, ...], make: Any) -> list[tuple[torch.Tensor, ...]]:
        """The outputs by the interpreter and by the reference, for the same arguments."""
        kernel = self.kernels[name]
        self.assertIsNotNone(kernels.known(kernel.fn))
        results = []
        for known in (lambda function: None, kernels.known):
            torch.manual_seed(0)
            arguments, options, outputs = make()
            with mock.patch.object(kernels, "known", known):
                interpreter.found.clear()
                kernel[grid](*arguments, **options)
            interpreter.found.clear()
            results.append(outputs)
        return results

    def compare(self, name: str, grid: tuple[int, ...], make: Any, **tolerance: float) -> None:
        for one, other in zip(*self.both(name, grid, make), strict=True):
            torch.testing.assert_close(one, other, **tolerance)

    def test_the_fused_mlp(self) -> None:
        from triton.tools.tensor_descriptor import TensorDescriptor

        for forward in (True, False):

            def make() -> Any:
                a, b = torch.randn(48, 64).bfloat16(), torch.randn(64, 64).bfloat16()
                c = torch.zeros(48, 64).bfloat16()
                aux = torch.zeros_like(c) if forward else torch.randn(48, 64).bfloat16()
                blocks = ((a, [16, 32]), (b, [32, 32]), (c, [16, 16]), (aux, [16, 16]))
                descriptors = [TensorDescriptor.from_tensor(tensor, block) for tensor, block in blocks]
                sizes = {"BLOCK_SIZE_M": 16, "BLOCK_SIZE_N": 32, "BLOCK_SIZE_K": 32, "NUM_SMS": 4, "FORWARD": forward}
                return [*descriptors, 48, 64, 64], sizes, (c, aux)

            self.compare("linear_leaky_relu_square_kernel", (4,), make, atol=0.05, rtol=0.02)

    def test_the_product_of_signs(self) -> None:
        def make() -> Any:
            x = torch.randint(-(2**31), 2**31 - 1, (10, 4), dtype=torch.int32)
            w = torch.randint(-(2**31), 2**31 - 1, (20, 4), dtype=torch.int32)
            y, alpha, beta = torch.zeros(10, 20), torch.rand(20, 2), torch.rand(10)
            sizes = {"GROUP_PACKED": 2, "BLOCK_M": 8, "BLOCK_N": 16}
            arguments = {"M": 10, "N": 20, "K_packed": 4, "num_groups": 2, "stride_xm": 4, "stride_wn": 4}
            return [x, w, y, alpha, beta], {**arguments, **sizes, "stride_yn": 20, "stride_alpha_n": 2}, (y,)

        # The kernel sums in bfloat16, and the rehearsal in f32.
        self.compare("_xnor_matmul_fwd_kernel", (4,), make, atol=0.3, rtol=0.02)

    def test_the_softcapped_cross_entropy(self) -> None:
        rows, columns, softcap = 5, 37, 7.0

        def forward() -> Any:
            logits, targets = 5 * torch.randn(rows, columns), torch.randint(0, columns, (rows,))
            losses, sums = torch.zeros(rows), torch.zeros(rows)
            return [logits, losses, sums, targets, columns, 1, rows, columns, softcap], {"block_size": 16}, (losses, sums)

        self.compare("_softcapped_ce_fwd_kernel", (rows,), forward, atol=1e-5, rtol=1e-5)

        def backward() -> Any:
            logits, targets = 5 * torch.randn(rows, columns), torch.randint(0, columns, (rows,))
            sums = torch.logsumexp(softcap * torch.tanh(logits / softcap) + softcap, 1)
            gradient, weights = torch.zeros(rows, columns), torch.randn(rows)
            sizes = [columns, 1, columns, 1, rows, columns, softcap]
            return [gradient, weights, sums, logits, targets, *sizes], {"block_size": 16}, (gradient,)

        self.compare("_softcapped_ce_bwd_kernel", (rows,), backward, atol=1e-5, rtol=1e-5)


if __name__ == "__main__":
    unittest.main()
