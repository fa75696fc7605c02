"""Display names and colours of the attribution methods."""

from __future__ import annotations

TITLES = {
    "integrated_gradients": "IG, random",
    "integrated_gradients_black": "IG, black",
    "integrated_gradients_blurred": "IG, blurred",
    "grad_cam": "Grad-CAM",
    "guided_backprop": "guided backprop",
    "random": "random order",
}
METHOD_COLOURS = {
    "integrated_gradients": "#1f5fbf",
    "integrated_gradients_black": "#3d3d46",
    "integrated_gradients_blurred": "#4fa3c7",
    "grad_cam": "#c8553d",
    "guided_backprop": "#7a9e3a",
    "random": "#a0a6b0",
}
