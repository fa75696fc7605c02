"""Classify an image by an exported model: no cytopipe and no torch, only numpy, onnxruntime and opencv-python-headless.

    cytopipe export models/classifiers/NAME
    python docs/onnx_example.py NAME.onnx IMAGE [MASK]

MASK, for a classifier that sees masks, is an image of the same size: 0 outside the cell, 255 in its nucleus, another
grey elsewhere in the cell, as cytopipe's segmenters write them.
"""

import json
import sys

import cv2
import numpy as np
import onnxruntime


def read(path: str, flags: int) -> np.ndarray:
    """The pixels of an image: H x W x 3 BGR or H x W grey, uint8."""
    pixels = cv2.imread(path, flags)
    if pixels is None:
        sys.exit(f"error: {path}: no image, or it cannot be decoded")
    return pixels


model, image, *mask = sys.argv[1:]
session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
about = session.get_modelmeta().custom_metadata_map
size, fit = json.loads(about["input_size"]), json.loads(about.get("fit", '"stretch"'))


def scaled_size(height: int, width: int) -> tuple[int, int]:
    """The size to which an image is scaled: stretched, to fit into the square, or at the scale of the training."""
    if fit == "stretch":
        return size, size
    step = max(height, width) / size if fit == "pad" else fit.get("source_pixels")
    if step is None:
        sys.exit(f"error: {fit}: divide um_per_pixel by the micrometres of a pixel of your image, and use that as step")
    return max(1, round(height / step)), max(1, round(width / step))


def in_square(scaled: np.ndarray, colour: np.ndarray | np.uint8) -> np.ndarray:
    """The image in the middle of the square: padded with a colour where it is smaller, cropped where it is larger."""
    top, left = (size - scaled.shape[0]) // 2, (size - scaled.shape[1]) // 2
    part = scaled[max(-top, 0) :, max(-left, 0) :][:size, :size]
    square = np.empty((size, size, *scaled.shape[2:]), np.uint8)
    square[:] = colour
    square[max(top, 0) :, max(left, 0) :][: part.shape[0], : part.shape[1]] = part
    return square


rgb = cv2.cvtColor(read(image, cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB)
height, width = scaled_size(*rgb.shape[:2])
shrinks = height < rgb.shape[0] and width < rgb.shape[1]
scaled = cv2.resize(rgb, (width, height), interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR)
border = np.concatenate([rgb[0], rgb[-1], rgb[1:-1, 0], rgb[1:-1, -1]])
item = in_square(scaled, np.rint(np.median(border, axis=0)).astype(np.uint8))
if mask:
    grey = read(mask[0], cv2.IMREAD_GRAYSCALE)
    grey = in_square(cv2.resize(grey, (width, height), interpolation=cv2.INTER_NEAREST_EXACT), np.uint8(0))
    item = np.dstack([item, 255 * (grey > 0).astype(np.uint8), 255 * (grey == 255).astype(np.uint8)])

probabilities, calibrated = session.run(["probabilities", "calibrated"], {"images": item[None]})  # a batch of one
for label, probability, confidence in zip(json.loads(about["classes"]), probabilities[0], calibrated[0], strict=True):
    print(f"{label}\t{probability:.6f}\t{confidence:.6f}")
