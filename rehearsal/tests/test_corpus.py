"""The corpus: file format, documents, tokenizers and the bytes of CaseOps."""

from __future__ import annotations

import ast
import tempfile
import unittest
from pathlib import Path

import support  # noqa: F401  It sets the path.

import numpy as np
import sentencepiece

from rehearsal import corpus, sources, tokenizer, toy


class Corpora(unittest.TestCase):
    def build(self, vocabulary: corpus.Vocabulary) -> tuple[corpus.Corpus, np.ndarray]:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        made = corpus.build(Path(folder.name) / "data", vocabulary)
        shard = made.data / "fineweb_val_000000.bin"
        header = np.fromfile(shard, dtype="<i4", count=256)
        self.assertEqual(header[:3].tolist(), [20240520, 1, corpus.VALIDATION_TOKENS])
        tokens = np.fromfile(shard, dtype="<u2", offset=1024)
        self.assertEqual(tokens.size, corpus.VALIDATION_TOKENS)
        self.assertEqual(tokens[0], 1)
        self.assertGreater((tokens == 1).sum(), 12)
        self.assertLess(tokens.max(), vocabulary.size)
        return made, tokens

    def test_pieces(self) -> None:
        for size in (1024, 4096, 8192):
            made, tokens = self.build(corpus.Vocabulary(size))
            model = sentencepiece.SentencePieceProcessor(model_file=str(made.tokenizer))
            self.assertEqual((model.vocab_size(), model.bos_id(), model.unk_id()), (size, 1, 3))
            self.assertTrue(model.is_byte(4) and model.is_control(1))
            text = model.decode([int(t) for t in tokens[1:50] if t != 1])
            self.assertGreater(len(text), 20)
            # The model can cut a text and put it together again.
            for words in ("the rain and a Dog", "naïve"):
                self.assertEqual(model.decode(model.encode(words)), words)

    def test_case_operators_have_no_bytes(self) -> None:
        made, tokens = self.build(corpus.Vocabulary(8192, operators=True))
        sizes = np.fromfile(made.data / "fineweb_val_bytes_000000.bin", dtype="<u2", offset=1024)
        self.assertEqual(sizes.size, tokens.size)
        operators = (tokens >= 4) & (tokens < 8)
        self.assertGreater(operators.sum(), 100)
        self.assertEqual(sizes[operators | (tokens == 1)].sum(), 0)
        self.assertGreater(sizes[~operators & (tokens != 1)].min(), 0)
        model = sentencepiece.SentencePieceProcessor(model_file=str(made.tokenizer))
        self.assertEqual(model.id_to_piece(4), "\ue001")

    def test_bytes(self) -> None:
        _, tokens = self.build(corpus.Vocabulary(260))
        self.assertEqual(set(tokens[tokens < 4]), {1})
        made, _ = self.build(corpus.Vocabulary(256))
        self.assertEqual(made.data.name, "fineweb10B_bytes")

    def test_the_same_seed_gives_the_same_corpus(self) -> None:
        _, one = self.build(corpus.Vocabulary(1024))
        _, other = self.build(corpus.Vocabulary(1024))
        np.testing.assert_array_equal(one, other)

    def test_the_vocabulary_follows_from_the_script(self) -> None:
        def found(text: str, **settings: str) -> corpus.Vocabulary:
            return corpus.vocabulary(sources.variables([text]), settings, [text])

        self.assertEqual(found('int(os.environ.get("VOCAB_SIZE", 4096))').size, 4096)
        self.assertEqual(found('int(os.environ.get("VOCAB_SIZE", 4096))', VOCAB_SIZE="8192").size, 8192)
        self.assertEqual(found("VOCAB_SIZE = 2048").size, 2048)
        self.assertEqual(found('"./data/datasets/fineweb10B_sp8192"').size, 8192)
        switch = 'int(os.environ.get("CASEOPS_ENABLED", "0")); "fineweb_val_bytes_*.bin"'
        self.assertFalse(found(switch).operators)
        self.assertTrue(found(switch, CASEOPS_ENABLED="1").operators)


class Settings(unittest.TestCase):
    def test_variables_are_read_with_their_defaults(self) -> None:
        text = (
            'import os\na = int(os.environ.get("MODEL_DIM", 512))\nb = float(os.environ.get("ROPE_BASE", "1e4"))\n'
            't = int(os.environ.get("TRAIN_BATCH_TOKENS", 2048 * 48 * 8))\n'
            'c = os.environ["RUN_ID"]\ndef _e(k, d, t=str):\n    return t(os.environ.get(k, str(d)))\nd = _e("NUM_LAYERS", 12, int)\n'
        )
        wanted = {"MODEL_DIM": 512, "ROPE_BASE": 10000.0, "TRAIN_BATCH_TOKENS": 786432, "RUN_ID": None, "NUM_LAYERS": 12}
        self.assertEqual(sources.variables([text]), wanted)
        self.assertEqual(sources.variables(["g = os.getenv\nx = int(g('SEED', '7'))\n"]), {"SEED": 7})
        self.assertEqual(sources.variables(["print(f'{a!x}'\nint(os.environ.get('SEED', '7'))"]), {"SEED": 7})

    def test_sizes_only_shrink(self) -> None:
        made = toy.environment({"MODEL_DIM": 32, "NUM_HEADS": 8, "NUM_KV_HEADS": 2, "EVAL_STRIDE": 64, "SLIDING_EVAL_STRIDE": 16, "VAL_LOSS_EVERY": 1000}, toy.Toy(), "x")
        self.assertEqual(made, {"NUM_HEADS": "4", "NUM_KV_HEADS": "1", "SLIDING_EVAL_STRIDE": "64", "VAL_LOSS_EVERY": "0"})
        given = toy.Toy(own={"train_seq_len": 64, "eval_stride": 16})
        self.assertEqual(toy.environment({"EVAL_STRIDE": 64}, given, "x"), {"EVAL_STRIDE": "16"})
        self.assertEqual(toy.environment({"EVAL_STRIDE": 8}, given, "x"), {})

    def test_numbers_assigned_in_functions_are_replaced_where_that_is_asked_for(self) -> None:
        source = "def main():\n    ema_decay = 0.997\n    other_decay = 0.997\n    self.BUCKETS = 4_194_304\n"
        transform = sources.Transform(toy.Toy(own={"ema_decay": 0.9, "buckets": 1024}))
        self.assertIn("ema_decay = 0.9\n", ast.unparse(transform(source, "train_gpt.py")))
        self.assertEqual(transform.changed, ["ema_decay: 0.997 -> 0.9 (line 2)", "BUCKETS: 4194304 -> 1024 (line 4)"])
        untouched = sources.Transform(toy.Toy())
        untouched(source, "train_gpt.py")
        self.assertEqual(untouched.changed, [])

    def test_constants_of_modules_and_settings_are_replaced(self) -> None:
        text = "SEQ_LEN = 2048\nclass Config:\n    model_dim: int = 768\nclass Other:\n    model_dim = 768\nf(num_seqs=64)\ndef g(a, max_samples=50000, b=1):\n    pass\n"
        transform = sources.Transform(toy.Toy())
        changed = ast.unparse(transform(text, "x"))
        self.assertIn("SEQ_LEN = 256", changed)
        self.assertIn("model_dim: int = 64", changed)
        self.assertIn("model_dim = 768", changed)
        self.assertIn("f(num_seqs=4)", changed)
        self.assertIn("def g(a, max_samples=1024, b=1)", changed)
        self.assertEqual(len(transform.changed), 4)


if __name__ == "__main__":
    unittest.main()
