"""A real Slurm of one node on the loopback, in a folder of its own and as this user; for tests."""

from __future__ import annotations

import contextlib
import getpass
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "squeue", "scancel")
PATHS = (os.environ.get("PATH", ""), "/usr/sbin", "/sbin")
START_S = 60.0

_CONF = """\
ClusterName=tests
SlurmctldHost={host}(127.0.0.1)
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
CredType=cred/munge
SlurmctldPort={controller}
SlurmdPort={node}
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU_Memory
JobAcctGatherType=jobacct_gather/linux
JobAcctGatherFrequency=1
JobAcctGatherParams=OverMemoryKill
AccountingStorageType=accounting_storage/none
JobCompType=jobcomp/none
MpiDefault=none
ReturnToService=2
SchedulerParameters=sched_interval=1,bf_interval=1
KillWait=30
OverTimeLimit=0
SlurmdParameters=config_overrides
NodeName={host} NodeAddr=127.0.0.1 CPUs={cpus} RealMemory=64000 State=UNKNOWN
PartitionName=all Nodes={host} Default=YES MaxTime=INFINITE State=UP
"""


def which(program: str) -> str | None:
    """Path of a program; daemons lie in folders that users' PATH lacks."""
    return shutil.which(program, path=os.pathsep.join(PATHS))


def missing() -> list[str]:
    """Programs of Slurm that are not installed."""
    return [name for name in PROGRAMS if which(name) is None]


def free_ports(count: int) -> list[int]:
    """Ports of the loopback that nothing listens on."""
    with contextlib.ExitStack() as stack:
        listeners = [stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(count)]
        return [listener.getsockname()[1] for listener in listeners]


@contextlib.contextmanager
def cluster(folder: Path, cpus: int = 4) -> Iterator[dict[str, str]]:
    """Start Slurm, wait until its node is idle, and yield the variables that its commands need."""
    for name in ("state", "spool"):
        (folder / name).mkdir(parents=True)
    folder.chmod(0o755)
    host, (controller, node) = socket.gethostname(), free_ports(2)
    conf = folder / "slurm.conf"
    conf.write_text(
        _CONF.format(host=host, user=getpass.getuser(), folder=folder, controller=controller, node=node, cpus=cpus)
    )
    # Snakemake's plug-in hides this variable from the `srun` that it starts in a job, as on clusters a file says it.
    srun = folder / "bin/srun"
    srun.parent.mkdir()
    srun.write_text(f'#!/bin/sh\nSLURM_CONF={conf} exec {which("srun")} "$@"\n')
    srun.chmod(0o755)
    key = folder / "munge.key"
    key.write_bytes(os.urandom(128))
    key.chmod(0o400)
    environment = {**os.environ, "SLURM_CONF": str(conf), "PATH": os.pathsep.join((str(srun.parent), *PATHS))}
    commands = [
        ["munged", "--foreground", "--force", f"--key-file={key}", f"--socket={folder}/munge.socket"]
        + [f"--{name}-file={folder}/munge.{name}" for name in ("pid", "log", "seed")],
        ["slurmctld", "-D", "-f", str(conf)],
        ["slurmd", "-D", "-f", str(conf), "-N", host],
    ]
    started = list[subprocess.Popen[str]]()
    try:
        for command in commands:
            program = which(command[0])
            assert program
            with (folder / f"{command[0]}.out").open("w") as out:
                started.append(
                    subprocess.Popen([program, *command[1:]], env=environment, stdout=out, stderr=out, text=True)
                )
            if command[0] == "munged":
                _wait(lambda: (folder / "munge.socket").exists())
        _wait(lambda: "idle" in _states(environment))
        yield {"SLURM_CONF": str(conf), "PATH": environment["PATH"]}
    finally:
        for process in reversed(started):
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()


def _states(environment: dict[str, str]) -> str:
    return subprocess.run(
        ["sinfo", "-h", "-o", "%T"], env=environment, capture_output=True, text=True, check=False
    ).stdout


def _wait(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + START_S
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError("Slurm does not start")
        time.sleep(0.1)
