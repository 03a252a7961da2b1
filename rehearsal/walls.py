"""Keeps a stranger's script away from the network, from other files and from more than its share of the machine.

Each wall is put up where the system allows it, in the child process just before it becomes the script; the report names
those that stand. As root the child becomes the user nobody. A network namespace of its own leaves it nothing but its own
loopback. The walls hold off accidents and curiosity; they are no prison for code that wants out.
"""

from __future__ import annotations

import ctypes
import dataclasses
import fcntl
import os
import resource
import socket
import struct
from pathlib import Path

_NEWUSER, _NEWNET = 0x10000000, 0x40000000
_NO_NEW_PRIVILEGES = 38
_GET_FLAGS, _SET_FLAGS, _UP = 0x8913, 0x8914, 1
NOBODY = 65534
_ADDRESSES = 14 << 30
"""Bytes of addresses that a process may use. A toy run uses four GiB, most of them without memory behind."""


@dataclasses.dataclass
class Walls:
    """The walls of one run. `enter` is called in the child."""

    network: bool = True
    user: int | None = None
    cpu_seconds: int = 0
    memory_bytes: int = 0

    @classmethod
    def best(cls, seconds: float) -> "Walls":
        """All that this process may put up."""
        return cls(
            network=_can_leave_network(),
            user=NOBODY if os.geteuid() == 0 else None,
            cpu_seconds=int(4 * seconds) + 60,
            memory_bytes=_ADDRESSES,
        )

    def enter(self) -> None:
        """Puts the walls up around this process, for good."""
        libc = ctypes.CDLL(None, use_errno=True)
        if self.network:
            _leave_network(libc)
        if self.user is not None:
            os.setgroups([])
            os.setgid(self.user)
            os.setuid(self.user)
        libc.prctl(_NO_NEW_PRIVILEGES, 1, 0, 0, 0)
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        if self.cpu_seconds:
            resource.setrlimit(resource.RLIMIT_CPU, (self.cpu_seconds, self.cpu_seconds))
        if self.memory_bytes:
            resource.setrlimit(resource.RLIMIT_AS, (self.memory_bytes, self.memory_bytes))

    def report(self) -> dict[str, object]:
        """Which walls stand."""
        return {"network": self.network, "user": self.user, "cpu_seconds": self.cpu_seconds or None, "bytes": self.memory_bytes or None}


def _leave_network(libc: ctypes.CDLL) -> None:
    user, group = os.geteuid(), os.getegid()
    flags = _NEWNET if user == 0 else _NEWNET | _NEWUSER
    if libc.unshare(flags) != 0:
        raise OSError(ctypes.get_errno(), "unshare")
    if user != 0:
        Path("/proc/self/setgroups").write_text("deny", encoding="ascii")
        Path("/proc/self/uid_map").write_text(f"{user} {user} 1", encoding="ascii")
        Path("/proc/self/gid_map").write_text(f"{group} {group} 1", encoding="ascii")
    # Processes of one run talk over the loopback, which a new namespace has switched off.
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as plug:
        request = struct.pack("16sh", b"lo", 0).ljust(40, b"\0")
        state = fcntl.ioctl(plug.fileno(), _GET_FLAGS, request)
        (now,) = struct.unpack_from("h", state, 16)
        fcntl.ioctl(plug.fileno(), _SET_FLAGS, struct.pack("16sh", b"lo", now | _UP).ljust(40, b"\0"))


def _can_leave_network() -> bool:
    """Whether a child of this process can have a network of its own: it is tried."""
    child = os.fork()
    if child == 0:
        try:
            _leave_network(ctypes.CDLL(None, use_errno=True))
        except OSError:
            os._exit(1)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
