"""Data -> text for people and machines. Pure; `cli.py` prints it."""
