"""What is a process that polls called, and is it still there?"""

import hashlib
import os
import socket
from pathlib import Path


def _process_space():
    """Return in which space of process ids we are: another container on this machine is another one. Linux only."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return hashlib.sha256(f"{boot} {os.readlink('/proc/self/ns/pid')}".encode()).hexdigest()[:8]
    except OSError:
        return ""


_SPACE = _process_space()


def worker_name(kind):
    """Return a name for this process that no other living one has: host, kind, process id and its space."""
    return f"{socket.gethostname()}:{kind}:{os.getpid()}" + (f"@{_SPACE}" if _SPACE else "")


def is_gone(name):
    """Return whether a name is that of a process of this machine that does not exist any more."""
    process, _at, space = name.rpartition("@")
    number = process.rpartition(":")[2]
    if not _SPACE or space != _SPACE or not number.isdigit():
        return False
    try:
        os.kill(int(number), 0)
    except ProcessLookupError:
        return True
    except OSError:
        return False
    return False
