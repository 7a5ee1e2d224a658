"""Who is told when a pipeline's result is bad: one type a file."""
