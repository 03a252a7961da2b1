"""Tests of the rehearsal and of the tools here: python -m unittest discover scripts/parity"""

from __future__ import annotations

import sys
import tempfile
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent.parent))

import numpy as np
import torch

import checkpoints
import dataset
from recording import replace_constant
from rehearsal import kernels, known_kernels, runner
from rehearsal.attention import flash_attn_varlen_func
from rehearsal.emulation import emulate
from rehearsal.views import Absent

IMPORTS = emulate()


def run(source: str) -> dict[str, object]:
    """Runs a script under the rehearsal and returns its names."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "script.py"
        path.write_text(source, encoding="utf-8")
        script, start = runner.load(path, IMPORTS, name="script")
        start()
        return vars(script)


class Rehearsal(unittest.TestCase):
    def test_script_finds_a_gpu_and_nobody_else_does(self) -> None:
        names = run(
            "import torch\nfrom torch import nn\n"
            "there = torch.cuda.is_available()\n"
            "device = torch.device('cuda', 0)\n"
            "placed = torch.zeros(2, device='cuda', dtype=torch.bfloat16)\n"
            "layer = nn.Linear(2, 2).to(device).bfloat16()\n"
            "same = isinstance(device, torch.device)\n"
        )
        self.assertTrue(names["there"] and names["same"])
        self.assertEqual(names["device"], torch.device("cpu"))
        self.assertEqual(names["placed"].dtype, torch.float32)
        self.assertEqual(names["layer"].weight.dtype, torch.float32)
        self.assertIsNot(torch.bfloat16, torch.float32)
        self.assertIs(torch.device, type(torch.zeros(1).device))

    def test_a_cast_to_bfloat16_copies(self) -> None:
        names = run("import torch\na = torch.ones(1)\nb = a.bfloat16()\nb += 1\n")
        self.assertEqual(names["a"].item(), 1.0)

    def test_late_imports_of_a_function_find_the_same(self) -> None:
        source = (
            "def f():\n"
            "    import torch.nn.functional as F\n"
            "    import triton.language as tl\n"
            "    from torch.backends.cuda import enable_math_sdp\n"
            "    enable_math_sdp(False)\n"
            "    return tl.constexpr, F\n"
            "found = f()\n"
        )
        self.assertIs(run(source)["found"][1], torch.nn.functional)
        self.assertTrue(torch.backends.cuda.math_sdp_enabled())

    def test_the_hook_comes_before_the_start(self) -> None:
        source = "def main():\n    return 1\nif __name__ == '__main__':\n    got = main()\n"
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "script.py"
            path.write_text(source, encoding="utf-8")
            seen: list[object] = []

            def hook(script: object) -> None:
                seen.append(script)
                script.main = lambda: 2  # type: ignore[attr-defined]

            main = sys.modules["__main__"]
            try:
                runner.run(path, IMPORTS, hook)
            finally:
                sys.modules["__main__"] = main
        self.assertEqual(seen[0].got, 2)  # type: ignore[attr-defined]


class Kernels(unittest.TestCase):
    SOURCE = "import triton\n\n@triton.jit\ndef kernel(a_desc):\n    {body}\n"

    def test_spacing_and_comments_do_not_count_but_code_does(self) -> None:
        one = kernels.fingerprint("@jit\ndef f(a):\n    return a + 1\n")
        self.assertEqual(one, kernels.fingerprint("  @jit\n  def f(a):  # why\n\n      return a+1\n"))
        self.assertNotEqual(one, kernels.fingerprint("def f(a):\n    return a + 2\n"))

    def test_an_unknown_kernel_is_refused_by_name(self) -> None:
        with self.assertRaisesRegex(Absent, "kernel with source [0-9a-f]{64}"):
            run(self.SOURCE.format(body="return a_desc") + "kernel[(1,)](1)\n")

    def test_what_no_stand_in_has_is_refused_by_name(self) -> None:
        with self.assertRaisesRegex(Absent, "triton.autotune"):
            run("import triton\ntriton.autotune\n")

    def test_the_fused_mlp_has_the_gradient_of_the_plain_one(self) -> None:
        torch.manual_seed(0)
        x, w = torch.randn(6, 4), torch.randn(8, 4)
        wrap = kernels.TensorDescriptor.from_tensor
        before, after, slope = torch.empty(6, 8), torch.empty(6, 8), torch.empty(6, 8)
        known_kernels.linear_leaky_relu_square(wrap(x, []), wrap(w, []), wrap(before, []), wrap(after, []), True)
        h = (x @ w.T).requires_grad_()
        plain = torch.nn.functional.leaky_relu(h, 0.5).square()
        torch.testing.assert_close(after, plain.detach())
        plain.sum().backward()
        ones, eye = torch.ones(6, 1), torch.ones(8, 1)
        known_kernels.linear_leaky_relu_square(wrap(ones, []), wrap(eye, []), wrap(slope, []), wrap(before, []), False)
        torch.testing.assert_close(slope, h.grad)


class Attention(unittest.TestCase):
    BOUNDS = torch.tensor([0, 5, 6, 20, 24, 24, 24], dtype=torch.int32)

    def attend(self, function: object, longest: int = 14) -> list[torch.Tensor]:
        torch.manual_seed(0)
        q, k, v = (torch.randn(24, heads, 8, requires_grad=True) for heads in (4, 2, 2))
        out = function(q, k, v, self.BOUNDS, self.BOUNDS, longest, longest, causal=True)  # type: ignore[operator]
        (out * torch.arange(out.numel()).view_as(out).sin()).sum().backward()
        return [out.detach(), q.grad, k.grad, v.grad]

    @staticmethod
    def plain(q, k, v, bounds, *others, causal):  # type: ignore[no-untyped-def]
        segment = torch.bucketize(torch.arange(24), bounds.unique()[1:], right=True)
        mask = (segment[:, None] == segment) & torch.ones(24, 24, dtype=torch.bool).tril()
        k, v = k.repeat_interleave(2, 1), v.repeat_interleave(2, 1)
        scores = torch.einsum("thd,shd->hts", q, k) / 8**0.5
        return torch.einsum("hts,shd->thd", scores.masked_fill(~mask, -torch.inf).softmax(-1), v)

    def test_segments_do_not_see_each_other(self) -> None:
        for one, other in zip(self.attend(flash_attn_varlen_func), self.attend(self.plain), strict=True):
            torch.testing.assert_close(one, other, atol=2e-6, rtol=1e-5)

    def test_the_operator_for_the_compiler_gives_the_same(self) -> None:
        from rehearsal.attention_op import segment_attention

        def operator(q, k, v, bounds, other, longest, *rest, causal):  # type: ignore[no-untyped-def]
            return segment_attention(q, k, v, bounds, longest, causal)[0]

        for one, other in zip(self.attend(flash_attn_varlen_func), self.attend(operator), strict=True):
            torch.testing.assert_close(one, other, atol=0, rtol=0)

    def test_a_segment_that_is_too_long_is_refused(self) -> None:
        with self.assertRaisesRegex(ValueError, "a segment has 14 tokens"):
            self.attend(flash_attn_varlen_func, longest=13)


class Tools(unittest.TestCase):
    def test_banks_come_back(self) -> None:
        torch.manual_seed(0)
        shapes = {"qo_bank": (6, 4, 4), "kv_bank": (6, 2, 4), "mlp_up_bank": (3, 8, 4), "mlp_down_bank": (3, 4, 8)}
        state = {name: torch.randn(shape) for name, shape in shapes.items()} | {"blocks.0.attn.q_gain": torch.ones(2)}
        plain = checkpoints.unbank(state)
        self.assertTrue(torch.equal(plain["blocks.1.attn.proj.weight"], state["qo_bank"][4]))
        again = checkpoints.bank(plain)
        self.assertEqual(again.keys(), state.keys())
        self.assertTrue(all(torch.equal(again[name], state[name]) for name in state))

    def test_a_missing_layer_is_refused(self) -> None:
        with self.assertRaisesRegex(SystemExit, "has layers"):
            checkpoints.bank({"blocks.1.attn.c_q.weight": torch.ones(2, 2)})

    def test_the_cut_keeps_documents_and_a_multiple(self) -> None:
        tokens = np.array(([1] + [7] * 9) * 5, dtype=np.uint16)
        cut = dataset.cut(tokens, documents=4, sequence=8)
        self.assertEqual((cut.size - 1) % 8, 0)
        self.assertEqual(int((cut == 1).sum()), 4)

    def test_a_constant_is_replaced_only_where_it_is_known(self) -> None:
        def above(n: int) -> bool:
            return n > 65536

        replace_constant(above, 65536, 10)
        self.assertTrue(above(11))
        with self.assertRaises(SystemExit):
            replace_constant(above, 65536, 10)


if __name__ == "__main__":
    unittest.main()
