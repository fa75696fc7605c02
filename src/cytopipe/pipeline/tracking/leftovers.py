"""Runs of processes that died without a word (SIGKILL, a lost power supply): they would stay RUNNING for ever."""

from __future__ import annotations

import socket
from collections.abc import Mapping
from typing import Any

import psutil

PROCESS = "process"  # tag: host, process id and its start, by which a later process with the same id is told apart
NOTE = "The process ended without a word: killed by SIGKILL, or the machine stopped."


def this_process() -> str:
    """Value of the tag for a run of this process."""
    process = psutil.Process()
    return f"{socket.gethostname()} {process.pid} {process.create_time():.2f}"


def end_leftovers(client: Any, experiment_id: str, tags: Mapping[str, str]) -> None:
    """End runs of the same stage and item as KILLED where their process, on this machine, is gone."""
    running = client.search_runs(
        [experiment_id], filter_string=f"attributes.status = 'RUNNING' and tags.stage = '{tags['stage']}'"
    )
    for run in running:
        if run.data.tags.get("item") == tags.get("item") and _is_gone(run.data.tags.get(PROCESS, "")):
            client.set_tag(run.info.run_id, "mlflow.note.content", NOTE)
            client.set_terminated(run.info.run_id, "KILLED")


def _is_gone(process: str) -> bool:
    """Whether the tag's process was on this machine and runs no more; False where that cannot be told."""
    host, _, rest = process.partition(" ")
    number, _, started = rest.partition(" ")
    if host != socket.gethostname() or not number.isdecimal():
        return False
    try:
        return f"{psutil.Process(int(number)).create_time():.2f}" != started
    except psutil.NoSuchProcess:
        return True
