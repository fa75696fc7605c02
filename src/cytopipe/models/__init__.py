"""Networks: one file per architecture, one registry, one folder format for a trained model."""
