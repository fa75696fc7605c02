"""One module for the layout of each published dataset; its `WRITER` draws phantoms in that layout."""
