"""``liminal run``: a pipeline's plan on this machine, without Airflow."""
