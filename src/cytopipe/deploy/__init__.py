"""Trained models for other programs: ONNX files and MLflow models."""
