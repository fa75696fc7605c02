"""The page of `cytopipe review`: a queue, and the answers to it. `cytopipe.review` holds what it does."""

from __future__ import annotations

import base64
import binascii
import json
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from cytopipe.app.limits import UploadLimits
from cytopipe.app.server import HOST, ContentSecurityPolicy
from cytopipe.core.params.section import describe
from cytopipe.data.corrections import LEAVE_OUT
from cytopipe.data.imaging.decode import encode_png
from cytopipe.errors import CytopipeError
from cytopipe.review.answers import LONGEST_NOTE, Answer, Answers, ChangedError, Row
from cytopipe.review.items import Item, Queue

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
TEMPLATES = Path(__file__).parent / "templates"
_FILES = {"/": ("review.html", "text/html"), "/review.css": ("review.css", "text/css")}
_FILES |= {f"/{name}.js": (f"{name}.js", "text/javascript") for name in ("review", "outlines")}


class Sent(BaseModel):
    """What the page sends: of whom, and of which item of the queue."""

    model_config = ConfigDict(extra="forbid", strict=True)
    reviewer: str = Field("", max_length=80)


class SentSkip(Sent):
    """An item that is put off."""

    index: int


class SentAnswer(SentSkip):
    """An answer; `mask` is H x W bytes of 0, 1 and 2 in base64, `seen` the row that was shown."""

    label: str
    note: str = Field("", max_length=LONGEST_NOTE)
    mask: str | None = None
    seen: dict[str, str] | None = None


class ReviewPage:
    """Answers the requests of the page.

    Args:
        queue: what is looked at.
        answers: where answers go.
        reviewer: name that the page proposes.
        with_skipped: offer what was put off earlier too.
    """

    def __init__(self, queue: Queue, answers: Answers, reviewer: str = "", with_skipped: bool = False) -> None:
        self.queue, self.answers, self.reviewer = queue, answers, reviewer
        self._skipped: set[str] = set() if with_skipped else answers.skipped()
        self._writing = threading.Lock()

    def app(self, folder: Path) -> Starlette:
        """The web application; `folder` is where uploads would wait, which the page has none of."""
        routes = [Route(path, self._file, methods=["GET"]) for path in _FILES]
        routes += [
            Route(f"/api/{name}/{{index:int}}", self._get(what), methods=["GET"])
            for name, what in (
                ("item", self.item),
                ("picture", self.picture),
                ("field", self.field),
                ("mask", self.mask),
            )
        ]
        routes += [Route("/api/queue", self._get(self.state), methods=["GET"])]
        routes += [
            Route(f"/api/{name}", self._post(what, kind), methods=["POST"])
            for name, what, kind in (
                ("answer", self.answer, SentAnswer),
                ("skip", self.skip, SentSkip),
                ("undo", self.undo, Sent),
            )
        ]
        middleware = [
            Middleware(TrustedHostMiddleware, allowed_hosts=[HOST, "localhost"]),
            Middleware(ContentSecurityPolicy, policy=POLICY),
            Middleware(UploadLimits, folder=folder),
        ]
        return Starlette(routes=routes, middleware=middleware)

    def state(self) -> Any:
        """The queue, and what was said of each of its items."""
        rows = self.answers.rows()
        return {
            "title": self.queue.title,
            "table": self.answers.table.as_posix(),
            "reviewer": self.reviewer,
            "classes": self.queue.classes,
            "leaveOut": LEAVE_OUT,
            "refused": self.queue.refused,
            "items": [self._brief(one, rows) for one in self.queue.items],
        }

    def item(self, index: int) -> Any:
        """One item; its pictures are asked for separately."""
        one = self._item(index)
        size = one.picture().shape
        row = self.answers.rows().get(one.id)
        return {
            "index": index,
            "id": one.id,
            "group": one.group,
            "label": one.label,
            "predicted": one.predicted,
            "probabilities": one.probabilities,
            "score": one.score,
            "isNew": one.is_new,
            "height": size[0],
            "width": size[1],
            "row": row,
        }

    def picture(self, index: int) -> Any:
        """Its picture."""
        return Response(encode_png(self._item(index).picture()), media_type="image/png")

    def field(self, index: int) -> Any:
        """The field around it."""
        view = self._item(index).surroundings()
        if view is None:
            return Response(status_code=404)
        return Response(encode_png(view), media_type="image/png")

    def mask(self, index: int) -> Any:
        """Its outlines, H x W bytes: those of the table of corrections, or else those that were known before."""
        one = self._item(index)
        height, width = one.picture().shape[:2]
        drawn = self.answers.outlines(one.id, (height, width))
        mask = one.mask((height, width)) if drawn is None else drawn
        return Response(mask.tobytes(), media_type="application/octet-stream")

    def answer(self, sent: SentAnswer) -> Any:
        """Write an answer."""
        one = self._item(sent.index)
        mask = None if sent.mask is None else _decoded(sent.mask, one.picture().shape[:2])
        self.answers.give(one, Answer(sent.label, sent.reviewer, sent.note, mask), sent.seen)
        self._skipped.discard(one.id)
        return self.state()

    def skip(self, sent: SentSkip) -> Any:
        """Put an item off."""
        one = self._item(sent.index)
        self.answers.skip(one, sent.reviewer)
        self._skipped.add(one.id)
        return self.state()

    def undo(self, sent: Sent) -> Any:
        """Take the reviewer's last answer back; says which item it was of."""
        identity = self.answers.undo(sent.reviewer)
        self._skipped.discard(identity)
        places = [index for index, one in enumerate(self.queue.items) if one.id == identity]
        return {**self.state(), "back": places[0] if places else None}

    def _brief(self, one: Item, rows: Mapping[str, Row]) -> dict[str, Any]:
        row = rows.get(one.id)
        return {"id": one.id, "answer": row["label"] if row else None, "skipped": one.id in self._skipped}

    def _item(self, index: int) -> Item:
        if not 0 <= index < len(self.queue.items):
            raise CytopipeError(f"the queue has no item {index}")
        return self.queue.items[index]

    async def _file(self, request: Request) -> Response:
        name, kind = _FILES[request.url.path]
        return Response((TEMPLATES / name).read_bytes(), media_type=kind, headers={"cache-control": "no-store"})

    def _get(self, what: Any) -> Any:
        async def answer(request: Request) -> Response:
            return await _said(what, *request.path_params.values())

        return answer

    def _post(self, what: Any, kind: type[Sent]) -> Any:
        async def answer(request: Request) -> Response:
            if fault := _foreign(request):
                return JSONResponse({"error": fault}, 403)
            try:
                sent = kind.model_validate_json(await request.body())
            except ValidationError as error:
                return JSONResponse({"error": describe(error)}, 400)
            return await _said(lambda: self._one_at_a_time(what, sent))

        return answer

    def _one_at_a_time(self, what: Any, sent: Sent) -> Any:
        with self._writing:
            return what(sent)


async def _said(what: Any, *arguments: Any) -> Response:
    """The answer of a function, or its error in words."""
    try:
        found = await run_in_threadpool(what, *arguments)
    except ChangedError as error:
        return JSONResponse({"error": error.what, "row": error.row}, 409)
    except CytopipeError as error:
        return JSONResponse({"error": error.what if error.where is None else f"{error.where}: {error.what}"}, 400)
    except OSError as error:
        return JSONResponse({"error": f"cannot be written ({error.strerror})"}, 500)
    headers = {"cache-control": "no-store"}
    if isinstance(found, Response):
        found.headers.update(headers)
        return found
    return Response(json.dumps(found), media_type="application/json", headers=headers)


def _foreign(request: Request) -> str:
    """Why a request is refused that another page may have made the browser send; empty for our own."""
    if request.headers.get("content-type", "").partition(";")[0].strip() != "application/json":
        return "send application/json"  # another page cannot without asking first, which is answered by nobody
    origin = request.headers.get("origin")
    return "" if origin is None or origin == f"http://{request.headers.get('host')}" else "another page sent this"


def _decoded(text: str, size: tuple[int, ...]) -> np.ndarray:
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise CytopipeError("the outlines are not in base64") from None
    if len(data) != size[0] * size[1]:
        raise CytopipeError("the outlines are not of the size of the picture")
    return np.frombuffer(data, np.uint8).reshape(size[0], size[1]).copy()
