"""What runs in a child process before its work. Imports nothing of ours: a child loads what its work needs, no engine.

A child that loaded what its parent is made of took three times as long to begin.
"""

import ctypes
import os
import signal
import sys
from collections.abc import Callable
from typing import TypeVar

if sys.platform != "win32":
    import resource

PR_SET_PDEATHSIG = 1
MEMORY_BYTES_MAX = 8 * 2**30

T = TypeVar("T")


def in_child(parent: int, function: Callable[..., T], arguments: tuple[object, ...]) -> T:
    """Bind the child to its parent, then do its work."""
    if sys.platform != "win32":
        _bind(parent)
    return function(*arguments)


def _bind(parent: int) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to handle.
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        resource.setrlimit(resource.RLIMIT_DATA, (MEMORY_BYTES_MAX, MEMORY_BYTES_MAX))
    if os.getppid() != parent:  # It died before the signal was asked for.
        os._exit(1)
