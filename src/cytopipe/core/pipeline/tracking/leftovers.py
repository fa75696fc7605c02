"""Ends runs of processes that were killed (SIGKILL, power failure) and would stay RUNNING forever."""

from __future__ import annotations

import socket
from collections.abc import Mapping
from typing import Any

import psutil

PROCESS = "process"  # tag: host, process id and start time; the latter distinguishes processes with the same id
NOTE = "The process ended without a word: killed by SIGKILL, or the machine stopped."


def this_process() -> str:
    """Value of the tag for a run of this process."""
    process = psutil.Process()
    return f"{socket.gethostname()} {process.pid} {process.create_time():.2f}"


def end_leftovers(client: Any, experiment_id: str, tags: Mapping[str, str]) -> None:
    """Set runs of the same stage and item to KILLED if their process ran on this machine and is gone."""
    running = client.search_runs(
        [experiment_id], filter_string=f"attributes.status = 'RUNNING' and tags.stage = '{tags['stage']}'"
    )
    for run in running:
        if run.data.tags.get("item") == tags.get("item") and _is_gone(run.data.tags.get(PROCESS, "")):
            client.set_tag(run.info.run_id, "mlflow.note.content", NOTE)
            client.set_terminated(run.info.run_id, "KILLED")


def _is_gone(process: str) -> bool:
    """Whether the process of the tag ran on this machine and has ended; False if unknown."""
    host, _, rest = process.partition(" ")
    number, _, started = rest.partition(" ")
    if host != socket.gethostname() or not number.isdecimal():
        return False
    try:
        return f"{psutil.Process(int(number)).create_time():.2f}" != started
    except psutil.NoSuchProcess:
        return True
