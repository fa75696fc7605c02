"""Names of processes that stay unique, so that the runs of those that were killed can be told from running ones."""

from __future__ import annotations

import socket
from pathlib import Path

import psutil


def this_process() -> str:
    """Host, process id and start time of this process; the latter tells processes of the same id apart."""
    process = psutil.Process()
    return f"{socket.gethostname()} {process.pid} {_started(process)}"


def is_gone(process: str) -> bool:
    """Whether the process of this name ran on this machine and has ended; False if unknown."""
    host, _, rest = process.partition(" ")
    number, _, started = rest.partition(" ")
    if host != socket.gethostname() or not number.isdecimal():
        return False
    try:
        return _started(psutil.Process(int(number))) != started
    except psutil.NoSuchProcess:
        return True


def _started(process: psutil.Process) -> str:
    """When a process started: on Linux in ticks since the machine did, because a clock may be set while it runs."""
    try:
        # After the name in brackets, which may hold anything, the start is the 20th field (proc_pid_stat(5)).
        return f"boot+{Path(f'/proc/{process.pid}/stat').read_text().rpartition(')')[2].split()[19]}"
    except OSError:
        return f"{process.create_time():.2f}"
