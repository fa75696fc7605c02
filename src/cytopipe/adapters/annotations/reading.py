"""The annotated images of a folder: which files hold annotations, of which format, and which image each means."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path, PurePosixPath
from typing import Any, Literal, get_args

from PIL import ExifTags

from cytopipe.adapters.annotations.coco import is_coco, read_coco
from cytopipe.adapters.annotations.files import read_json, read_xml
from cytopipe.adapters.annotations.geojson import is_geojson, read_features
from cytopipe.adapters.annotations.label_studio import is_label_studio, read_label_studio, without_upload
from cytopipe.adapters.annotations.shapes import AnnotatedImage
from cytopipe.adapters.annotations.xml_formats import ROOTS, read_asap, read_cvat, read_voc
from cytopipe.adapters.annotations.yolo import class_names, is_blank, is_class_list, is_yolo, read_yolo
from cytopipe.adapters.layout import list_paths
from cytopipe.adapters.names import ImageNames
from cytopipe.data.imaging.fields import open_field
from cytopipe.data.imaging.formats import is_image_name
from cytopipe.data.imaging.frames import select_frame
from cytopipe.data.imaging.native import is_special
from cytopipe.data.imaging.opening import opened
from cytopipe.errors import CytopipeError

logger = logging.getLogger("cytopipe")
FormatName = Literal["geojson", "coco", "voc", "yolo", "label-studio", "asap", "cvat"]
_JSON, _XML = ("geojson", "coco", "label-studio"), ("voc", "asap", "cvat")
_APERIO = ".svs"  # slides that are TIFFs, read at full resolution
_WITHOUT_MEANING = frozenset(  # folders that say what lies in them, not which image it is
    {"image", "images", "img", "imgs", "jpegimages", "label", "labels", "annotation", "annotations", "obj_train_data"}
    | {"xml", "json", "geojson", "coco", "voc", "yolo", "cvat", "asap", "qupath", "exports", "export", "data", "fields"}
)


@dataclass
class Found:
    """What reading a folder of annotations gives.

    Attributes:
        lookup: how images were found.
        images: the annotations of each image, in the order of the images' paths.
        files: the files that were read.
        unannotated: images without a file or an entry.
        absent: annotated images that are not there, and where they are named.
    """

    lookup: ImageLookup
    images: dict[Path, AnnotatedImage] = field(default_factory=dict)
    files: list[Path] = field(default_factory=list)
    unannotated: list[Path] = field(default_factory=list)
    absent: list[tuple[str, str]] = field(default_factory=list)


def read_annotations(home: Path, images: str, annotations: str, asked: FormatName | None) -> Found:
    """Read every file of annotations.

    Args:
        home: folder of the dataset.
        images: folder of the images below it.
        annotations: folder or file of the annotations below it.
        asked: read files of this format alone; None finds the format of each file.

    Raises:
        CytopipeError: no file holds annotations, one is damaged, two are of one image, or an image is of another size
            than its annotations say.
    """
    for name, key in ((images, "images"), (annotations, "annotations")):
        if ".." in Path(name).parts or not (home / name).is_relative_to(home):
            raise CytopipeError(f"'{name}' is not below the source", where=f"options.{key}", hint="name a part of it")
        if not (home / name).exists():
            raise CytopipeError(f"no '{name}' in the source", where=home, hint=f"correct options.{key}")
    lookup = ImageLookup(home / images)
    result = Found(lookup)
    for one in _annotated(home, home / annotations, asked, lookup, result):
        image = lookup.find(one)
        if image is None:
            result.absent.append((one.names[0], one.where))
            continue
        if image in result.images:
            raise CytopipeError(
                f"the annotations of {image.name} are in {result.images[image].where} already",
                where=one.where,
                hint="keep one of them; options.format reads the files of one format alone",
            )
        size = image_size(image)
        if one.size is not None and one.size != size:
            raise CytopipeError(
                f"the annotations are of an image of {one.size[1]} x {one.size[0]} px, {image.name} has {size[1]} x "
                f"{size[0]}",
                where=one.where,
                hint="use the image that was annotated: a resized, cropped or turned copy does not fit",
            )
        result.images[image] = one
    if not result.files and not result.absent:
        raise CytopipeError(
            f"no file holds annotations{f' of the format {asked}' if asked else ''}",
            where=home / annotations,
            hint=f"formats that are read: {', '.join(get_args(FormatName))}; see docs/annotations.md",
        )
    result.images = dict(sorted(result.images.items()))
    result.unannotated = [path for path in lookup.paths if path not in result.images]
    return result


@lru_cache(maxsize=1 << 16)
def image_size(path: Path) -> tuple[int, int]:
    """Height and width of an image as it is shown, upright; of most files only the header is read.

    Raises:
        CytopipeError: the file cannot be read.
    """
    if is_special(path):
        with open_field(path) as whole:
            return whole.height, whole.width
    with opened(path) as image:
        select_frame(image, path)
        across, down = image.size
        turned = image.getexif().get(ExifTags.Base.Orientation, 1) in (5, 6, 7, 8)
    return (across, down) if turned else (down, across)


class ImageLookup:
    """Finds the images that annotations mean, whatever folders `images` and `annotations` lie between."""

    def __init__(self, root: Path) -> None:
        names = [path for path in list_paths(root) if is_image_name(path.name) or path.suffix.lower() == _APERIO]
        self.paths = [root / name for name in names]
        plain: dict[str, list[PurePosixPath]] = {}
        for name in names:
            plain.setdefault(_meaningful(name), []).append(name)
        self._files = {
            (key if len(same) == 1 else name.as_posix()): root / name for key, same in plain.items() for name in same
        }
        self._names = ImageNames(self._files, root)
        self._known: dict[tuple[str, ...], Path | None] = {}
        self._renamed: dict[str, Path] = {}

    def find(self, one: AnnotatedImage) -> Path | None:
        """The image that annotations are of; None if it is not there.

        Raises:
            CytopipeError: they can be of several.
        """
        if one.names not in self._known:
            self._known[one.names] = self._find(one)
        return self._known[one.names]

    def _find(self, one: AnnotatedImage) -> Path | None:
        # Last, what programs change: Label Studio what it uploads, QuPath leaves `.ome` out with the suffix.
        changed = [other for name in one.names for other in (without_upload(name), f"{name}.ome")]
        for name in dict.fromkeys((*one.names, *changed)):
            for spelling in dict.fromkeys((_meaningful(PurePosixPath(name.replace("\\", "/"))), name)):
                found = self._names.find(spelling, one.where)
                if found is not None:
                    if name not in one.names:
                        self._renamed[one.names[0]] = self._files[found]
                    return self._files[found]
        return None

    def log(self, place: Path) -> None:
        """Log which images have other names than the annotations in `place` say."""
        self._names.log(place)
        if self._renamed:
            name, image = next(iter(self._renamed.items()))
            logger.warning(
                "%s: %d names are matched without what Label Studio or QuPath changes in them, first %s: %s",
                *(place, len(self._renamed), name, image.name),
            )


def _meaningful(path: PurePosixPath) -> str:
    """A path without the folders that only say what lies in them."""
    folders = [part for part in path.parts[:-1] if part.lower() not in _WITHOUT_MEANING and part not in ("/", ".")]
    return "/".join([*folders, path.name])


def _annotated(
    home: Path, place: Path, asked: FormatName | None, images: ImageLookup, result: Found
) -> Iterator[AnnotatedImage]:
    """Every annotated image of every file; the files are noted in `result`."""
    paths = [place] if place.is_file() else [place / name for name in list_paths(place)]
    texts: list[Path] = []
    for path in paths:
        suffix = path.suffix.lower()
        where = path.relative_to(home).as_posix()
        stem = path.relative_to(place).with_suffix("").as_posix() if path != place else path.stem
        if suffix in (".json", ".geojson") and asked in (None, *_JSON):
            found = _of_json(read_json(path), where, stem, asked)
        elif suffix == ".xml" and asked in (None, *_XML):
            found = _of_xml(path, where, stem, asked)
        elif suffix == ".txt" and asked in (None, "yolo") and not is_class_list(PurePosixPath(path.name)):
            texts.append(path)
            continue
        else:
            continue
        if found is not None:
            result.files.append(path)
            yield from (_beside(one, stem) for one in found)
    if texts:
        yield from _of_texts(home, place, texts, asked, images, result)


def _beside(one: AnnotatedImage, stem: str) -> AnnotatedImage:
    """The same, whose image lies first of all in the folder of its file: `test/1.xml` says no more than `1.png`."""
    folder, name = PurePosixPath(stem).parent, one.names[0]
    if name == stem or not folder.parts:
        return one
    return replace(one, names=((folder / name.replace("\\", "/")).as_posix(), *one.names))


def _of_json(value: Any, where: str, stem: str, asked: FormatName | None) -> list[AnnotatedImage] | None:
    """The images of a JSON file; None for a file of another kind."""
    if is_geojson(value) and asked in (None, "geojson"):
        return [AnnotatedImage((stem,), where, read_features(value, where))]
    if is_coco(value) and asked in (None, "coco"):
        return read_coco(value, where)
    if is_label_studio(value) and asked in (None, "label-studio"):
        return read_label_studio(value, where)
    return None


def _of_xml(path: Path, where: str, stem: str, asked: FormatName | None) -> list[AnnotatedImage] | None:
    root = read_xml(path)
    kind = ROOTS.get(root.tag)
    if kind is None or asked not in (None, kind):
        return None
    if kind == "cvat":
        return list(read_cvat(root, where))
    return [read_voc(root, where, stem) if kind == "voc" else read_asap(root, where, stem)]


def _of_texts(
    home: Path, place: Path, texts: Sequence[Path], asked: FormatName | None, images: ImageLookup, result: Found
) -> Iterator[AnnotatedImage]:
    """The images of YOLO's text files; without options.format, texts that are none are left alone."""
    lists = [home / name for name in list_paths(home) if is_class_list(name)]
    names = class_names(lists)
    files = {path for path in texts if is_yolo(path)}
    if files:
        result.files += lists
    for path in texts:
        stem = path.relative_to(place).with_suffix("").as_posix() if path != place else path.stem
        one = AnnotatedImage((stem,), path.relative_to(home).as_posix(), ())
        image = images.find(one)
        is_asked = asked == "yolo" or (bool(files) and is_blank(path))  # a blank text: nothing is in the image
        if path not in files and (image is None or not is_asked):
            continue  # such as train.txt
        result.files.append(path)
        found = read_yolo(path, one.where, image_size(image), names) if image is not None else ()
        yield AnnotatedImage(one.names, one.where, found)
