"""The app of `cytopipe demo` with a real server, a real Chromium and real uploads, by mouse and by keyboard."""

from __future__ import annotations

import csv
import json
import os
import re
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Browser, BrowserContext, Page, Request, ViewportSize, expect
from typer.testing import CliRunner

from contrast import TEXT, TEXTS, too_faint
from cytopipe.cli import app
from made_models import CELLS, CLASSES, HOSTILE, draw_field, make_models
from screens import DESKTOP, PHONE, SMALL_PHONE, Scheme, ShowApp

pytestmark = pytest.mark.browser

ROOT = Path(__file__).resolve().parents[2]
# Background jobs of a shell ignore Ctrl-C: restore its handler.
RESTORE_CTRL_C = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler); "
COMMAND = [
    sys.executable,
    "-c",
    f"{RESTORE_CTRL_C}from cytopipe.cli import app; app()",
    "demo",
    "--no-browser",
    "--device",
    "cpu",
]
READY = re.compile(r"the app is running at (http://127\.0\.0\.1:(\d+)/)")
# Messages of gradio itself: it closes the progress stream of an upload, and requests that of a finished one.
NOISE = ("Method not implemented.", "upload_progress", "status of 404", "Response")


@dataclass(frozen=True)
class Server:
    process: subprocess.Popen[str]
    url: str
    port: int
    models: Path
    temporary: Path


def start(models: Path, temporary: Path, *arguments: str) -> Server:
    temporary.mkdir(exist_ok=True)
    environment = {
        **os.environ,
        "PYTHONPATH": str(ROOT / "src"),
        "TMPDIR": str(temporary),
        "GRADIO_SHARE": "True",  # none of these may have an effect
        "GRADIO_SERVER_NAME": "0.0.0.0",
        "GRADIO_ANALYTICS_ENABLED": "True",
        "GRADIO_ALLOWED_PATHS": "/",
    }
    command = [*COMMAND, "--models", str(models), *arguments]
    with Path(f"{temporary}.stderr").open("w") as stderr:
        process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=stderr, text=True, cwd=temporary, env=environment
        )
    assert process.stdout is not None
    found = READY.search(process.stdout.readline())
    assert found, process.wait(10)
    return Server(process, found[1], int(found[2]), models, temporary)


def stop(server: Server, how: signal.Signals = signal.SIGINT) -> int:
    server.process.send_signal(how)
    return server.process.wait(30)


def free_port() -> str:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return str(one.getsockname()[1])


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("app")
    served = start(make_models(folder / "models") / "classifiers", folder / "tmp", "--port", free_port())
    yield served
    assert stop(served) == 0


@pytest.fixture
def show(browser: Browser, server: Server) -> Iterator[ShowApp]:
    faults: list[str] = []
    contexts: list[BrowserContext] = []

    def asked(request: Request) -> None:
        if not request.url.startswith((server.url, "data:", f"blob:{server.url}")):
            faults.append(f"asked for {request.url}")

    def said(kind: str, text: str) -> None:
        if not text.startswith(NOISE) and not any(noise in text for noise in NOISE[1:3]):
            faults.append(f"{kind}: {text}")

    def show(size: ViewportSize = DESKTOP, scheme: Scheme = "light") -> Page:
        context = browser.new_context(viewport=size, color_scheme=scheme)
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(20_000)
        expect.set_options(timeout=20_000)
        page.on("console", lambda message: said(message.type, message.text))
        page.on("pageerror", lambda error: faults.append(f"error: {error}"))
        page.on("dialog", lambda dialog: faults.append(f"dialog: {dialog.message}"))
        page.on("request", asked)
        page.on("filechooser", lambda _: None)  # subscribing later may miss the event
        page.goto(server.url)
        expect(page.locator("#cell-samples button").first).to_be_visible()
        return page

    yield show
    for context in contexts:
        context.close()
    assert faults == []


def choose(page: Page, name: str) -> None:
    page.get_by_role("combobox", name="Classifier").click()
    page.get_by_role("option", name=name).click()
    inputs = "Input: the image and the masks" if name == "masks" else "Input: the image."
    expect(page.locator("#about")).to_contain_text(inputs)


def send(page: Page, file: Path, tab: str = "cell") -> None:
    with page.expect_file_chooser() as chooser:
        page.locator(f"#{tab}-file button.upload-container").click()
    chooser.value.set_files(file)


def written(page: Page) -> dict[str, str]:
    """The uncalibrated probabilities in the details."""
    answer = page.locator("#cell-answer")
    answer.get_by_text("Details").click()
    rows = answer.locator("details tr")
    return {row.locator("th").inner_text(): row.locator("td").inner_text() for row in rows.all()}


def predicted(model: Path, file: Path) -> dict[str, str]:
    result = CliRunner().invoke(app, ["predict", str(model), str(file), "--device", "cpu"])
    assert result.exit_code == 0, result.output
    (row,) = csv.DictReader(result.stdout.splitlines())
    return row


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("images")
    field = draw_field()
    cell = Image.fromarray(field[5:90, 5:80])
    cell.save(folder / "cell.png")
    cell.save(folder / "we <i>ird.tif")
    turned = cell.getexif()
    turned[274] = 6
    cell.save(folder / "turned.jpg", exif=turned)
    Image.fromarray(field[5:90, 5:80, 0].astype(np.uint16) * 257).save(folder / "deep.png")
    cell.convert("CMYK").save(folder / "print.tif")
    Image.fromarray(field).save(folder / "field.bmp")
    (folder / "text.png").write_text("no image at all")
    (folder / "empty.png").touch()
    (folder / "cut.png").write_bytes((folder / "cell.png").read_bytes()[:300])
    (folder / "drawing.png").write_text('<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>')
    frames = [Image.new("L", (8, 8), shade) for shade in (0, 99)]
    frames[0].save(folder / "stack.tif", save_all=True, append_images=frames[1:])
    Image.new("1", (20_000, 20_000)).save(folder / "vast.png")
    with (folder / "heavy.png").open("wb") as file:
        file.truncate(101 * 2**20)
    return folder


@pytest.mark.parametrize("size", [DESKTOP, PHONE, SMALL_PHONE], ids=["desktop", "phone", "small"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_loads_in_silence_fits_and_can_be_read(show: ShowApp, size: ViewportSize, scheme: Scheme) -> None:
    page = show(size, scheme)
    choose(page, "masks")
    page.locator("#cell-samples button").first.click()
    expect(page.get_by_role("heading", level=2)).to_be_visible()
    assert page.title() == "cytopipe"
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert len(page.evaluate(TEXTS)) > 8
    assert too_faint(page, TEXTS, TEXT) == []
    assert page.get_by_text("Gradio").count() == page.locator("footer.svelte").count() == 0


@pytest.mark.parametrize("model", ["colours", "masks"])
@pytest.mark.parametrize("name", ["cell.png", "we <i>ird.tif", "turned.jpg", "deep.png", "print.tif"])
def test_it_says_what_predict_says(show: ShowApp, server: Server, images: Path, model: str, name: str) -> None:
    page = show()
    choose(page, model)
    send(page, images / name)
    answer = page.locator("#cell-answer")
    expect(answer.get_by_role("heading", level=2)).to_be_visible()
    row = predicted(server.models / model, images / name)
    assert written(page) == {label: row[f"p_{label}"] for label in CLASSES}
    assert answer.get_by_role("heading", level=2).inner_text() == row["predicted"]
    assert f"Confidence {float(row['confidence']):.1%}".replace("%", " %") in answer.inner_text()
    assert ("please review" in answer.inner_text()) == (row["uncertain"] == "true") == (model == "masks")
    assert answer.get_by_role("img", name=re.compile("outlines")).count() == (model == "masks")
    assert answer.locator(f"tr.first:has-text('{row['predicted']}')").count() == 1
    assert answer.locator("i, b").count() == 0  # names are text


def test_a_sample_is_a_file_of_the_model(show: ShowApp, server: Server) -> None:
    page = show()
    choose(page, "masks")
    page.get_by_role("button", name=HOSTILE, exact=True).click()
    expect(page.locator("#cell-answer")).to_contain_text("example_1.png: 24 × 24 px")
    row = predicted(server.models / "masks", server.models / "masks/example_1.png")
    assert written(page) == {label: row[f"p_{label}"] for label in CLASSES}
    choose(page, "colours")  # the same image, another classifier
    expect(page.locator("#cell-answer")).to_contain_text("this model uses no masks")


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("text.png", "the file is not an image"),
        ("empty.png", "the image is empty"),
        ("cut.png", "the image cannot be decoded"),
        ("drawing.png", "the file is not an image"),
        ("stack.tif", "the file holds 2 pages"),
        ("vast.png", "the image has 20,000 x 20,000 pixels"),
    ],
)
def test_a_bad_file_gives_a_message_and_the_next_one_works(show: ShowApp, images: Path, name: str, reason: str) -> None:
    page = show()
    send(page, images / name)
    alert = page.locator("#cell-answer").get_by_role("alert")
    expect(alert).to_contain_text(f"{name}: {reason}")
    assert "bad_images" not in alert.inner_text() and str(images) not in alert.inner_text()
    send(page, images / "cell.png")
    expect(page.get_by_role("heading", level=2, name=re.compile("bad|good"))).to_be_visible()


def test_an_oversized_file_is_refused(show: ShowApp, server: Server, images: Path) -> None:
    page = show()
    send(page, images / "heavy.png")
    expect(page.get_by_role("status").filter(has_text="exceed the maximum allowed size of 100")).to_be_visible()
    send(page, images / "cell.png")
    expect(page.get_by_role("heading", level=2, name=re.compile("bad|good"))).to_be_visible()

    # And by the server itself, whoever sends it.
    head = b'--x\r\nContent-Disposition: form-data; name="files"; filename="heavy.png"\r\n\r\n'
    body = head + bytes(101 * 2**20) + b"\r\n--x--\r\n"
    request = urllib.request.Request(
        f"{server.url}gradio_api/upload", body, {"Content-Type": "multipart/form-data; boundary=x"}
    )
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(request, timeout=30)
    assert refused.value.code == 413


def test_a_field_gets_boxes_counts_and_files(show: ShowApp, images: Path) -> None:
    page = show()
    choose(page, "masks")
    page.get_by_role("tab", name="Field").click()
    assert page.get_by_role("combobox", name="Cell detector").input_value() == "otsu"
    send(page, images / "field.bmp", "field")
    answer = page.locator("#field-answer")
    expect(answer.get_by_role("heading", level=2)).to_have_text(f"{len(CELLS)} cells")
    counts = [int(cell.inner_text()) for cell in answer.locator(".counts td").all()]
    with page.expect_download() as download:
        answer.get_by_role("link", name="Table (CSV)").click()
    assert download.value.suggested_filename == "field.csv"
    rows = list(csv.DictReader(download.value.path().read_text().splitlines()))
    assert [sum(row["class"] == label for row in rows) for label in CLASSES] == counts
    middles = {
        ((int(row["left"]) + int(row["right"])) // 2, (int(row["top"]) + int(row["bottom"])) // 2) for row in rows
    }
    assert middles == set(CELLS)
    with page.expect_download() as download:
        answer.get_by_role("link", name="GeoJSON").click()
    assert len(json.loads(download.value.path().read_text())["features"]) == len(CELLS)
    picture = answer.get_by_role("img", name="The field")
    assert picture.evaluate("(one) => one.complete && one.naturalWidth") >= 250
    send(page, images / "text.png", "field")
    expect(answer.get_by_role("alert")).to_contain_text("text.png: the file is not an image")


def test_by_keyboard_alone(show: ShowApp, images: Path) -> None:
    page = show()
    keys = page.keyboard

    def focused() -> str:
        return str(page.evaluate("document.activeElement.ariaLabel ?? document.activeElement.innerText"))

    def outline() -> str:
        script = "(({ outlineStyle, outlineWidth }) => `${outlineStyle} ${outlineWidth}`)(getComputedStyle(%s))"
        at = "document.activeElement.type === 'radio' ? document.activeElement.parentElement : document.activeElement"
        return str(page.evaluate(script % f"({at})"))

    keys.press("Tab")
    assert focused() == "Classifier"
    keys.press("ArrowDown")
    keys.press("Enter")
    expect(page.locator("#about")).to_contain_text("Input: the image and the masks")
    seen = []
    for _ in range(12):
        keys.press("Tab")
        assert outline() == "solid 3px", focused()
        seen.append(focused())
        if seen[-1] == "bad":
            break
    assert any("choose a file" in one for one in seen)
    keys.press("Enter")
    answer = page.locator("#cell-answer")
    expect(answer).to_contain_text("example_0.png")
    expect(answer.get_by_role("img", name="Heat map")).to_be_visible()
    keys.press("Tab")
    keys.press("Tab")
    assert page.get_by_role("radio", name="Integrated gradients").evaluate("(one) => one === document.activeElement")
    assert outline() == "solid 3px"
    keys.press("ArrowRight")
    expect(answer).to_contain_text("Grad-CAM: evidence for")
    keys.press("ArrowRight")
    expect(answer.get_by_role("img", name="Heat map")).to_have_count(0)
    keys.press("Tab")
    assert focused() == "Details"
    keys.press("Enter")
    expect(answer.locator("details td").first).to_be_visible()
    while "choose a file" not in focused():
        keys.press("Shift+Tab")
    with page.expect_file_chooser() as chooser:
        keys.press("Enter")
    chooser.value.set_files(images / "cell.png")
    expect(answer).to_contain_text("cell.png")
    while focused() not in ("Field", "Cell"):
        keys.press("Shift+Tab")
    if focused() == "Cell":
        keys.press("Tab")
    keys.press("Enter")
    expect(page.get_by_role("tab", name="Field")).to_have_attribute("aria-selected", "true")


def test_the_answer_comes_into_view_on_a_phone(show: ShowApp) -> None:
    page = show(PHONE)
    page.locator("#cell-samples button").first.click()
    heading = page.locator("#cell-answer").get_by_role("heading", level=2)
    expect(heading).to_be_in_viewport()


def test_only_this_machine_is_served_and_under_its_own_name(server: Server) -> None:
    policy = urllib.request.urlopen(server.url, timeout=10).headers["Content-Security-Policy"]
    assert "default-src 'self'" in policy and "connect-src 'self'" in policy
    other = urllib.request.Request(server.url, headers={"Host": "elsewhere.example"})
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(other, timeout=10)
    assert refused.value.code == 400
    listening = Path("/proc/net/tcp").read_text() + Path("/proc/net/tcp6").read_text()
    addresses = [line.split()[1] for line in listening.splitlines() if line.split()[3] == "0A"]
    assert [one for one in addresses if one.endswith(f":{server.port:04X}")] == [f"0100007F:{server.port:04X}"]
    for place in (
        "docs",
        "openapi.json",
        f"gradio_api/file={server.models}/masks/model.json",
        "gradio_api/file=/etc/passwd",
    ):
        with pytest.raises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(server.url + place, timeout=10)
        assert refused.value.code in (403, 404), place
    with urllib.request.urlopen(f"{server.url}gradio_api/info", timeout=10) as answer:
        assert json.load(answer)["named_endpoints"] == {}


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_it_ends_quietly_frees_the_port_and_keeps_nothing(
    browser: Browser, server: Server, images: Path, tmp_path: Path, how: signal.Signals
) -> None:
    own = start(server.models / "masks", tmp_path / "tmp", "--port", free_port())
    page = browser.new_page()
    page.goto(own.url)
    send(page, images / "cell.png")
    expect(page.get_by_role("heading", level=2, name=re.compile("bad|good"))).to_be_visible()
    assert [path for path in own.temporary.rglob("*") if path.name == "cell.png"]
    assert stop(own, how) == 0
    page.close()
    assert Path(f"{own.temporary}.stderr").read_text() == "the app has stopped\n"
    assert list(own.temporary.iterdir()) == []
    with socket.socket() as one:
        assert one.connect_ex(("127.0.0.1", own.port)) != 0
