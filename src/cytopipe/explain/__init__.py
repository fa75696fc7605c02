"""Explanations of classifiers: attribution maps by captum, drawn as pictures and evaluated."""
