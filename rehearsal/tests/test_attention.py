"""Flash-attention of versions 2 and 3 against a plain softmax."""

from __future__ import annotations

import unittest

import support  # noqa: F401  It sets the path.

import torch

from rehearsal import attention
from rehearsal.views import Absent


def plain(q, k, v, seen):  # type: ignore[no-untyped-def]
    """Attention with one mask for all heads, whose keys are shared by groups of queries."""
    k, v = (t.repeat_interleave(q.shape[2] // t.shape[2], 2) for t in (k, v))
    scores = torch.einsum("bqhd,bkhd->bhqk", q, k) / q.shape[-1] ** 0.5
    weights = scores.masked_fill(~seen, -torch.inf).softmax(-1).nan_to_num(0.0)
    return torch.einsum("bhqk,bkhd->bqhd", weights, v)


class Dense(unittest.TestCase):
    def setUp(self) -> None:
        torch.manual_seed(0)
        self.q, self.k, self.v = torch.randn(2, 9, 4, 8), torch.randn(2, 9, 2, 8), torch.randn(2, 9, 2, 8)
        at = torch.arange(9)
        self.distance = at[:, None] - at[None]

    def test_version_three_and_two_agree_with_a_softmax(self) -> None:
        wanted = plain(self.q, self.k, self.v, self.distance >= 0)
        three = attention.flash_attn_func(self.q, self.k, self.v, None, True)
        two = attention.flash_attn_2_func(self.q, self.k, self.v, 0.0, None, True)
        torch.testing.assert_close(three, wanted)
        torch.testing.assert_close(two, wanted)

    def test_a_window_limits_what_a_query_sees(self) -> None:
        seen = (self.distance >= 0) & (self.distance <= 3)
        got = attention.flash_attn_func(self.q, self.k, self.v, causal=True, window_size=(3, 0))
        torch.testing.assert_close(got, plain(self.q, self.k, self.v, seen))
        both = (self.distance >= -1) & (self.distance <= 2)
        got = attention.flash_attn_2_func(self.q, self.k, self.v, window_size=(2, 1))
        torch.testing.assert_close(got, plain(self.q, self.k, self.v, both))

    def test_fewer_queries_are_the_last_ones(self) -> None:
        got = attention.flash_attn_func(self.q[:, 6:], self.k, self.v, causal=True)
        torch.testing.assert_close(got, plain(self.q, self.k, self.v, self.distance >= 0)[:, 6:])

    def test_what_is_not_done_is_refused(self) -> None:
        with self.assertRaisesRegex(NotImplementedError, "softcap"):
            attention.flash_attn_2_func(self.q, self.k, self.v, softcap=30.0)
        with self.assertRaisesRegex(NotImplementedError, "dropout_p"):
            attention.flash_attn_2_func(self.q, self.k, self.v, dropout_p=0.1)

    def test_every_name_of_the_package_is_there(self) -> None:
        names = {module.__name__ for module in attention.packages()}
        self.assertLessEqual(
            {"flash_attn_interface", "flash_attn", "flash_attn.cute", "flash_attn_3.flash_attn_interface"}, names
        )
        with self.assertRaises(Absent):
            attention.package().flash_attn_with_kvcache


class Segments(unittest.TestCase):
    BOUNDS = torch.tensor([0, 4, 5, 12, 12], dtype=torch.int32)

    def test_windows_stay_inside_a_segment(self) -> None:
        torch.manual_seed(1)
        q, k, v = torch.randn(12, 4, 8), torch.randn(12, 4, 8), torch.randn(12, 4, 8)
        at, segment = torch.arange(12), torch.bucketize(torch.arange(12), self.BOUNDS[1:3], right=True)
        distance = at[:, None] - at[None]
        seen = (segment[:, None] == segment) & (distance >= 0) & (distance <= 2)
        got = attention.flash_attn_varlen_func(q, k, v, self.BOUNDS, self.BOUNDS, 7, 7, causal=True, window_size=(2, 0))
        torch.testing.assert_close(got, plain(q[None], k[None], v[None], seen)[0])
        got = attention.flash_attn_varlen_2_func(q, k, v, self.BOUNDS, self.BOUNDS.clone(), 7, 7, 0.0, None, True, (2, 0))
        torch.testing.assert_close(got, plain(q[None], k[None], v[None], seen)[0])

    def test_segments_of_keys_may_be_longer_than_those_of_queries(self) -> None:
        torch.manual_seed(2)
        q, k, v = torch.randn(4, 2, 8), torch.randn(9, 2, 8), torch.randn(9, 2, 8)
        queries, keys = torch.tensor([0, 1, 4]), torch.tensor([0, 4, 9])
        got = attention.flash_attn_varlen_func(q, k, v, queries, keys, 3, 5, causal=True)
        first = plain(q[None, :1], k[None, :4], v[None, :4], torch.ones(1, 4, dtype=torch.bool))
        second = plain(q[None, 1:], k[None, 4:], v[None, 4:], torch.ones(3, 5, dtype=torch.bool).tril(2))
        torch.testing.assert_close(got, torch.cat((first, second), 1)[0])


if __name__ == "__main__":
    unittest.main()
