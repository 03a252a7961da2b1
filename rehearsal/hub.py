"""Refuses the network, and says what was asked for.

A submission must not fetch anything while it is scored, and a rehearsal has the data already. Libraries that only fetch
are replaced by modules whose every function refuses. Whatever else opens a connection is stopped by an audit hook.
"""

from __future__ import annotations

import sys
import types
from typing import Any

from .ledger import note

FETCHERS = ("huggingface_hub", "datasets", "transformers", "requests", "wandb", "gdown", "boto3")
"""Packages of which a script uses nothing but what lies on the network."""

_LOCAL = ("localhost", "127.", "::1", "0.0.0.0", "")


class Refused(RuntimeError):
    """The script asked for the network."""


def _described(args: tuple[Any, ...], kwargs: dict[str, Any]) -> str:
    parts = [repr(value) for value in args] + [f"{name}={value!r}" for name, value in kwargs.items()]
    return ", ".join(parts)[:300]


class _Refusing:
    """A function or class that refuses when it is called."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        text = f"{self._name}({_described(args, kwargs)})"
        note(f"refused: {text}")
        raise Refused(f"a rehearsal has no network, and the script asked for {text}")

    def __getattr__(self, name: str) -> "_Refusing":
        if name.startswith("__"):
            raise AttributeError(name)
        return _Refusing(f"{self._name}.{name}")

    def __mro_entries__(self, bases: Any) -> tuple[type, ...]:
        return (Exception,)


def module(name: str) -> types.ModuleType:
    """A module that has every name, and refuses every call."""
    made = types.ModuleType(name, f"Refuses what {name} would fetch.")
    made.__path__ = []  # type: ignore[attr-defined]

    def attribute(key: str) -> Any:
        if key.startswith("__"):
            raise AttributeError(key)
        # A class of exceptions must be one, or `except` would fail in its turn.
        if key.endswith("Error") or key.endswith("Exception"):
            return type(key, (Exception,), {})
        return _Refusing(f"{name}.{key}")

    made.__dict__["__getattr__"] = attribute
    return made


def packages() -> list[types.ModuleType]:
    """What the script finds in place of the fetchers. Parts of a package that scripts import are there too."""
    parts = ["huggingface_hub.utils", "huggingface_hub.errors"]
    return [module(name) for name in (*FETCHERS, *parts)]


def _watch(event: str, args: tuple[Any, ...]) -> None:
    if event == "urllib.Request":
        target = str(args[0])
        if not target.startswith(("file:", "http://127.", "http://localhost")):
            _refuse(target)
    elif event == "socket.connect":
        address = args[1]
        if isinstance(address, tuple) and not str(address[0]).startswith(_LOCAL[:4]):
            _refuse(f"{address[0]}:{address[1]}")
    elif event == "socket.getaddrinfo":
        host = args[0]
        if host and not str(host).startswith(_LOCAL[:4]) and not _is_own(str(host)):
            _refuse(str(host))


def _is_own(host: str) -> bool:
    """Whether a name is that of this machine, which process groups look up."""
    import socket

    return host == socket.gethostname()


def _refuse(target: str) -> None:
    note(f"refused: network, {target}")
    raise Refused(f"a rehearsal has no network, and the script asked for {target}")


def watch() -> None:
    """Stops connections to other machines, for the rest of this process."""
    sys.addaudithook(_watch)
