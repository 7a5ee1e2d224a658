"""A pipeline -> its loader: the small file that Airflow parses for it. Pure."""


def loader(app: str, pipeline: str, plan_hash: str) -> bytes:
    """The loader's text.

    Airflow looks at files that contain the words "airflow" and "dag" only. It notices a change by
    the file's time, so that the hash is in it: a pipeline that did not change keeps its loader.
    It imports what the file imports of "airflow." before it forks, hence the first import.
    """
    return f'''\
"""The Airflow DAG "{pipeline}" of the application "{app}".

Written by "liminal deploy", which overwrites it. Plan: {plan_hash}
"""

import airflow.sdk

from liminal.runners.airflow.load import load

globals().update(load(__file__))
'''.encode()
