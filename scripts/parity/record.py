"""Records a run of the newest merged record whose script rehearses (pull request 1855), without test-time training."""

from __future__ import annotations

import time
import types
from typing import Any

import torch

from rehearsal import streams

from recording import after, before, hyperparameters, replace_constant, wrap, write_json
from settings import QUANTIZE_ABOVE
from varlen_ttt import EVALUATIONS, Recorder as VarlenRecorder


class Recorder(VarlenRecorder):
    """The recorder of the script that this one descends from, less what test-time training needs."""

    def evaluated(self, result: tuple[float, float], *args: Any, **kwargs: Any) -> None:
        """The score of the rounded model is the last thing that the script computes."""
        super().evaluated(result, *args, **kwargs)
        if len(self.scores) == len(EVALUATIONS) + 1:
            write_json("scores.json", self.scores)

    def install(self) -> None:
        """Puts the recorder between the parts of the script; its test-time training is off."""
        # The optimizer has a stream of its own, which the emulation of a device for the older scripts does not know.
        for name, stand_in in streams.names(time.perf_counter).items():
            setattr(self.script.torch.cuda, name, stand_in)
        self.install_export()


def hook(script: types.ModuleType) -> None:
    """Starts the recording."""
    Recorder(script).install()
