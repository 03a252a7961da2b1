"""The model at its own sizes, the way its tensors are stored, and the threshold under which they are not quantized."""

from __future__ import annotations

import unittest

from support import rehearse

SOURCE = """
    import os, torch
    width = int(os.environ.get("MODEL_DIM", 512))
    class Model(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.embed = torch.nn.Embedding(1024, width)
            self.mlp = torch.nn.Linear(width, 4 * width, bias=False)
            self.gain = torch.nn.Parameter(torch.ones(width))
    if __name__ == "__main__":
        model = Model().to("cuda")
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        model.mlp(torch.ones(1, width, device="cuda")).sum().backward()
        optimizer.step()
        stored = {}
        for name, t in model.state_dict().items():
            stored[name] = t.half() if t.numel() <= 65536 else t.to(torch.int8)
        torch.save({"weights": stored}, "final_model.pt")
        torch.load("final_model.pt", weights_only=False)
        print("final_int8_zlib_roundtrip val_loss:1.0 val_bpb:0.5")
"""


class Sizes(unittest.TestCase):
    def test_the_model_is_built_with_the_scripts_own_sizes_and_nothing_is_computed(self) -> None:
        report = rehearse(SOURCE, "--full-size")
        self.assertIsNone(report["failure"])
        self.assertEqual(report["steps"], 0)
        found = {tensor["name"]: (tensor["shape"], tensor["class"]) for tensor in report["tensors"]}
        self.assertEqual(found["embed.weight"], ([1024, 512], "embedding"))
        self.assertEqual(found["mlp.weight"], ([2048, 512], "mlp"))
        self.assertEqual(found["gain"], ([512], "small tensors"))

    def test_a_toys_matrices_are_quantized_as_those_of_the_real_model(self) -> None:
        report = rehearse(SOURCE)
        shapes = [tensor["shape"] for tensor in report["tensors"]]
        self.assertEqual((report["status"], shapes), ("final_line", [[64], [1024, 64], [256, 64]]))
        bits = {tensor["path"]: tensor["bits"] for tensor in report["stored"]}
        self.assertEqual(bits, {"weights.embed.weight": 8, "weights.mlp.weight": 8, "weights.gain": 16})
        self.assertTrue(any(text.startswith("int8_keep_float_max_numel: 65536") for text in report["overrides"]))


if __name__ == "__main__":
    unittest.main()
