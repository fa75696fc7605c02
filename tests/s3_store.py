"""An object store with the interface of S3 on the loopback, for tests: moto, or answers that are always the same."""

from __future__ import annotations

import contextlib
import dataclasses
import logging
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from engine_projects import Project

BUCKET = "cells"
CREDENTIALS = {
    "AWS_ACCESS_KEY_ID": "tester",
    "AWS_SECRET_ACCESS_KEY": "s3cr3t-of-tests",
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_EC2_METADATA_DISABLED": "true",
    "NO_PROXY": "127.0.0.1",
    "no_proxy": "127.0.0.1",
}
EXPIRED = """<?xml version="1.0" encoding="UTF-8"?>
<Error><Code>ExpiredToken</Code><Message>The provided token has expired.</Message></Error>"""


@dataclass(frozen=True)
class Shared(Project):
    """A project whose commands see more variables, such as the keys of a store."""

    more: Mapping[str, str] = dataclasses.field(default_factory=dict)

    @property
    def environment(self) -> dict[str, str]:
        return {**super().environment, **self.more}


@dataclass(frozen=True)
class ObjectStore:
    """A running store with an empty bucket, `BUCKET`."""

    url: str

    def client(self) -> Any:
        """A client of boto3."""
        import boto3

        keys = {name.lower(): CREDENTIALS[name] for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")}
        return boto3.session.Session().client("s3", endpoint_url=self.url, region_name="us-east-1", **keys)

    def names(self, prefix: str = "") -> list[str]:
        """Names of all objects, sorted."""
        pages = self.client().get_paginator("list_objects_v2").paginate(Bucket=BUCKET, Prefix=prefix)
        return sorted(found["Key"] for page in pages for found in page.get("Contents", ()))

    def read(self, name: str) -> bytes:
        """Content of an object."""
        content: bytes = self.client().get_object(Bucket=BUCKET, Key=name)["Body"].read()
        return content


@contextlib.contextmanager
def object_store() -> Iterator[ObjectStore]:
    """Start moto."""
    from moto.server import ThreadedMotoServer

    logging.getLogger("werkzeug").setLevel(logging.ERROR)  # one line for each request
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        store = ObjectStore("http://{}:{}".format(*server.get_host_and_port()))
        store.client().create_bucket(Bucket=BUCKET)
        yield store
    finally:
        server.stop()


@contextlib.contextmanager
def refusing_store(status: int = 400, answer: str = EXPIRED) -> Iterator[str]:
    """Start a store that gives every request one answer; yields its URL."""

    class Handler(BaseHTTPRequestHandler):
        def do_PUT(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            self.send_response(status)
            self.send_header("Content-Type", "application/xml")
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(answer.encode())

        do_GET = do_HEAD = do_POST = do_PUT  # noqa: N815  # the names that http.server calls

        def log_message(self, format: str, *args: object) -> None:
            del format, args

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
