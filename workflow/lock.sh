#!/bin/sh
# Renew requirements.lock: uv resolves pyproject.toml for every platform and writes the hashes of all files that an index
# holds of each release. Pins stay where they still fit; `sh workflow/lock.sh --upgrade` takes the newest of everything.
set -eu
box=$(mktemp -d)
trap 'rm -rf "$box"' EXIT
if ! command -v uv > /dev/null; then
    python3 -m venv "$box/venv"
    "$box/venv/bin/python" -m pip install --quiet uv
    PATH="$box/venv/bin:$PATH"
fi
# A new torch changes results, so that it comes on purpose. torchvision must match: it fails to import beside another.
printf 'torch==2.14.*\ntorchvision==0.29.1\n' > "$box/constraints"
uv pip compile pyproject.toml --quiet --universal --python-version 3.11.5 --generate-hashes --no-annotate \
    --extra dev --extra demo --extra docs --extra export --extra remote --extra slides --extra slurm --extra weights --constraint "$box/constraints" \
    --custom-compile-command "sh workflow/lock.sh" --output-file requirements.lock "$@" > /dev/null
# What the tests of the profile kubernetes need besides, see `make plugins`.
printf 'snakemake-executor-plugin-kubernetes>=0.5\nsnakemake-storage-plugin-s3>=0.3\n' > "$box/plugins"
uv pip compile "$box/plugins" --quiet --universal --python-version 3.11.5 --generate-hashes --no-annotate \
    --constraint requirements.lock --custom-compile-command "sh workflow/lock.sh" --output-file "$box/plugins.lock" > /dev/null
awk 'NR == FNR { if (/^[^ #]/) known[$1] = 1; next } /^[^ ]/ { fresh = !($1 in known) } fresh' \
    requirements.lock "$box/plugins.lock" > workflow/plugins.lock
echo "$(grep -c == requirements.lock) packages pinned"
