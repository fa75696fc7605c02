"""Images that declare more than they hold, or are none: name -> a writer of the file."""

from __future__ import annotations

import io
import os
import random
import struct
import zlib

import numpy as np
from PIL import Image

from hostile_archives import MIB, Write, written


def png(width: int, height: int, *chunks: tuple[bytes, bytes], depth: int = 8, colour: int = 0) -> bytes:
    """A PNG of these chunks, whatever they hold."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    inner = b"".join(chunk(*one) for one in chunks)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + inner + chunk(b"IEND", b"")


def bombs() -> dict[str, Write]:
    """Pictures and their notes that grow when they are unpacked."""
    zeros = zlib.compress(bytes(200 * MIB), 1)
    row = zlib.compress(bytes(1 + 20))
    return {
        "50,000 squared": written(png(50_000, 50_000, (b"IDAT", b"x"))),
        "largest": written(png(2**31 - 1, 2**31 - 1, (b"IDAT", b"x"))),
        "zero": written(png(0, 0, (b"IDAT", b""))),
        "rows": written(png(20, 20, (b"IDAT", zeros))),
        "text": written(png(20, 1, (b"zTXt", b"a\0\0" + zeros), (b"IDAT", row))),
        "international": written(png(20, 1, (b"iTXt", b"a\0\1\0\0\0" + zeros), (b"IDAT", row))),
        "profile": written(png(20, 1, (b"iCCP", b"a\0\0" + zeros), (b"IDAT", row))),
        "texts": written(png(20, 1, *[(b"zTXt", b"a\0\0" + zlib.compress(bytes(MIB)))] * 300, (b"IDAT", row))),
        "frames": written(png(20, 1, (b"acTL", struct.pack(">II", 2**31 - 1, 0)), (b"IDAT", row))),
        "gif": written(b"GIF89a\xff\xff\xff\xff\x80\0\0\0\0\0\xff\xff\xff,\0\0\0\0\xff\xff\xff\xff\0\x02\x02L\x01\0;"),
        "bmp": written(
            b"BM" + struct.pack("<IHHIIiiHHIIiiII", 99, 0, 0, 54, 40, 2**31 - 1, 2**31 - 1, 1, 24, *[0] * 6)
        ),
        "pgm": written(b"P5 99999999 99999999 255\n"),
    }


def tiffs() -> dict[str, Write]:
    """TIFF files whose directories lie or go in circles."""

    def tiff(*tags: tuple[int, int, int, int], next_: int = 0) -> bytes:
        body = b"".join(struct.pack("<HHLL", *tag) for tag in tags)
        return b"II*\0" + struct.pack("<L", 8) + struct.pack("<H", len(tags)) + body + struct.pack("<L", next_)

    size = ((256, 4, 1, 20), (257, 4, 1, 20), (258, 3, 1, 8), (259, 3, 1, 1), (262, 3, 1, 1))
    wide = ((256, 4, 1, 2**32 - 1), (257, 4, 1, 2**32 - 1), *size[2:])
    strips = ((273, 4, 1, 8), (277, 3, 1, 1), (278, 4, 1, 20), (279, 4, 1, 400))
    return {
        "circle": written(tiff(*size, *strips, next_=8)),
        "wide": written(tiff(*wide, *strips)),
        "strips": written(tiff(*size, (273, 4, 2**32 - 1, 8), *strips[1:])),
        "counts": written(tiff(*size, *strips[:3], (279, 4, 2**31, 8))),
        "offsets": written(tiff(*size, (273, 4, 1, 2**32 - 1), *strips[1:])),
        "samples": written(tiff(*size, (273, 4, 1, 8), (277, 3, 1, 65_535), *strips[2:])),
        "bits": written(tiff(*size[:2], (258, 3, 1, 65_535), *size[3:], *strips)),
        "no tags": written(tiff()),
        "tags": written(b"II*\0" + struct.pack("<LH", 8, 65_535)),
        "jpeg tables": written(tiff(*size[:3], (259, 3, 1, 7), size[4], *strips, (347, 7, 2**31, 8))),
        "big": written(b"II+\0\x08\0\0\0" + struct.pack("<QQ", 16, 2**63)),
    }


def others() -> dict[str, Write]:
    """Programs, pages, pipes and devices under the name of an image."""
    return {
        "svg": written(b'<svg xmlns="http://www.w3.org/2000/svg"><image href="file:///etc/passwd"/></svg>'),
        "eps": written(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n(x) run\n"),
        "html": written(b"<!DOCTYPE html><script>alert(1)</script>"),
        "magick": written(b"push graphic-context\nimage over 0,0 0,0 'https://example.org/x'\n"),
        "wmf": written(b"\xd7\xcd\xc6\x9a" + bytes(40)),
        "pdf": written(b"%PDF-1.7\n"),
        "device": lambda path: path.symlink_to("/dev/zero"),
        "secret": lambda path: path.symlink_to(path.parent.parent / "secret.txt"),
        "pipe": os.mkfifo,
        "folder": lambda path: path.mkdir(),
        "circle": lambda path: path.symlink_to(path.name),
        "empty": written(b""),
    }


def damaged() -> dict[str, Write]:
    """Images of each format with flipped bytes; the same in every run."""
    draw = random.Random(1)
    pixels = np.random.default_rng(0).integers(0, 256, (24, 20, 3), dtype=np.uint8)
    made: dict[str, Write] = {}
    for kind in ("PNG", "JPEG", "TIFF", "BMP", "GIF", "WEBP", "PPM"):
        buffer = io.BytesIO()
        Image.fromarray(pixels).save(buffer, format=kind)
        for number in range(4):
            data = bytearray(buffer.getvalue())
            for _ in range(5):
                data[draw.randrange(min(len(data), 400))] = draw.randrange(256)
            made[f"{kind} {number}"] = written(bytes(data[: draw.randrange(len(data) // 2, len(data) + 1)]))
    return made
