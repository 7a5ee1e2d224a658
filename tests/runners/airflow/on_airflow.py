"""Runs DAGs of the bundle on the real Airflow, in one process: on stdin a JSON list of
[DAG, configuration]. Prints the import errors, and what came of each run.
"""

import contextlib
import io
import json
import os
import sys
from pathlib import Path

asked = json.load(sys.stdin)
real = os.dup(1)
os.dup2(2, 1)  # Airflow writes to stdout

from airflow.dag_processing.bundles.manager import DagBundlesManager  # noqa: E402
from airflow.dag_processing.dagbag import DagBag  # noqa: E402
from airflow.models.xcom import XComModel  # noqa: E402
from airflow.utils.session import create_session  # noqa: E402

bundle = DagBundlesManager().get_bundle("liminal")
bundle.initialize()
bag = DagBag(bundle.path, bundle_path=bundle.path, bundle_name="liminal")
with contextlib.redirect_stdout(sys.stderr):
    DagBundlesManager().sync_bundles_to_db()
answer = {
    "errors": {str(Path(file).name): text for file, text in bag.import_errors.items()},
    "dags": {
        dag.dag_id: {task.task_id: type(task).__name__ for task in dag.tasks}
        for dag in bag.dags.values()
    },
    "runs": [],
}
for name, conf in asked:
    written = io.StringIO()
    try:
        with contextlib.redirect_stdout(written):
            run = bag.dags[name].test(run_conf=conf)
    except Exception as problem:
        answer["runs"].append({"dag": name, "refused": f"{type(problem).__name__}: {problem}"})
        continue
    with create_session() as session:
        run = session.merge(run)
        tasks = {}
        for ti in run.get_task_instances(session=session):
            label = ti.task_id if ti.map_index < 0 else f"{ti.task_id}[{ti.map_index}]"
            tasks[label] = str(getattr(ti.state, "value", ti.state))
        xcoms = {
            f"{one.task_id}.{one.key}.{one.map_index}": one.value
            for one in session.query(XComModel).filter(XComModel.run_id == run.run_id)
            if not one.key.startswith("skipmixin")
        }
        answer["runs"].append(
            {
                "dag": name,
                "state": str(run.state.value),
                "tasks": tasks,
                "xcoms": xcoms,
                "log": written.getvalue(),
            }
        )
os.write(real, json.dumps(answer).encode())
