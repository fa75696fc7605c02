"""The source kind `git`: some paths of one commit, without the rest of the repository and its history."""

from __future__ import annotations

import logging
import os
import re
import shutil
import subprocess
from pathlib import Path

from cytopipe.core.io.folders import Progress, copy_tree
from cytopipe.core.io.left_out import LeftOut
from cytopipe.errors import CytopipeError
from cytopipe.sources.recipe import GitRecipe, automatic_recipe, use_archive

log = logging.getLogger(__name__)

SUBMODULE = "160000 "  # its mode in a listing
# The protocols that git may use, whatever it is redirected to; users rewrite https to ssh (url.insteadOf).
PROTOCOLS = {"https": "https:ssh", "ssh": "https:ssh", "file": "file", "http": "http"}

# Bytes as committed, whatever the user's settings; a stalled transfer ends after a minute.
SETTINGS = {
    "core.autocrlf": "false",
    "core.hooksPath": os.devnull,
    "core.symlinks": "true",
    "fetch.recurseSubmodules": "false",
    "submodule.recurse": "false",
    "http.lowSpeedLimit": "1000",
    "http.lowSpeedTime": "60",
}


def fetch_git(path: Path, target: Path, *, dataset: str, cache: Path, progress: Progress | None = None) -> LeftOut:
    """Fetch the paths of the recipe `path` at its commit into `target`; no `.git` comes along.

    Returns:
        The files that were left out.

    Raises:
        CytopipeError: when the recipe is faulty or manual, git is missing, the repository cannot be reached,
            has no such commit, or the commit no such path.
    """
    recipe = automatic_recipe(path, GitRecipe, dataset)
    clone = _Clone(cache / f"git-{dataset}", recipe, where=path, dataset=dataset)
    try:
        clone.fetch()
        clone.check_out()
        shutil.rmtree(clone.folder / ".git")  # the clone's own, no file of the publisher
        return copy_tree(clone.folder, target, confined=True, consume=True, progress=progress)[1]
    finally:
        clone.remove()


class _Clone:
    """A throw-away sparse clone in `folder`."""

    def __init__(self, folder: Path, recipe: GitRecipe, *, where: Path, dataset: str) -> None:
        self.folder, self.recipe, self.where = folder, recipe, where
        self.by_hand = f"get it by hand ({recipe.home}), {use_archive(dataset)}"
        self.remove()  # what a killed run left
        folder.mkdir(parents=True)
        self._must("init", "--quiet", "--template=")
        self._must("remote", "add", "origin", recipe.url)

    def fetch(self) -> None:
        """Fetch the commit alone or, from a server that does not serve single commits, everything."""
        commit = self.recipe.commit
        if self._git("fetch", "--quiet", "--depth=1", "--filter=blob:none", "origin", commit).returncode == 0:
            return
        log.info("%s: the server does not give the commit alone; fetching the whole repository", self.recipe.url)
        self._must("fetch", "--quiet", "origin", "+refs/heads/*:refs/remotes/origin/*", "--tags")
        if self._git("cat-file", "-e", f"{commit}^{{commit}}").returncode != 0:
            raise CytopipeError(
                f"{self.recipe.url} has no commit {commit}", where=self.where, hint=f"correct it; or {self.by_hand}"
            )

    def check_out(self) -> None:
        """Write the recipe's paths; their content is fetched now, in one go."""
        commit = self.recipe.commit
        for name in self.recipe.paths:
            listed = self._must("ls-tree", "-r", commit, "--", name).splitlines()
            if not listed:
                raise CytopipeError(f"commit {commit} has no path {name!r}", where=self.where)
            for inner in (line.partition("\t")[2] for line in listed if line.startswith(SUBMODULE)):
                if len(listed) == 1:
                    raise CytopipeError(
                        f"the path {inner!r} is a submodule, which is not fetched",
                        where=self.where,
                        hint="write a recipe for its repository, which .gitmodules names",
                    )
                log.warning("%s: %s is a submodule, which is not fetched", self.recipe.url, inner)
        patterns = ["/" + re.sub(r"([\\*?\[\]])", r"\\\1", name) for name in self.recipe.paths]
        self._must("sparse-checkout", "set", "--no-cone", "--stdin", text="\n".join(patterns) + "\n")
        self._must("checkout", "--quiet", "--detach", commit)

    def remove(self) -> None:
        """Remove the clone."""
        if self.folder.exists():
            shutil.rmtree(self.folder)

    def _must(self, *arguments: str, text: str = "") -> str:
        done = self._git(*arguments, text=text)
        if done.returncode != 0:
            reason = done.stderr.strip() or f"exit status {done.returncode}"
            raise CytopipeError(
                f"git {arguments[0]} failed for {self.recipe.url}: {reason}",
                where=self.where,
                hint=f"check that this machine can reach it; or {self.by_hand}",
            )
        return done.stdout

    def _git(self, *arguments: str, text: str = "") -> subprocess.CompletedProcess[str]:
        settings = [part for key, value in SETTINGS.items() for part in ("-c", f"{key}={value}")]
        # Inside a git hook these variables name the repository that the hook runs for.
        environment = {
            key: value
            for key, value in os.environ.items()
            if key not in {"GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_OBJECT_DIRECTORY", "GIT_PREFIX"}
        } | {
            "GIT_ALLOW_PROTOCOL": PROTOCOLS[self.recipe.url.partition(":")[0]],
            "GIT_TERMINAL_PROMPT": "0",
            "LC_ALL": "C",
        }
        try:
            return subprocess.run(
                ["git", *settings, *arguments],
                cwd=self.folder,
                env=environment,
                input=text,
                capture_output=True,
                text=True,
                check=False,
            )
        except FileNotFoundError:
            raise CytopipeError(
                "git is not installed", where=self.where, hint=f"install git; or {self.by_hand}"
            ) from None
