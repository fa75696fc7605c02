"""Export trained models to other programs: ONNX files and MLflow models."""
