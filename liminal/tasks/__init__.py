"""The task types: one file each, found by entry point."""
