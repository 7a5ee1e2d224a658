"""Operators that differ in little from one that was made before: copied instead of made again.

Airflow spends most of the time of a parse in the constructors of operators: 0.1 ms each, of which a
copy takes a tenth. A test holds the two against each other, task by task, as Airflow stores them.
"""

from collections.abc import Mapping
from typing import Any

_FRESH = (list, set, dict)
_INIT_KWARGS = "_BaseOperator__init_kwargs"


def clone_of(first: Any, task_id: str, changed: Mapping[str, Any]) -> Any:
    """An operator like the first one, in the same DAG, with another id.

    Args:
        first: as its constructor made it, with nothing before or after it.
        task_id: the id, which is new in the DAG.
        changed: attributes that it has of its own; each is named like the argument.
    """
    fields = {
        name: value.copy() if type(value) in _FRESH else value
        for name, value in vars(first).items()
    }
    own = {"task_id": task_id, **changed}
    fields.update(own, upstream_task_ids=set(), downstream_task_ids=set())
    fields[_INIT_KWARGS].update(own)
    made = object.__new__(type(first))
    vars(made).update(fields)  # not by its __setattr__, which looks at each for what it depends on
    dag = first.dag
    dag.task_group.children[task_id] = made
    dag.task_group.used_group_ids.add(task_id)
    dag.task_dict[task_id] = made
    return made


def connect(before: Any, after: Any) -> None:
    """Make one task of a DAG come after another one of the same DAG."""
    before.downstream_task_ids.add(after.task_id)
    after.upstream_task_ids.add(before.task_id)
