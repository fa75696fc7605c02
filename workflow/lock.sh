#!/bin/sh
# Renew requirements.lock: resolve pyproject.toml in a fresh environment and write down what was installed.
# torch and torchvision must be a matching pair: torchvision fails to import beside another torch.
set -eu
box=$(mktemp -d)
trap 'rm -rf "$box"' EXIT
python3 -m venv "$box/venv"
"$box/venv/bin/python" -m pip install --quiet "torch==2.14.*" "torchvision==0.29.1" ".[dev,demo,docs,export,slurm]"
{
    echo "# Exact versions of every run: sh workflow/lock.sh (Python 3.11 or later; CUDA's packages for Linux alone)."
    "$box/venv/bin/python" -m pip freeze --all --exclude pip --exclude cytopipe |
        sed -E '/^(cuda-|nvidia-|triton)/ s/$/ ; platform_system == "Linux"/'
} > requirements.lock
echo "$(grep -c == requirements.lock) packages pinned"
