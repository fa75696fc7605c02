"""The local web app of `cytopipe demo`: drop an image and see how a model classifies it.

gradio is an optional dependency, so only `interface` and `server` import it.
"""
