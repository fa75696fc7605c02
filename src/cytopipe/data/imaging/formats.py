"""Which image files are read: their suffixes, their formats, and what files of other content are.

A file is taken for an image by its suffix and read by its content: a JPEG may be called `.png`.
"""

from __future__ import annotations

from pathlib import Path

from PIL import Image, PngImagePlugin

# PIL goes by the content, not the name; readers of other formats are rarely tested, and that of EPS runs a program.
# MPO, the JPEG of phones with a second picture, comes with JPEG.
FORMATS = ("PNG", "BMP", "DIB", "JPEG", "TIFF", "WEBP", "GIF", "PPM", "JPEG2000")
SUFFIXES = (
    *(".png", ".apng", ".bmp", ".dib", ".jpg", ".jpeg", ".jpe", ".jif", ".jfif", ".mpo", ".tif", ".tiff", ".webp"),
    *(".gif", ".jp2", ".jpx", ".j2k", ".jpf", ".j2c", ".jpc", ".ppm", ".pgm", ".pbm", ".pnm"),
)
# Formats of cameras, microscopes and slide scanners that are not read: who has such files should be told.
_UNREAD = """
    heic heif avif jxl jxr svg psd ico tga pcx exr hdr eps pdf raw dng cr2 cr3 nef arw orf rw2 dcm dicom
    svs ndpi scn mrxs vsi vms vmu bif czi lsm zvi lif lei nd2 oib oif oir ims stk dv r3d
    nii fits npy npz mat h5 hdf5 ppt pptx doc docx avi mp4 mov mkv
"""
UNREAD_SUFFIXES = frozenset(f".{suffix}" for suffix in _UNREAD.split())
LFS_HEADS = (b"version https://git-lfs.github.com/spec/", b"version https://hawser.github.com/spec/")
LFS_HINT = "run `git lfs pull` in the clone that the files come from, and take them anew"
LARGEST_POINTER = 1024  # bytes; Git LFS itself takes no larger file for one
_MAGIC = (
    *(b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"II*\x00", b"MM\x00*", b"II+\x00", b"MM\x00+", b"GIF87a", b"GIF89a"),
    *(b"\x00\x00\x00\x0cjP  \r\n\x87\n", b"\xff\x4f\xff\x51"),
)

Image.MAX_IMAGE_PIXELS = None  # PIL's own limit would keep whole slides, which are read by regions, from being opened
# Microscopes write all their settings into one text of a PNG; PIL's limits (1 and 64 MiB) are made for the web.
PngImagePlugin.MAX_TEXT_CHUNK = 64 << 20
PngImagePlugin.MAX_TEXT_MEMORY = 256 << 20


def is_image_name(name: str) -> bool:
    """Whether a file's name has the suffix of an image that is read, in upper or lower case."""
    return name.lower().endswith(SUFFIXES)


def has_image_content(path: Path) -> bool:
    """Whether a file begins as images do that are read, whatever its name."""
    head = _head(path, 32)
    is_bmp = head[:2] == b"BM" and int.from_bytes(head[2:6], "little") == path.stat().st_size
    return is_bmp or head.startswith(_MAGIC) or (head[:4] == b"RIFF" and head[8:12] == b"WEBP")


def is_lfs_pointer(path: Path) -> bool:
    """Whether a regular file is what a clone without Git LFS has in place of the file itself."""
    return path.stat().st_size <= LARGEST_POINTER and _head(path, 64).startswith(LFS_HEADS)


def _head(path: Path, size: int) -> bytes:
    with path.open("rb") as file:
        return file.read(size)
