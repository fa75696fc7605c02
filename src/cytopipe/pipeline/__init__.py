"""How a stage runs: parameters, inputs, locks, outputs, tracking."""
