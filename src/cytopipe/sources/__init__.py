"""Where a dataset's files come from: the phantom generator, a local archive or folder, a URL, a git commit."""
