"""Data -> text for people and machines. Pure; `cli/` prints it."""
