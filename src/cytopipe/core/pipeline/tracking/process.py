"""Names of processes that stay unique, so that the runs of those that were killed can be told from running ones."""

from __future__ import annotations

import socket

import psutil


def this_process() -> str:
    """Host, process id and start time of this process; the latter tells processes of the same id apart."""
    process = psutil.Process()
    return f"{socket.gethostname()} {process.pid} {process.create_time():.2f}"


def is_gone(process: str) -> bool:
    """Whether the process of this name ran on this machine and has ended; False if unknown."""
    host, _, rest = process.partition(" ")
    number, _, started = rest.partition(" ")
    if host != socket.gethostname() or not number.isdecimal():
        return False
    try:
        return f"{psutil.Process(int(number)).create_time():.2f}" != started
    except psutil.NoSuchProcess:
        return True
