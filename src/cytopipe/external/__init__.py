"""A trained model on the images of another laboratory: what it loses there, and whether it had seen them."""
