"""The other emulations, each by a script that uses it."""

from __future__ import annotations

import unittest

import support  # noqa: F401  It sets the path.
from support import rehearse


class Emulations(unittest.TestCase):
    def passes(self, source: str, *noted: str, options: tuple[str, ...] = ()) -> dict[str, object]:
        report = rehearse(source, *options)
        self.assertIsNone(report["failure"])
        for what in noted:
            self.assertIn(what, report["emulated"])
        return report

    def test_devices_and_streams(self) -> None:
        source = """
            import torch, subprocess
            assert torch.cuda.get_device_properties(0).name.startswith("NVIDIA H100")
            assert torch.cuda.get_device_capability() == (9, 0)
            start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
            with torch.cuda.stream(torch.cuda.Stream()):
                start.record()
                x = torch.arange(4, device=torch.device("cuda:0")).pin_memory().to("cuda", non_blocking=True)
                end.record()
            torch.cuda.current_stream().wait_stream(torch.cuda.Stream())
            assert start.elapsed_time(end) >= 0 and x.is_cuda and not x.cpu().is_cuda
            assert "no NVIDIA GPU" in subprocess.run(["nvidia-smi"], capture_output=True, text=True).stdout
            torch.cuda.set_rng_state(torch.cuda.get_rng_state())
        """
        self.passes(source, "cuda event -> clock", "cuda stream -> in order", "device cuda -> cpu")

    def test_a_compressor_gives_back_what_it_got(self) -> None:
        source = """
            import subprocess, pathlib
            pathlib.Path("a.bin").write_bytes(b"weights" * 99)
            subprocess.run(["lrzip", "-z", "-L", "9", "-o", "a.lrz", "a.bin"], check=True)
            subprocess.run(["lrzip", "-d", "-f", "-o", "b.bin", "a.lrz"], check=True)
            assert pathlib.Path("b.bin").read_bytes() == b"weights" * 99
        """
        self.passes(source)

    def test_a_graph_is_refused_by_name(self) -> None:
        report = rehearse("import torch\ntorch.cuda.CUDAGraph()\n")
        self.assertEqual(report["failure"]["remedy"], "not_emulated")
        self.assertIn("CUDA graph", report["failure"]["message"])

    def test_a_copy_on_the_host_does_not_follow_the_original(self) -> None:
        source = """
            import torch
            x = torch.zeros(3, device="cuda")
            kept, again = x.cpu(), x.to("cpu")
            x += 1
            assert kept.sum() == 0 and again.sum() == 0
            back = kept.cuda()
            back += 5
            assert kept.sum() == 0 and back.is_cuda
        """
        self.passes(source)

    def test_tables_made_in_inference_mode_can_be_differentiated_through(self) -> None:
        source = """
            import torch
            w = torch.nn.Parameter(torch.ones(3))
            with torch.inference_mode():
                table = torch.arange(3.0)
            @torch.inference_mode()
            def evaluate():
                return (w * table).sum()
            assert not evaluate().requires_grad
            (w * table).sum().backward()
            assert w.grad.tolist() == [0.0, 1.0, 2.0]
        """
        self.passes(source, "inference_mode -> no_grad")

    def test_compile_and_its_hints_do_nothing(self) -> None:
        source = """
            import torch
            import torch._dynamo
            torch._dynamo.config.optimize_ddp = False
            @torch.compile(mode="max-autotune", fullgraph=True)
            def double(x):
                return 2 * x
            @torch.compiler.disable
            def plain(x):
                return x
            torch.compiler.cudagraph_mark_step_begin()
            torch._dynamo.reset()
            assert double(plain(torch.ones(1))).item() == 2
        """
        self.passes(source, "torch.compile -> as it is")

    def test_the_clock_moves_with_the_steps_and_with_sleep(self) -> None:
        source = """
            import os, time, torch
            cap = float(os.environ.get("MAX_WALLCLOCK_SECONDS", 600))
            w = torch.nn.Parameter(torch.ones(1))
            muon, adam = torch.optim.SGD([w], lr=0.1), torch.optim.Adam([w], lr=0.1)
            start, steps = time.time(), 0
            while time.time() - start < cap - 12:
                w.sum().backward()
                muon.step(); adam.step()
                steps += 1
            assert steps == 4, steps
            later = torch.optim.SGD([w], lr=0.1)
            before = time.monotonic()
            w.sum().backward(); later.step()
            assert time.monotonic() - before < 10
            time.sleep(30)
            assert time.monotonic() - before >= 30
        """
        report = self.passes(source, options=("--steps", "4"))
        self.assertEqual((report["steps"], report["seconds_per_step_on_the_clock"]), (4, 150.0))

    def test_ddp_of_one_process_names_parameters_without_a_gradient(self) -> None:
        source = """
            import torch
            from torch.nn.parallel import DistributedDataParallel as DDP
            class Model(torch.nn.Module):
                def __init__(self):
                    super().__init__()
                    self.used, self.unused = torch.nn.Linear(1, 1), torch.nn.Linear(1, 1)
                def forward(self, x):
                    return self.used(x)
            model = DDP(Model().cuda(), device_ids=[0], broadcast_buffers=False)
            with model.no_sync():
                model(torch.ones(1, 1)).sum().backward()
            model(torch.ones(1, 1)).sum().backward()
            assert isinstance(model, DDP) and model.module.used.weight.grad.item() == 2
        """
        report = self.passes(source)
        self.assertTrue(any("no gradient for unused.weight" in what for what in report["emulated"]))


if __name__ == "__main__":
    unittest.main()
