"""Records a run of the script with variable-length attention and test-time training (pull request 1530)."""

from __future__ import annotations

import types
from pathlib import Path
from typing import Any

import torch

from recording import (
    Training,
    after,
    before,
    copied,
    hyperparameters,
    replace_constant,
    timed,
    wrap,
    write_json,
    write_tensors,
)
from settings import QUANTIZE_ABOVE

ADAPTERS = {"q": "q_loras", "k": "k_loras", "v": "v_loras", "o": "o_loras", "mlp": "mlp_loras"}
EVALUATIONS = ("trained", "pre_quantization", "quantized")
"""What the calls of the script's evaluator measure, in order: before and after the average over steps, and rounded."""


class Documents:
    """The record of test-time training: what every document started with and what it scored."""

    def __init__(self) -> None:
        self.batches: list[Any] = []
        self.rows: dict[int, dict[str, Any]] = {}
        self.adapters: dict[str, torch.Tensor] = {}
        self.seconds = 0.0
        self._current: list[Any] = []
        self._fresh = False

    def queue(self, batches: list[Any], *args: Any, **kwargs: Any) -> None:
        """Keeps the batches of documents that the script made."""
        self.batches = batches

    def claim(self, index: int, *args: Any, **kwargs: Any) -> None:
        """Starts the next batch of documents."""
        if index >= len(self.batches):
            return
        self._current = self.batches[index][1]
        self._fresh = True
        for row, (doc, (start, length)) in enumerate(self._current):
            self.rows[doc] = {
                "doc": doc,
                "start": start,
                "tokens": length - 1,
                "nats": 0.0,
                "bytes": 0,
                "batch": index,
                "row": row,
                "chunks": [],
            }

    def forward(self, model: torch.nn.Module, x: torch.Tensor, y: torch.Tensor, lora: Any) -> None:
        """Keeps the random halves of the adapters before the first chunk of a batch is read."""
        if not self._fresh:
            return
        self._fresh = False
        for row, (doc, _) in enumerate(self._current):
            self.adapters[f"doc{doc}.lm_head.A"] = lora.lm_head_lora.A[row].detach().clone()
            for short, attribute in ADAPTERS.items():
                for slot, adapter in enumerate(getattr(lora, attribute)):
                    self.adapters[f"doc{doc}.{short}.{slot}.A"] = adapter.A[row].detach().clone()

    def score(
        self,
        result: None,
        losses: torch.Tensor,
        x: torch.Tensor,
        y: torch.Tensor,
        offsets: torch.Tensor,
        lengths: torch.Tensor,
        positions: torch.Tensor,
        base_bytes: torch.Tensor,
        leading_space: torch.Tensor,
        boundary: torch.Tensor,
        *sums: torch.Tensor,
    ) -> None:
        """Adds a chunk of every document of the batch, with the script's own losses and byte tables, in f64."""
        at = positions[: x.size(1)]
        scored = (at >= offsets[:, None]) & (at < (offsets + lengths)[:, None])
        nats = (losses.detach().double() * scored).sum(1).tolist()
        sizes = base_bytes[y].long() + (leading_space[y] & ~boundary[x]).long()
        counts = (sizes * scored).sum(1).tolist()
        for row, (doc, _) in enumerate(self._current):
            if int(lengths[row]) == 0:
                continue
            entry = self.rows[doc]
            entry["nats"] += nats[row]
            entry["bytes"] += counts[row]
            entry["chunks"].append(nats[row])

    def add_seconds(self, seconds: float) -> None:
        self.seconds += seconds

    def totals(self) -> dict[str, float]:
        """The sums over all documents."""
        rows = self.rows.values()
        return {name: sum(row[name] for row in rows) for name in ("tokens", "nats", "bytes")}


class Recorder:
    """Wraps the functions and classes of the script, and writes the reference when the last number is known."""

    def __init__(self, script: Any) -> None:
        self.script = script
        self.h = script.Hyperparameters
        self.training = Training(self.h.grad_accum_steps)
        self.documents = Documents()
        self.model: Any = None
        self.loaders = 0
        self.looped = False
        self.norm: float | None = None
        self.calibration: dict[str, torch.Tensor] = {}
        self.scores: dict[str, Any] = {}

    def unbank(self, state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        """Splits the banks of matrices into one matrix per layer, by the script's own function."""
        return self.script._unbank_state_dict(state, self.h.num_layers)

    def weights(self) -> dict[str, torch.Tensor]:
        return copied(self.unbank(self.model.state_dict()))

    # Training

    def built(self, result: None, model: torch.nn.Module) -> None:
        """The first model that the script finishes is the one that it trains."""
        self.model = self.model or model

    def loader_made(self, result: None, *args: Any, **kwargs: Any) -> None:
        """The script makes a second loader when warm-up is over and the first weights are restored."""
        self.loaders += 1
        if self.loaders == (2 if self.h.warmup_steps > 0 else 1):
            write_tensors("initial.safetensors", self.weights())
            self.training.active = True

    def batch_taken(self, result: tuple[Any, ...], *args: Any) -> None:
        if self.training.active:
            x, y, segments, _ = result
            self.training.batch(x=x[0], y=y[0], cu=segments)

    def loss_computed(self, loss: torch.Tensor, *args: Any, **kwargs: Any) -> None:
        if self.training.active:
            self.training.loss(loss)

    def clipped(self, original: Any) -> Any:
        def clip(parameters: Any, *args: Any, **kwargs: Any) -> Any:
            # The gradients of the first step, and of the first one in which layers are repeated.
            first_looped = self.model.looping_active and not self.looped
            if self.training.active and (self.training.step == 0 or first_looped):
                self.training.gradient(self.model, self.unbank)
                self.looped = self.model.looping_active
            norm = original(parameters, *args, **kwargs)
            self.norm = norm.item()
            return norm

        return clip

    def stepped(self, result: None, optimizers: Any, *args: Any, **kwargs: Any) -> None:
        if not self.training.active:
            return
        groups = {
            "tok": optimizers.optimizer_tok.param_groups[0],
            "muon": optimizers.optimizer_muon.param_groups[0],
            "scalar": optimizers.optimizer_scalar.param_groups[0],
        }
        self.training.finish(
            lr_multiplier=groups["muon"]["lr"] / groups["muon"]["base_lr"],
            lr={name: group["lr"] for name, group in groups.items()},
            muon_momentum=groups["muon"]["momentum"],
            looping=self.model.looping_active,
            gradient_norm=self.norm,
        )
        if self.training.step == self.h.iterations:
            self.training.active = False
            write_tensors("trained.safetensors", self.weights())
            self.training.write()

    # Evaluation and quantization

    def evaluated(self, result: tuple[float, float], *args: Any, **kwargs: Any) -> None:
        name = next(name for name in EVALUATIONS if name not in self.scores)
        self.scores[name] = {"val_loss": result[0], "val_bpb": result[1]}

    def serializing(self, h: Any, model: torch.nn.Module, code: str) -> None:
        write_tensors("ema.safetensors", self.weights())

    def calibration_taken(self, result: tuple[torch.Tensor, ...], *args: Any) -> None:
        self.calibration[f"x.{len(self.calibration)}"] = result[0].clone()

    def hessians_collected(self, result: dict[str, torch.Tensor], *args: Any, **kwargs: Any) -> None:
        write_tensors("calibration.safetensors", self.calibration)
        write_tensors("hessians.safetensors", result)

    def quantized(self, result: tuple[dict[str, torch.Tensor], dict[str, str]], *args: Any, **kwargs: Any) -> None:
        tensors, kinds = result
        write_tensors("quantized.safetensors", tensors)
        write_json("quantized.json", kinds)

    def serialized(self, result: tuple[int, int], *args: Any, **kwargs: Any) -> None:
        total, model = result
        self.scores["artifact"] = {"model_bytes": model, "code_bytes": total - model, "total_bytes": total}

    def adapted(self, result: tuple[float, float], *args: Any, **kwargs: Any) -> None:
        """Test-time training is the last thing that the script does."""
        totals = self.documents.totals()
        self.scores["ttt"] = {"val_loss": result[0], "val_bpb": result[1], **totals}
        train_tokens = self.training.step * self.h.train_batch_tokens
        seconds = self.documents.seconds
        self.scores["timing"] = {
            "threads": torch.get_num_threads(),
            "train_seconds": self.training.seconds,
            "train_tokens": train_tokens,
            "train_tokens_per_second": train_tokens / self.training.seconds,
            "ttt_seconds": seconds,
            "ttt_tokens_per_second": totals["tokens"] / seconds,
            "ttt_documents": len(self.documents.rows),
            "ttt_documents_per_second": len(self.documents.rows) / seconds,
        }
        write_json("documents.json", [self.documents.rows[doc] for doc in sorted(self.documents.rows)])
        write_tensors("adapters.safetensors", self.documents.adapters)
        write_json("scores.json", self.scores)
        Path(f"/tmp/ttt_counter_{self.h.run_id}").unlink(missing_ok=True)

    def install(self) -> None:
        """Puts the recorder between the parts of the script."""
        self.install_export()
        self.install_test_time_training()

    def install_export(self) -> None:
        """Records training, calibration, export and the scores without test-time training."""
        script = self.script
        write_json("hyperparameters.json", hyperparameters(self.h))
        replace_constant(script.gptq_mixed_quantize, 65536, QUANTIZE_ABOVE)

        after(script, "restore_fp32_params", self.built)
        after(script.DocumentPackingLoader, "__init__", self.loader_made)
        after(script.DocumentPackingLoader, "next_batch", self.batch_taken)
        after(script.GPT, "forward", self.loss_computed)
        wrap(torch.nn.utils, "clip_grad_norm_", self.clipped)
        after(script.Optimizers, "step", self.stepped)

        after(script, "eval_val", self.evaluated)
        before(script, "serialize", self.serializing)
        after(script.ShuffledSequenceLoader, "next_batch", self.calibration_taken)
        after(script, "collect_hessians", self.hessians_collected)
        after(script, "gptq_mixed_quantize", self.quantized)
        after(script, "serialize", self.serialized)

    def install_test_time_training(self) -> None:
        """Records the adapters, the order and the nats of the documents."""
        script = self.script
        after(script, "_build_ttt_global_batches", self.documents.queue)
        after(script, "_claim_next_batch", self.documents.claim)
        before(script.GPT, "forward_ttt", self.documents.forward)
        after(script, "_accumulate_bpb", self.documents.score)
        timed(script, "eval_val_ttt_lora", self.documents.add_seconds)
        after(script, "eval_val_ttt_lora", self.adapted)


def hook(script: types.ModuleType) -> None:
    """Starts the recording."""
    Recorder(script).install()
