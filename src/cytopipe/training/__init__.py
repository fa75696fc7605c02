"""Training: one loop for segmenters and classifiers, its data, losses, optimisers and checkpoints."""
