"""Training: one loop for segmenters and classifiers, its data, losses, optimisers, checkpoints and determinism."""
