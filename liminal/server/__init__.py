"""The embedded Airflow of ``liminal start``, on this machine: started, watched, asked and ended.

Airflow is never imported here: its commands run as processes beside ours, with the interpreter that
runs Liminal, and its public API is asked over HTTP.
"""
