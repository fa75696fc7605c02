"""Evaluation of models on test images, the leaderboard and the regression gate."""
