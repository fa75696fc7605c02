"""One self-contained page of all results, and a card for every model and dataset."""
