"""Take the pictures of a finished demo for the documentation: python docs/tools/screenshots.py, after `make repro`.

Needs Chromium, and the network for the page of `dvc plots`, which loads its drawing library from there. The picture of
`snakemake --report` needs a run by Snakemake (`make snakemake`); without one it is left as it is.
"""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

from PIL import Image
from playwright.sync_api import Page, sync_playwright

from cytopipe import paths
from cytopipe.errors import CytopipeError
from cytopipe.results.explanations import ExplanationDetails
from cytopipe.results.screening import FieldScores

IMAGES = Path("docs/images")
CLASSIFIER = "attention-masks"
OTHERS = ("attention-rgb", "densenet-attention")  # compared with it in MLflow
URL = "http://127.0.0.1:5055"
WIDTH = 1280
SHOWN = 960  # longer side of a field: its grain makes a larger picture heavy


def report(page: Page) -> None:
    """The leaderboard of the first dataset, and a classifier's curves."""
    page.goto(paths.REPORT.resolve().as_uri())
    box = page.locator("#leaderboard").bounding_box()
    if box is None:
        raise CytopipeError("the report has no leaderboard", where=paths.REPORT)
    page.screenshot(
        path=IMAGES / "report.png", full_page=True, clip={"x": 0, "y": box["y"], "width": WIDTH, "height": 1500}
    )


def explanation() -> None:
    """One panel: the surest right image."""
    folder = paths.Explained(CLASSIFIER)
    shown = [one for one in ExplanationDetails.read(folder.summary).images if one.correct]
    best = max(shown, key=lambda one: one.probability)
    shutil.copy(folder.panels / best.panel, IMAGES / "explanation.png")


def predicted() -> None:
    """`cytopipe predict --overlay --explain` of one test image: the picture's own example of what it draws."""
    cell = sorted(Path("data/organized/cervix/test/Parabasal").glob("*.png"))[0]
    with tempfile.TemporaryDirectory() as folder:
        drawn = [str(paths.classifier(CLASSIFIER).model), str(cell), "--overlay", folder, "--explain", "--count"]
        subprocess.run(["cytopipe", "predict", *drawn], check=True, capture_output=True)
        shutil.copy(next(Path(folder).glob("*.png")), IMAGES / "predicted.png")


def screened() -> None:
    """The field of median score that system A's patches found."""
    folder = paths.Screened("fields-patches")
    scores = {row.field: row.f1 or 0.0 for row in FieldScores.read(folder.fields).rows}
    drawn = sorted(folder.figures.glob("*.png"), key=lambda path: scores[path.stem])  # worst, median, best
    with Image.open(drawn[1]) as picture:
        picture.thumbnail((SHOWN, SHOWN))
        picture.save(IMAGES / "screened.png", optimize=True)


def demo_page(page: Page) -> None:
    """The page of `cytopipe demo` after a sample was picked."""
    command = ["cytopipe", "demo", "--no-browser", "--models", str(paths.classifier(CLASSIFIER).model)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        try:
            said = server.stdout.readline() if server.stdout else ""
            page.goto(said.split("at ")[1].split()[0])
            page.locator("#cell-samples button").nth(1).click()
            page.wait_for_selector("#cell-answer .answer", timeout=60_000)
            page.wait_for_timeout(1000)
            page.screenshot(path=IMAGES / "page.png", full_page=True)
        finally:
            server.send_signal(signal.SIGINT)


def review_page(page: Page) -> None:
    """The page of `cytopipe review` with the editor of outlines; nothing is answered."""
    command = ["cytopipe", "review", "--no-browser", "--classifier", CLASSIFIER, "--port", "7988"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        try:
            said = server.stdout.readline() if server.stdout else ""
            page.goto(said.split("at ")[1].split()[0])
            page.wait_for_selector("#work")
            page.keyboard.press("e")
            page.wait_for_timeout(1000)
            page.screenshot(path=IMAGES / "review.png", full_page=True)
        finally:
            server.send_signal(signal.SIGINT)


def dvc_plots(page: Page) -> None:
    """The first plots of `dvc plots show`."""
    with tempfile.TemporaryDirectory() as folder:
        name = f"results/classifiers/{CLASSIFIER}/plots"
        targets = [f"{name}/{table}.csv" for table in ("roc", "reliability", "coverage", "confusion")]
        subprocess.run(["dvc", "plots", "show", *targets, "--out", folder], check=True, capture_output=True)
        page.goto((Path(folder) / "index.html").as_uri())
        page.wait_for_selector("canvas, svg", timeout=30_000)
        page.wait_for_timeout(2000)
        page.screenshot(path=IMAGES / "dvc-plots.png", clip={"x": 0, "y": 0, "width": WIDTH, "height": 920})


def snakemake_report(page: Page) -> None:
    """The figures of a network in `snakemake --report`."""
    with tempfile.TemporaryDirectory() as folder:
        made = Path(folder) / "report.html"
        done = subprocess.run(["snakemake", "--report", str(made)], capture_output=True, text=True)
        if done.returncode:
            print(f"no run by Snakemake, no picture of its report: {done.stderr.strip().splitlines()[-1]}")
            return
        page.goto(made.as_uri())
        page.wait_for_timeout(1500)
        for text in ("Evaluate a classifier on the test split, once", CLASSIFIER):
            page.get_by_text(text, exact=True).first.click()
            page.wait_for_timeout(1000)
        page.locator("tr", has_text="ROC").first.locator("a").first.click()
        page.wait_for_timeout(1500)
        page.screenshot(path=IMAGES / "snakemake-report.png")


def mlflow_comparison(page: Page) -> None:
    """Validation accuracy by epoch of several runs of train_classifier."""
    from mlflow import MlflowClient

    client = MlflowClient("sqlite:///mlflow.db")
    experiments = [one.experiment_id for one in client.search_experiments() if one.name != "Default"]
    runs = client.search_runs(experiments, filter_string="tags.stage = 'train_classifier' and status = 'FINISHED'")
    by_item = {run.data.tags["item"]: run for run in reversed(runs)}
    chosen = [by_item[name].info for name in (CLASSIFIER, *OTHERS)]
    with _mlflow():
        runs_of = quote(json.dumps([run.run_id for run in chosen]))
        keys = quote(json.dumps(["val_accuracy"]))
        page.goto(
            f"{URL}/#/metric?runs={runs_of}&metric={quote(json.dumps('val_accuracy'))}"
            f"&experiments={quote(json.dumps(experiments))}&plot_metric_keys={keys}&x_axis=step"
        )
        page.wait_for_timeout(6000)
        assistant = page.get_by_role("button", name="Close")
        if assistant.count():
            assistant.first.click()
            page.wait_for_timeout(2000)
        page.screenshot(path=IMAGES / "mlflow.png", clip={"x": 0, "y": 0, "width": WIDTH, "height": 780})


@contextmanager
def _mlflow() -> Iterator[None]:
    command = ["mlflow", "ui", "--backend-store-uri", "sqlite:///mlflow.db", "--port", URL.rpartition(":")[2]]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as server:
        try:
            _wait()
            yield
        finally:
            server.terminate()


def _wait() -> None:
    for _ in range(60):
        try:
            urllib.request.urlopen(f"{URL}/health", timeout=2).close()
            return
        except OSError:
            time.sleep(1)
    raise CytopipeError("MLflow's page does not answer", where=URL)


def main() -> None:
    """Write docs/images/*.png but for those of docs/tools/figures.py."""
    chromium = shutil.which("chromium")
    if chromium is None or not paths.REPORT.exists():
        raise CytopipeError("needs chromium and results/report.html", hint="make repro")
    explanation()
    predicted()
    screened()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        for shoot in (report, demo_page, review_page, dvc_plots, snakemake_report, mlflow_comparison):
            shoot(browser.new_page(viewport={"width": WIDTH, "height": 1000}))
        browser.close()


if __name__ == "__main__":
    try:
        main()
    except CytopipeError as error:
        sys.exit(f"error: {error}")
