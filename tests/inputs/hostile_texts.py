"""Parameters, recipes, tables and model folders that a stranger may send: name -> a writer of the file."""

from __future__ import annotations

import io
import json
import os
import pickle
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path

import openpyxl

from hostile_archives import MIB, Write, written, zipped


def _texts(**texts: str) -> dict[str, Write]:
    return {name: written(text.encode("utf-8", "surrogateescape")) for name, text in texts.items()}


def aliases() -> dict[str, Write]:
    """A billion values by aliases, merges and circles."""

    def grown(first: str, next_: str, levels: int = 9) -> str:
        lines = [f"a0: &a0 {first}"]
        for level in range(1, levels + 1):
            lines.append(f"a{level}: &a{level} " + next_.format(", ".join([f"*a{level - 1}"] * 10)))
        return "\n".join(lines)

    return _texts(
        lists=grown("[x, x]", "[{}]"),
        mappings=grown("{k: 1}", "{{a: [{}]}}"),
        merges=grown("{k: 1}", "{{<<: [{}]}}"),
        circle="a: &a [*a]",
        circle_of_keys="a: &a {b: *a}",
        merge_of_itself="a: &a {<<: *a}",
        long_chain="a0: &a0 [x]\n" + "\n".join(f"a{n}: &a{n} [*a{n - 1}]" for n in range(1, 5000)),
        key="&a a: *a",
        unknown="a: *b",
    )


def tags() -> dict[str, Write]:
    """Tags that make objects, or anything but plain data."""
    found = (
        "!!python/object/apply:os.system ['touch pwned']", "!!python/name:os.system", "!!python/module:os",
        "!!python/object/new:os.system [touch pwned]", "!!python/tuple [1]", "!ruby/object:Gem x", "!!binary aGk=",
        "!!set {a}", "!!omap [a: 1]", "!!timestamp x", "!include /etc/passwd", "!!java.net.URL [http://x]",
    )  # fmt: skip
    return {tag: written(f"runtime: {tag}".encode()) for tag in found}


def shapes_of_yaml() -> dict[str, Write]:
    """Deep, long or odd YAML."""
    return _texts(
        brackets="[" * 100_000,
        braces="{a: " * 100_000,
        dashes="- " * 100_000,
        questions="? " * 50_000,
        digits="runtime: " + "9" * 10_000,
        hexadecimal="runtime: 0x" + "f" * 10_000,
        date="runtime: 2026-13-45",
        key_list="? [a]\n: b",
        key_mapping="? {a: b}\n: c",
        null_byte="a: \0",
        surrogate="a: \udcff",
        directive="%YAML 9.9\n---\na: 1",
        documents="a: 1\n---\nb: 2",
        keys="\n".join(f"k{n}: 1" for n in range(3000)),
        empty="",
        number="5",
    )


def recipes() -> dict[str, Write]:
    """Recipes that name another scheme, no hash, or paths elsewhere."""
    about: dict[str, object] = {"home": "x", "licence": "x", "citation": "x"}
    url: dict[str, object] = {"kind": "url", "url": "https://example.org/a.zip", "sha256": "0" * 64} | about
    git: dict[str, object] = {"kind": "git", "url": "https://example.org/r", "commit": "0" * 40, "paths": ["a"]} | about
    urls = (
        "http://example.org/a.zip", "ftp://example.org/a", "file:///etc/passwd", "data:text/plain,x", "//example.org/a",
        "javascript:alert(1)", "/etc/passwd", "HTTP://example.org/a", "http://127.0.0.1@example.org/a",
        "http://localhost.example.org/a", "https://", "https:///etc/passwd x",
    )  # fmt: skip
    changed = [url | {"url": one} for one in urls]
    changed += [url | {"sha256": one} for one in (None, "", "0" * 63, "z" * 64, "md5:" + "0" * 32)]
    changed += [url | {"filename": one} for one in ("../x", "/etc/x", "a\\b", "")]
    odd = ("ext::sh -c touch% pwned", "http://example.org/r", "ssh://-oProxyCommand=x/r", "git://example.org/r", "-u x")
    changed += [git | {"url": one} for one in odd]
    changed += [git | {"paths": [one]} for one in ("../x", "/etc", "", "a\nb")]
    changed += [git | {"commit": one} for one in ("--upload-pack=x", "HEAD", "0" * 39)]
    return {f"{n}": written(json.dumps(one).encode()) for n, one in enumerate(changed)}


def tables() -> dict[str, Write]:
    """Tables of text that are none, or whose fields are huge."""
    return {
        "field": written(b"image,label\n" + b"a" * (5 * MIB) + b",x\n"),
        "columns": written(b"image,label" + b",c" * 200_000 + b"\n"),
        "quotes": written(b'image,label\n"' + b"a\n" * 100_000),
        "nulls": written(b"image,label\n" + bytes(1000)),
        "utf16": written(b"\xff\xfe" + b"\xd8" * 999),
        "bytes": written(bytes(range(256)) * 40),
        "lines": written(b"\n" * 50_000),
        "large": lambda path: _sparse(path, 1 << 40),
        "pipe": os.mkfifo,
        "device": lambda path: path.symlink_to("/dev/zero"),
        "pickle": written(pickle.dumps({"image": 1})),
    }


def _sparse(path: Path, size: int) -> None:
    with path.open("wb") as file:
        file.truncate(size)


def workbooks() -> dict[str, Write]:
    """Workbooks that grow: merged areas, entities, parts, and what is declared."""
    buffer = io.BytesIO()
    book = openpyxl.Workbook()
    book.active.append(["image", "label"])
    book.active.append(["a.png", "x"])
    book.save(buffer)
    with zipfile.ZipFile(buffer) as opened:
        parts = {name: opened.read(name) for name in opened.namelist()}
    sheet = "xl/worksheets/sheet1.xml"

    def changed(old: bytes, new: bytes, name: str = sheet) -> Write:
        assert old in parts[name]
        return written(zipped(*(parts | {name: parts[name].replace(old, new)}).items()))

    entities = b'<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa">' + b"".join(
        b'<!ENTITY %c "%s">' % (98 + n, b"&%c;" % (97 + n) * 10) for n in range(9)
    )
    strings = b'<sst xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><si><t>&j;</t></si></sst>'
    outside = b'<!DOCTYPE x [<!ENTITY j SYSTEM "file:///etc/passwd">]>' + strings
    end = b"</sheetData>"
    merged = b'<mergeCells><mergeCell ref="A1:XFD1048576"/></mergeCells>'
    return {
        "merged": changed(end, end + merged),
        "entities": written(zipped(*(parts | {"xl/sharedStrings.xml": entities + b"]>" + strings}).items())),
        "outside": written(zipped(*(parts | {"xl/sharedStrings.xml": outside}).items())),
        "far cell": changed(b'r="B2"', b'r="XFD1048576"'),
        "deep": changed(end, b"<a>" * 100_000 + end),
        "zeros": written(zipped(*parts.items(), ("xl/worksheets/sheet2.xml", bytes(128 * MIB)))),
        "parts": written(zipped(*parts.items(), *((f"xl/{n}", b"") for n in range(10_001)))),
        "link out": written(zipped(*parts.items(), ("../../x.xml", b"x"))),
        "no sheet": written(zipped(("xl/workbook.xml", b"<x/>"))),
        "cut": written(zipped(*parts.items())[:2000]),
    }


def weights() -> dict[str, Write]:
    """Files called weights that declare what they do not hold, or are programs."""

    def with_header(header: object, data: bytes = b"") -> Write:
        text = header if isinstance(header, bytes) else json.dumps(header).encode()
        return written(struct.pack("<Q", len(text)) + text + data)

    def one(dtype: str, shape: list[int], end: int = 4, data: bytes = b"abcd") -> Write:
        return with_header({"a": {"dtype": dtype, "shape": shape, "data_offsets": [0, end]}}, data)

    return {
        "length": written(struct.pack("<Q", 1 << 63) + b"{}"),
        "length of 90 MB": written(struct.pack("<Q", 90_000_000) + b"{}"),
        "shape": one("F32", [10**12, 10**12]),
        "negative": one("F32", [-1]),
        "zero": one("F32", [0, 10**18], 0, b""),
        "offsets": one("F32", [1 << 40], 1 << 42),
        "dtype": one("F8_E8M0", [4]),
        "other dtype": one("F4", [8]),
        "unknown dtype": one("PICKLE", [4]),
        "deep": with_header(b"[" * 100_000),
        "many": with_header({f"t{n}": {"dtype": "F32", "shape": [0], "data_offsets": [0, 0]} for n in range(50_000)}),
        "pickle": written(pickle.dumps(_Touch())),
        "zip": written(zipped(("archive/data.pkl", pickle.dumps(_Touch())))),
        "empty": written(b""),
    }


class _Touch:
    """Leaves a file where it is unpickled."""

    def __reduce__(self) -> tuple[Callable[..., int], tuple[str]]:
        return os.system, ("touch pwned",)


def model_jsons() -> dict[str, Write]:
    """What should be a model.json."""
    return {
        "deep": written(b"[" * 1_000_000),
        "deep keys": written(b'{"a":' * 100_000),
        "gigabyte": lambda path: _sparse(path, 1 << 30),
        "digits": written(b'{"input_size": ' + b"9" * 100_000 + b"}"),
        "infinite": written(b'{"num_threads": 1e999}'),
        "nan": written(b'{"mean": [NaN]}'),
        "bytes": written(b"\xff\xfe\x00"),
        "list": written(b"[]"),
        "empty": written(b""),
        "device": lambda path: path.symlink_to("/dev/null"),
    }
