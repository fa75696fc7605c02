from __future__ import annotations

import io
import struct
import zipfile
import zlib

import pytest

from cytopipe.core.io.zip_members import UnknownEncodingError, member_name, open_member


def member(name: bytes, flags: int = 0, extra: bytes = b"") -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name.decode("utf-8" if flags else "cp437"))
    info.flag_bits, info.extra = flags, extra
    return info


def unicode_path(name: str, of: bytes) -> bytes:
    content = b"\x01" + struct.pack("<I", zlib.crc32(of)) + name.encode()
    return b"\x99\x99\x02\x00ab" + struct.pack("<HH", 0x7075, len(content)) + content


def test_names_that_say_what_they_are_need_no_encoding() -> None:
    assert member_name(member(b"a\\b.png"), None) == "a\\b.png"
    assert member_name(member("细".encode(), flags=1 << 11), "cp932") == "细"
    assert member_name(member("细".encode()), None) == "细"
    assert member_name(member("细".encode("gbk"), extra=unicode_path("细", "细".encode("gbk"))), None) == "细"


def test_other_names_need_one_and_are_shown_in_several() -> None:
    gbk = member("细胞".encode("gbk"))
    assert member_name(gbk, "gbk") == "细胞"
    with pytest.raises(UnknownEncodingError) as caught:
        member_name(gbk, None)
    assert caught.value.readings["gbk"] == "细胞"
    with pytest.raises(UnknownEncodingError):
        member_name(gbk, "ascii")


def test_a_name_of_an_earlier_name_is_not_believed() -> None:
    with pytest.raises(UnknownEncodingError):
        member_name(member("细胞".encode("gbk"), extra=unicode_path("x", b"other")), None)


def test_usual_members_are_read_by_zipfile() -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as opened:
        opened.writestr("a", b"words" * 99)
    with zipfile.ZipFile(buffer) as opened, open_member(opened, opened.infolist()[0]) as file:
        assert file.read() == b"words" * 99
