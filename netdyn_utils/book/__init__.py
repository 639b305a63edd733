"""The machinery of the book: run the notebooks and build the site."""
