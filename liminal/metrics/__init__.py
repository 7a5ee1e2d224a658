"""Where a pipeline's metrics go: one type a file."""
