"""Make the book: run its notebooks, sweep over their parameters, build its site."""
