"""Refuse ONNX files that keep weights in other files; see `models.external_data`."""

from cytopipe.models.external_data import refuse_external_data as refuse_external_data
