"""Dataset adapters: one module per published dataset, and `folder` for your own images."""
