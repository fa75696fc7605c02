"""Screen sizes of the browser tests, and the types of the fixtures that open a page on them."""

from __future__ import annotations

from typing import Literal, Protocol

from playwright.sync_api import Page, ViewportSize

DESKTOP = ViewportSize(width=1280, height=900)
PHONE = ViewportSize(width=390, height=844)
SMALL_PHONE = ViewportSize(width=320, height=568)

Scheme = Literal["light", "dark"]
Motion = Literal["reduce", "no-preference"]


class ShowReport(Protocol):
    """Opens the report; the test fails if the page reports an error or fetches anything."""

    def __call__(
        self, size: ViewportSize = DESKTOP, scheme: Scheme = "light", hash_: str = "", motion: Motion = "reduce"
    ) -> Page: ...


class ShowApp(Protocol):
    """Opens the app; the test fails if the page reports an error or sends a request to another server."""

    def __call__(self, size: ViewportSize = DESKTOP, scheme: Scheme = "light") -> Page: ...
