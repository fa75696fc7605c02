"""Open image files with PIL: every fault becomes one error, and no size is decoded blindly.

Truncated files are found by decoding them wholly with PIL: its `verify` passes truncated BMP and JPEG files, and
OpenCV returns None or, of a JPEG, half an image.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from stat import S_ISREG

from PIL import Image, UnidentifiedImageError

from cytopipe.errors import CytopipeError

# Limit for an image that is decoded whole, checked on its header first. Cameras give 5 to 50 megapixels, a cell has a
# hundredth of one; decoding an image at the limit takes 0.3 to 1.6 GB.
MOST_PIXELS = 100_000_000
Image.MAX_IMAGE_PIXELS = None  # PIL's own limit would keep whole slides, which are read by regions, from being opened
# PIL goes by the content, not the name; readers of other formats are rarely tested, and that of EPS runs a program.
FORMATS = ("PNG", "BMP", "JPEG", "TIFF", "WEBP", "GIF", "PPM", "JPEG2000")

_REPLACE = "replace the file, or set bad_images: skip for this dataset to leave such images out"


@contextmanager
def opened(path: Path, hint: str = _REPLACE) -> Iterator[Image.Image]:
    """Open an image file; every fault, here or while it is decoded in the block, becomes a CytopipeError.

    Only the header is read, and no size is refused: check the size before the whole of an untrusted file is decoded.
    """
    try:
        status = path.stat()
        if not S_ISREG(status.st_mode):  # a pipe would be waited for
            raise CytopipeError("this is no file", where=path)
        if status.st_size == 0:
            raise CytopipeError("the image is empty (0 bytes)", where=path, hint=hint)
        with Image.open(path, formats=FORMATS) as image:
            yield image
    except CytopipeError:
        raise
    except FileNotFoundError:
        raise CytopipeError("no such image", where=path) from None
    except PermissionError:
        raise CytopipeError("there is no permission to read it", where=path) from None
    except UnidentifiedImageError:
        raise CytopipeError("the file is not an image", where=path, hint=hint) from None
    except Exception as error:  # a damaged header makes PIL's readers raise TypeError, struct.error and what not
        raise CytopipeError(f"the image cannot be decoded ({error})", where=path, hint=hint) from None


def refuse_bombs(image: Image.Image, path: Path) -> None:
    """Refuse an image of more than MOST_PIXELS, before it is decoded."""
    if image.width * image.height > MOST_PIXELS:
        raise CytopipeError(
            f"the image has {image.width:,} x {image.height:,} pixels; at most {MOST_PIXELS:,} are decoded at once "
            "(`cytopipe screen` reads larger fields by tiles)",
            where=path,
        )
