"""Networks: architectures and their registry, pretrained weights, determinism, and the folder of a trained model."""
