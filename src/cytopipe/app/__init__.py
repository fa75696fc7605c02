"""The local page of `cytopipe demo`: drop an image, see what a model says of it. gradio is imported in `app` alone."""
