"""A small script of the project's own goes through every phase, as the scripts of the contest do."""

from __future__ import annotations

import base64
import lzma
import unittest

import support  # noqa: F401  It sets the path.
from support import rehearse

from rehearsal.progress import Progress, is_score

WHOLE = """
    import glob, io, os, time, zlib
    import numpy as np, sentencepiece as spm, torch
    import torch.nn.functional as F
    from torch import nn

    class Hyperparameters:
        data_path = os.environ.get("DATA_PATH", "./data/datasets/fineweb10B_sp1024")
        tokenizer_path = os.environ.get("TOKENIZER_PATH", "./data/tokenizers/fineweb_1024_bpe.model")
        vocab_size = int(os.environ.get("VOCAB_SIZE", 1024))
        iterations = int(os.environ.get("ITERATIONS", 20000))
        model_dim = int(os.environ.get("MODEL_DIM", 512))
        seq_len = int(os.environ.get("TRAIN_SEQ_LEN", 1024))
        max_wallclock_seconds = float(os.environ.get("MAX_WALLCLOCK_SECONDS", 600.0))
        hidden_dim = 4096

    def shard(path):
        header = np.fromfile(path, dtype="<i4", count=256)
        assert header[0] == 20240520 and header[1] == 1
        return torch.from_numpy(np.fromfile(path, dtype="<u2", offset=1024, count=header[2]).astype(np.int64))

    def main():
        args = Hyperparameters()
        assert torch.cuda.is_available()
        sp = spm.SentencePieceProcessor(model_file=args.tokenizer_path)
        assert sp.vocab_size() == args.vocab_size
        train = shard(sorted(glob.glob(args.data_path + "/fineweb_train_*.bin"))[0]).to("cuda")
        val = shard(glob.glob(args.data_path + "/fineweb_val_*.bin")[0]).cuda()
        model = nn.Sequential(nn.Embedding(args.vocab_size, args.model_dim), nn.Linear(args.model_dim, args.hidden_dim),
                              nn.Linear(args.hidden_dim, args.vocab_size)).to("cuda").bfloat16()
        model = torch.compile(model)
        one = torch.optim.AdamW(model[0].parameters(), lr=1e-2, fused=True)
        two = torch.optim.Adam([*model[1].parameters(), *model[2].parameters()], lr=1e-2, capturable=True)
        start, step, warm = time.perf_counter(), 0, 0
        while step < args.iterations and time.perf_counter() - start < args.max_wallclock_seconds:
            x = train[step * args.seq_len: (step + 1) * args.seq_len]
            with torch.autocast(device_type="cuda", dtype=torch.bfloat16):
                loss = F.cross_entropy(model(x[:-1]).float(), x[1:])
            loss.backward()
            for o in (one, two):
                o.step(); o.zero_grad(set_to_none=True)
            torch.cuda.synchronize()
            step += 1
            if time.perf_counter() - start > 0.7 * args.max_wallclock_seconds:
                warm += 1
            print(f"step:{step}/{args.iterations} train_loss:{loss.item():.4f} train_time:{1000 * (time.perf_counter() - start):.0f}ms")
        print(f"warmdown steps {warm}, seconds {time.perf_counter() - start:.0f}, hidden {args.hidden_dim}")
        print(f"peak memory allocated: {torch.cuda.max_memory_allocated() >> 20} MiB")
        buffer = io.BytesIO()
        torch.save({k: v.cpu() for k, v in model.state_dict().items()}, buffer)
        with open("final_model.int8.ptz", "wb") as f:
            f.write(zlib.compress(buffer.getvalue()))
        with open("final_model.int8.ptz", "rb") as f:
            state = torch.load(io.BytesIO(zlib.decompress(f.read())), map_location="cuda")
        model.load_state_dict(state)
        with torch.inference_mode():
            loss = F.cross_entropy(model(val[:-1]), val[1:])
        print(f"final_int8_zlib_roundtrip_exact val_loss:{loss.item():.8f} val_bpb:{loss.item() / 1.5:.8f}")

    if __name__ == "__main__":
        main()
"""


class Phases(unittest.TestCase):
    def test_a_script_goes_from_first_to_last_line(self) -> None:
        report = rehearse(WHOLE, "--steps", "5")
        self.assertEqual(report["status"], "final_line", report["failure"])
        self.assertEqual(report["reached"], "final_line")
        names = [phase["name"] for phase in report["phases"]]
        self.assertEqual(names, ["imports", "first_step", "training", "quantize", "reload", "evaluate", "final_line"])
        self.assertEqual(report["steps"], 5)
        self.assertRegex(report["score_line"], r"^final_int8_zlib_roundtrip_exact .* val_bpb:\d")
        self.assertEqual(report["environment"]["MODEL_DIM"], "64")
        self.assertEqual(report["overrides"], ["hidden_dim: 4096 -> 64 (line 15)"])
        for what in ("bfloat16 -> float32", "torch.compile -> as it is", "inference_mode -> no_grad"):
            self.assertIn(what, report["emulated"])
        # Five steps fill the ten minutes, so the last ones lie in the warm-down.
        self.assertTrue(any(line.startswith("warmdown steps 2, seconds 60") for line in report["output_tail"]))

    def test_a_compressed_script_is_prepared_like_a_plain_one(self) -> None:
        import textwrap

        packed = base64.b85encode(lzma.compress(textwrap.dedent(WHOLE).encode())).decode()
        report = rehearse(f"import lzma as L,base64 as B\nexec(L.decompress(B.b85decode({packed!r})))\n", "--steps", "2")
        self.assertEqual(report["status"], "final_line", report["failure"])
        self.assertEqual(report["environment"]["ITERATIONS"], "2")
        self.assertEqual(len(report["overrides"]), 1)

    def test_a_score_is_told_from_other_lines_with_a_bpb(self) -> None:
        for line in (
            "final_int8_zlib_roundtrip_exact val_loss:2.07 val_bpb:1.2243",
            "quantized_ttt_phased val_loss:2.07 val_bpb:1.06 eval_time:400ms",
            "legal_ttt_exact val_loss:1.9 val_bpb:1.1",
        ):
            self.assertTrue(is_score(line), line)
        for line in (
            "step:100/20000 val_loss:3.1 val_bpb:1.9",
            "100/20000 val_loss: 3.1 val_bpb: 1.9",
            "val_bpb:enabled tokenizer_kind=sentencepiece tokenizer_path=./fineweb_1024_bpe.model",
            "  sliding_eval [ 50.0%] 32/64 windows running_bpb=1.2",
            "pre-quantization post-ema val_loss:2.0 val_bpb:1.1",
            "DIAGNOSTIC post_ema val_loss:2.0 val_bpb:1.1",
        ):
            self.assertFalse(is_score(line), line)

    def test_a_checkpoint_during_training_does_not_end_it(self) -> None:
        progress = Progress()
        progress.main()
        progress.stepped()
        progress.wrote()
        self.assertEqual(progress.phase, "quantize")
        progress.stepped()
        self.assertEqual(progress.phase, "training")


    def test_an_optimizer_that_is_none_of_pytorchs_trains_too(self) -> None:
        source = """
            import io, torch
            if __name__ == "__main__":
                w = torch.nn.Parameter(torch.ones(3, device="cuda"))
                w.square().sum().backward()
                w.data -= 0.1 * w.grad
                torch.save(w, "final_model.pt")
                torch.load("final_model.pt", weights_only=False)
                print("final_int8_zlib_roundtrip val_loss:1.0 val_bpb:0.5")
        """
        report = rehearse(source)
        self.assertEqual((report["status"], report["steps"]), ("final_line", 0))


class Failures(unittest.TestCase):
    def failure(self, source: str, **options: object) -> dict[str, object]:
        report = rehearse(source, **options)  # type: ignore[arg-type]
        self.assertEqual(report["status"], "stopped")
        return {**report["failure"], "reached": report["reached"]}

    def test_a_missing_package_is_named(self) -> None:
        found = self.failure("import os\nimport surely_not_installed\n")
        self.assertEqual((found["remedy"], found["about"]), ("missing_package", "surely_not_installed"))
        self.assertEqual((found["where"]["line"], found["reached"]), (2, "imports"))

    def test_a_missing_program_is_named(self) -> None:
        found = self.failure("import subprocess\nsubprocess.run(['surely-no-program', '-x'])\n")
        self.assertEqual((found["remedy"], found["about"]), ("missing_package", "the program surely-no-program"))
        self.assertEqual(found["where"]["line"], 2)

    def test_a_path_of_the_author_is_told(self) -> None:
        found = self.failure("if __name__ == '__main__':\n    open('/workspace/my_model.pt')\n")
        self.assertEqual((found["remedy"], found["reached"]), ("authors_path", "first_step"))
        self.assertIn("/workspace/my_model.pt", found["about"])

    def test_a_bug_of_the_script_has_its_line(self) -> None:
        source = "import torch\np = torch.nn.Parameter(torch.ones(1))\no = torch.optim.SGD([p], lr=1)\np.sum().backward()\no.step()\no.zero_grad()\nprint(undefined)\n"
        found = self.failure(source)
        self.assertEqual((found["remedy"], found["where"]["line"], found["reached"]), ("own_bug", 7, "training"))

    def test_the_network_is_refused_with_what_was_asked_for(self) -> None:
        source = "from huggingface_hub import hf_hub_download\nhf_hub_download(repo_id='some/set', filename='a.bin')\n"
        found = self.failure(source)
        self.assertEqual(found["remedy"], "network")
        self.assertIn("repo_id='some/set'", found["about"])
        found = self.failure("import urllib.request\nurllib.request.urlopen('https://example.org/weights')\n")
        self.assertEqual(found["remedy"], "network")
        self.assertIn("https://example.org/weights", found["about"])

    def test_syntax_of_a_later_python_is_told(self) -> None:
        found = self.failure("x = 1\ny ==== 2\n")
        self.assertEqual((found["remedy"], found["where"]["line"]), ("newer_python", 2))

    def test_a_run_without_end_is_stopped(self) -> None:
        report = rehearse("while True:\n    pass\n", "--wall", "8")
        self.assertEqual((report["status"], report["failure"]["remedy"]), ("stopped", "time"))

    def test_more_memory_than_there_is_is_told(self) -> None:
        found = self.failure("import torch\nx = torch.empty(1 << 40)\n")
        self.assertEqual((found["remedy"], found["where"]["line"]), ("memory", 2))

    def test_a_script_that_prints_no_score_did_not_reach_one(self) -> None:
        self.assertEqual(rehearse("")["status"], "ended_without_score")


class Surroundings(unittest.TestCase):
    def test_files_beside_the_script_see_the_same_gpu(self) -> None:
        source = "import helper\nassert helper.there()\nimport importlib\nassert importlib.import_module('torch').cuda.is_available()\n"
        beside = {"helper.py": "import torch\ndef there():\n    return torch.cuda.is_available() and torch.ones(1).is_cuda\n"}
        self.assertIsNone(rehearse(source, beside=beside)["failure"])

    def test_a_corpus_is_made_for_a_script_that_does_not_run(self) -> None:
        source = """
            import os
            VOCAB_SIZE = int(os.environ.get("VOCAB_SIZE", 4096))
            def flag(name, default):
                return os.environ.get(name, "1" if default else "0") == "1"
            OFF = [bool(int(os.environ.get("NGRAM_EVAL", "0"))), flag("TTT_ENABLED", False), os.environ.get("SLOT") == "1"]
            ON = [bool(int(os.environ.get("USE_EMA", "1"))), flag("SWA", True)]
            open("ran", "w")
            raise SystemExit("it must not run")
        """
        report = rehearse(source, "--prepare")
        self.assertEqual((report["status"], report["vocabulary"]["size"]), ("prepared", 4096))
        self.assertEqual((len(report["vocabulary"]["lengths"]), report["defaults"]["VOCAB_SIZE"]), (4096, 4096))
        self.assertEqual(set(report["switches"]), {"NGRAM_EVAL", "TTT_ENABLED", "SLOT"})

    def test_losses_of_targets_are_caught_and_placed(self) -> None:
        source = """
            import glob, os
            import numpy as np
            import torch
            import torch.nn.functional as F
            path = sorted(glob.glob(os.path.join(os.environ.get("DATA_PATH", ""), "fineweb_val_0*.bin")))[0]
            val = torch.from_numpy(np.fromfile(path, dtype="<u2", offset=1024).astype(np.int64))
            weight = torch.nn.Parameter(torch.zeros(1024))
            torch.save({"weight": weight}, "model.pt")
            torch.load("model.pt")
            F.cross_entropy(weight.expand(50, -1), val[1:51]).backward()
            with torch.no_grad():
                for start in range(0, 200, 100):
                    logits = torch.zeros(100, 1024)
                    logits[torch.arange(100), val[start + 1 : start + 101]] = float(start)
                    F.cross_entropy(logits, val[start + 1 : start + 101])
            print("final val_loss:1.0 val_bpb:1.0")
        """
        last = rehearse(source, "--losses")["losses"][0]
        self.assertEqual([round(loss, 3) for loss in last["first"][:100]], [6.931] * 100)
        self.assertEqual([round(loss, 3) for loss in last["first"][100:200]], [0.0] * 100)
        self.assertEqual((last["first"][200], last["first_call"][99], last["last_call"][100]), (None, 0, 1))

    def test_own_sizes_count_in_place_of_the_toys(self) -> None:
        source = """
            import os
            epochs = int(os.environ.get("TTT_EPOCHS", 5))
            layers = int(os.environ.get("NUM_LAYERS", 9))
            width = int(os.environ.get("MODEL_DIM", 512))
            print(f"sizes {epochs} {layers} {width}")
        """
        report = rehearse(source, "--size", "ttt_epochs=0", "--size", "NUM_LAYERS=3")
        self.assertIn("sizes 5 3 64", report["output_tail"])

    def test_settings_of_the_author_count_but_sizes_become_small(self) -> None:
        source = """
            import os
            assert os.environ["MODEL_DIM"] == "64" and os.environ["MODE"] == "full" and "NCCL_NET" not in os.environ
            assert int(os.environ.get("ITERATIONS", 5)) == 3 and int(os.environ.get("MODEL_DIM", 512)) == 64
            assert os.environ["NUM_HEADS"] == "16", int(os.environ.get("NUM_HEADS", 8))
        """
        options = ["--steps", "3", "--env", "MODE=full", "--env", "MODEL_DIM=768", "--env", "NCCL_NET=Socket"]
        report = rehearse(source, *options, "--env", "ITERATIONS=9000", "--exact", "NUM_HEADS=16")
        self.assertIsNone(report["failure"])

    def test_the_script_gets_nothing_of_this_machine(self) -> None:
        source = "import os\nassert 'REHEARSAL_TEST_SECRET' not in os.environ\nassert os.path.expanduser('~') != '/root'\n"
        import os

        os.environ["REHEARSAL_TEST_SECRET"] = "1"
        try:
            self.assertIsNone(rehearse(source)["failure"])
        finally:
            del os.environ["REHEARSAL_TEST_SECRET"]

    def test_two_processes_average_and_share(self) -> None:
        source = """
            import os, torch, torch.distributed as dist
            from torch.nn.parallel import DistributedDataParallel as DDP
            if __name__ == "__main__":
                rank, world = int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"])
                dist.init_process_group(backend="nccl", device_id=torch.device("cuda", rank))
                assert (world, torch.cuda.device_count(), dist.get_world_size()) == (2, 2, 2)
                t = torch.tensor([float(rank)], device="cuda")
                dist.all_reduce(t, op=dist.ReduceOp.AVG)
                assert t.item() == 0.5
                whole = torch.arange(4.0) * (rank + 1)
                part = torch.empty(2)
                dist.reduce_scatter_tensor(part, whole, op=dist.ReduceOp.SUM)
                assert part.tolist() == [[0.0, 3.0], [6.0, 9.0]][rank]
                gathered = torch.empty(4)
                dist.all_gather_into_tensor(gathered, part, async_op=True).wait()
                assert gathered.tolist() == [0.0, 3.0, 6.0, 9.0]
                model = DDP(torch.nn.Linear(1, 1, bias=False).cuda(), device_ids=[rank])
                model(torch.full((1, 1), rank + 1.0)).sum().backward()
                assert model.module.weight.grad.item() == 1.5
                dist.barrier(device_ids=[rank])
                dist.destroy_process_group()
        """
        report = rehearse(source, "--nproc", "2")
        self.assertIsNone(report["failure"])
        self.assertEqual(report["processes"], 2)


if __name__ == "__main__":
    unittest.main()
