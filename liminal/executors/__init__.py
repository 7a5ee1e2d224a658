"""The executors: one file each, found by entry point."""
