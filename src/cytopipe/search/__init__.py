"""Search for the best parameters of a network: trials over grouped inner folds, successive halving, nested folds."""
