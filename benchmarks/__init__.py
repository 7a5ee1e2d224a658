"""The figures: ratios of medians of one run, because machines differ. ``make bench``."""
