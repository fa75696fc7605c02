"""Checkpoints of other people as files that `pretrained` can name: `cytopipe weights`."""
