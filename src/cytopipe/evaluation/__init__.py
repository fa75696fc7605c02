"""Evaluation of models on test images, and the leaderboard."""
