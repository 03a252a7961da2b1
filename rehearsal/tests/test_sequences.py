"""State spaces and the delta rule against the recurrences that they are."""

from __future__ import annotations

import unittest

import support  # noqa: F401  It sets the path.
from support import rehearse

import torch
import torch.nn.functional as F

from rehearsal import delta_rule, state_space


class StateSpaces(unittest.TestCase):
    def test_mamba2_is_its_recurrence(self) -> None:
        torch.manual_seed(0)
        x, dt = torch.randn(2, 11, 4, 3), torch.rand(2, 11, 4)
        A, D = -torch.rand(4), torch.randn(4)
        B, C = torch.randn(2, 11, 2, 5), torch.randn(2, 11, 2, 5)
        state, out = torch.zeros(2, 4, 3, 5), []
        for t in range(11):
            k, q = (m[:, t].repeat_interleave(2, 1) for m in (B, C))
            state = torch.exp(dt[:, t] * A)[..., None, None] * state
            state = state + dt[:, t, :, None, None] * x[:, t, :, :, None] * k[:, :, None]
            out.append((state * q[:, :, None]).sum(-1) + D[:, None] * x[:, t])
        torch.testing.assert_close(state_space.mamba2_scan(x, dt, A, B, C, D), torch.stack(out, 1), atol=1e-5, rtol=1e-4)

    def siso(self, length: int = 10) -> dict[str, torch.Tensor]:
        torch.manual_seed(0)
        return {
            "Q": torch.randn(2, length, 1, 6), "K": torch.randn(2, length, 1, 6), "V": torch.randn(2, length, 3, 4),
            "ADT": -torch.rand(2, 3, length), "DT": torch.rand(2, 3, length), "Trap": torch.randn(2, 3, length),
            "Q_bias": torch.randn(3, 6), "K_bias": torch.randn(3, 6), "Angles": torch.randn(2, length, 3, 2),
            "D": torch.randn(3), "Z": torch.randn(2, length, 3, 4),
        }  # fmt: skip

    @staticmethod
    def turn(vector: torch.Tensor, angles: torch.Tensor) -> torch.Tensor:
        pairs = torch.view_as_complex(vector[..., :4].reshape(*vector.shape[:-1], 2, 2).contiguous())
        turned = torch.view_as_real(pairs * torch.polar(torch.ones_like(angles), angles)).flatten(-2)
        return torch.cat((turned, vector[..., 4:]), -1)

    def test_mamba3_is_its_recurrence(self) -> None:
        p = self.siso()
        state, before, angle, out = torch.zeros(2, 3, 4, 6), torch.zeros(2, 3, 4, 6), torch.zeros(2, 3, 2), []
        for t in range(10):
            step, share = p["DT"][:, :, t, None, None], torch.sigmoid(p["Trap"][:, :, t, None, None])
            angle = angle + torch.tanh(p["Angles"][:, t]) * torch.pi * p["DT"][:, :, t, None]
            q = self.turn(p["Q"][:, t] + p["Q_bias"], angle)
            k = self.turn(p["K"][:, t] + p["K_bias"], angle)
            decay = torch.exp(p["ADT"][:, :, t])[..., None, None]
            now = p["V"][:, t, :, :, None] * k[:, :, None]
            state = decay * state + (1 - share) * step * decay * before + share * step * now
            before = now
            y = (state * q[:, :, None]).sum(-1) + p["D"][:, None] * p["V"][:, t]
            out.append(y * F.silu(p["Z"][:, t]))
        got, last_angle, last_state, *_ = state_space.mamba3_siso_combined(**p, return_final_states=True)
        torch.testing.assert_close(got, torch.stack(out, 1), atol=1e-5, rtol=1e-4)
        torch.testing.assert_close(last_state, state, atol=1e-5, rtol=1e-4)
        torch.testing.assert_close(last_angle, angle)

    def test_mamba3_goes_on_from_a_state(self) -> None:
        p = self.siso()
        whole = state_space.mamba3_siso_combined(**p)
        in_time = {"ADT": 2, "DT": 2, "Trap": 2, "Q": 1, "K": 1, "V": 1, "Angles": 1, "Z": 1}
        first = {n: t.narrow(in_time[n], 0, 6) if n in in_time else t for n, t in p.items()}
        second = {n: t.narrow(in_time[n], 6, 4) if n in in_time else t for n, t in p.items()}
        one, *states = state_space.mamba3_siso_combined(**first, return_final_states=True)
        two = state_space.mamba3_siso_combined(**second, Input_States=tuple(states))
        torch.testing.assert_close(torch.cat((one, two), 1), whole, atol=1e-5, rtol=1e-4)

    def test_a_script_finds_the_blocks(self) -> None:
        source = """
            import torch
            from mamba_ssm import Mamba2
            from mamba_ssm.modules.mamba3 import Mamba3
            x = torch.randn(2, 16, 64, device="cuda")
            for block in (Mamba2(64, d_state=16, headdim=32), Mamba3(64, d_state=16, headdim=32, chunk_size=16)):
                y = block.cuda()(x)
                assert y.shape == x.shape
                y.square().sum().backward()
                assert all(p.grad is not None for p in block.parameters())
        """
        report = rehearse(source)
        self.assertIsNone(report["failure"])
        self.assertIn("mamba_ssm: Mamba-3 -> PyTorch", report["emulated"])


class DeltaRule(unittest.TestCase):
    def test_it_is_its_recurrence(self) -> None:
        torch.manual_seed(0)
        q, k, v = torch.randn(2, 9, 3, 4), F.normalize(torch.randn(2, 9, 3, 4), dim=-1), torch.randn(2, 9, 3, 5)
        g, beta = -torch.rand(2, 9, 3), torch.rand(2, 9, 3)
        state, out = torch.zeros(2, 3, 4, 5), []
        for t in range(9):
            state = g[:, t].exp()[..., None, None] * state
            known = (k[:, t, :, :, None] * state).sum(2)
            state = state + k[:, t, :, :, None] * (beta[:, t, :, None] * (v[:, t] - known))[:, :, None]
            out.append((q[:, t, :, :, None] * state).sum(2) / 2)
        got, last = delta_rule.chunk_gated_delta_rule(q, k, v, g, beta, output_final_state=True)
        torch.testing.assert_close(got, torch.stack(out, 1), atol=1e-5, rtol=1e-4)
        torch.testing.assert_close(last, state, atol=1e-5, rtol=1e-4)
        one, middle = delta_rule.chunk_gated_delta_rule(*(t[:, :4] for t in (q, k, v, g, beta)), output_final_state=True)
        two, _ = delta_rule.chunk_gated_delta_rule(*(t[:, 4:] for t in (q, k, v, g, beta)), initial_state=middle)
        torch.testing.assert_close(torch.cat((one, two), 1), got, atol=1e-5, rtol=1e-4)

    def test_the_convolution_sees_nothing_later(self) -> None:
        torch.manual_seed(0)
        x, weight = torch.randn(1, 8, 3), torch.randn(3, 4)
        got, _ = delta_rule.causal_conv1d(x, weight, activation="silu")
        last = F.silu((x[0, 2:6].T * weight).sum(-1))
        torch.testing.assert_close(got[0, 5], last)


if __name__ == "__main__":
    unittest.main()
