"""``liminal run``: a pipeline's plan on this machine, without Airflow.

`run.run` runs it, `dry.describe` says what it would do, `events` are what it tells meanwhile.
"""
