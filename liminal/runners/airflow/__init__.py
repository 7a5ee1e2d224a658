"""Pipelines on Airflow: compiled plans -> DAGs, and what their tasks do.

Only the modules below this one import Airflow; this file imports nothing, so that `specs`, which
needs none, does not either.
"""
