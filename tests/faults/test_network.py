"""The app and MLflow's pages cannot be reached from another network: tried from a network namespace beside theirs."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

# Runs in a network of its own: a server on loopback, another process in a second network, and a cable between them.
SCRIPT = r"""
import os, shlex, socket, subprocess, sys, tempfile, time
from pathlib import Path

HERE, THERE = "10.201.0.1", "10.201.0.2"
run = lambda *words: subprocess.run(words, check=True)
reach = "import socket, sys; socket.create_connection((sys.argv[1], int(sys.argv[2])), 5).close()"

run("ip", "link", "set", "lo", "up")
other = subprocess.Popen(["unshare", "-n", "sleep", "600"])
try:
    while os.readlink(f"/proc/{other.pid}/ns/net") == os.readlink("/proc/self/ns/net"):
        time.sleep(0.01)
    inside = ["nsenter", "-t", str(other.pid), "-n"]
    run("ip", "link", "add", "name", "here", "type", "veth", "peer", "name", "there", "netns", str(other.pid))
    run("ip", "addr", "add", f"{HERE}/24", "dev", "here")
    run("ip", "link", "set", "here", "up")
    run(*inside, "ip", "addr", "add", f"{THERE}/24", "dev", "there")
    run(*inside, "ip", "link", "set", "there", "up")

    def reached(port, host=HERE):
        tried = subprocess.run([*inside, sys.executable, "-c", reach, host, str(port)], capture_output=True)
        return tried.returncode == 0

    def listens(port):
        with socket.socket() as one:
            return one.connect_ex(("127.0.0.1", port)) == 0

    with socket.create_server(("0.0.0.0", 0)) as control:  # the cable works
        print("control", reached(control.getsockname()[1]))
    port = 8123
    if sys.argv[1] == "app":
        import gradio as gr
        from cytopipe.app import server
        with tempfile.TemporaryDirectory() as folder:
            server._set_switches(Path(folder))
            with gr.Blocks() as blocks:
                gr.Markdown("x")
            server._launch(blocks, port, Path(folder))
            print("here", listens(port), "there", reached(port))
            server._close(blocks)
    else:
        command = [word.replace("PORT", str(port)) for word in shlex.split(sys.argv[1])]
        with tempfile.TemporaryDirectory() as folder:
            served = subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            try:
                while served.poll() is None and not listens(port):
                    time.sleep(0.1)
                print("here", listens(port), "there", reached(port))
            finally:
                served.terminate()
                served.wait(30)
finally:
    other.kill()
    other.wait()
"""


def mlflow_ui() -> str:
    """The command of `make ui`, with a store of its own and one worker."""
    text = (ROOT / "Makefile").read_text()
    found = re.search(r"^\tmlflow ui (.*)$", text, re.MULTILINE)
    assert found and "--host 127.0.0.1" in found[1]
    words = re.sub(r'"\$\$\{MLFLOW_TRACKING_URI:-(.*?)\}"', r"\1", found[1])
    words = re.sub(r"--port \$\(.*?\)$", "--port PORT", words)
    assert "$" not in words
    return f"{Path(sys.executable).parent}/mlflow ui {words} --workers 1"


@pytest.mark.parametrize("what", ["app", "mlflow"])
def test_another_network_does_not_reach_it(what: str) -> None:
    if shutil.which("unshare") is None or shutil.which("ip") is None or shutil.which("nsenter") is None:
        pytest.skip("unshare, nsenter or ip is not installed: apt-get install util-linux iproute2")
    if what == "app":
        pytest.importorskip("gradio")
    alone = ["unshare", "--user", "--map-root-user", "--net", "--kill-child", "--fork"]
    probe = "ip link set lo up && ip link add name a type veth peer name b"
    asked = subprocess.run([*alone, "sh", "-c", probe], capture_output=True, text=True)
    if asked.returncode != 0:
        pytest.skip(f"this machine lets nobody make a network namespace: {asked.stderr.strip()}")
    command = [*alone, sys.executable, "-c", SCRIPT, "app" if what == "app" else mlflow_ui()]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.stdout.splitlines()[-2:] == ["control True", "here True there False"], done.stderr[-2000:]
