"""The data of a pipeline: sources, adapters, manifest, splits, tensors, augmentation."""
