"""Stands in for packages of the field that need a GPU, where the rehearsal knows their mathematics."""

from __future__ import annotations

import types

from . import delta_rule, state_space


def packages() -> list[types.ModuleType]:
    """What the script finds in place of them, also where they are installed: they compute on a GPU alone."""
    return [*state_space.packages(), *delta_rule.packages()]
