"""Every key of the schema in a small document of its own: its example compiles, a wrong type not.

All documents of a kind are compiled at once, as the applications of one folder.
"""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from liminal.compiler import Compilation, compile_path
from liminal.compiler.document import parse
from liminal.compiler.schema import compose
from liminal.errors import Diagnostic, Severity
from liminal.origin import Origin
from liminal.plugins import discover

sys.path.insert(0, str(Path(__file__).parent))

import schema_properties

PLUGINS = discover()
SCHEMA = compose(PLUGINS)
PROPERTIES = list(schema_properties.properties(SCHEMA))
FILES = {
    "serving.py": "def predict(body): ...\n",
    "requirements.txt": "",
    "requirements/train.txt": "",
    "sql/daily.sql": "SELECT 1",
    "docker/train.Dockerfile": "FROM scratch\n",
    "Dockerfile": "FROM scratch\n",
    "certs/company.pem": "",
    "models/keep": "",
}
TEAM = {"name": "team", "type": "super"}
ENDPOINT = {"endpoint": "/predict", "module": "serving", "function": "predict"}
SERVER = {"image": "myorg/server", "type": "python_server", "source": ".", "endpoints": [ENDPOINT]}
NEEDED_BY_TYPE = {
    "python": {"image": "myorg/app:1.2", "cmd": "true"},
    "spark": {"image": "myorg/app:1.2", "application_source": "job.py"},
    "sql": {"query": "SELECT 1", "connection": "warehouse"},
    "create_cloudformation_stack": {"stack_name": "my-stack"},
    "delete_cloudformation_stack": {"stack_name": "my-stack"},
    "aws_cloudwatch": {"namespace": "DataPipeline"},
    "prometheus": {"url": "http://localhost:9091"},
    "emr": {"cluster_name": "analytics"},
}
EITHER = {"query_file": "query", "cluster_id": "cluster_name"}
"""Key -> the one that it stands instead of."""
LISTS = {
    "image": "images",
    "executor": "executors",
    "volume": "volumes",
    "secret": "secrets",
    "service": "services",
}
# A key that two types share has an example that suits one of them, or one place, only.
NOT_BY_EXAMPLE = {
    "root.task_defaults.job_start.depends_on": "the base layer puts it before all others",
    "root.task_defaults.job_start.when": "no task before it has an output",
    "root.task_defaults.python.depends_on": "the tasks of the example would depend on themselves",
    "root.task_defaults.python.when": "no task before the first has an output",
}
EXECUTORS = {"python": "k8s", "spark": "k8s"}


@dataclass(frozen=True)
class Case:
    """A document with one key in question, and the path that leads to it."""

    document: dict[str, Any]
    path: tuple[str | int, ...]


def case(found: Any, number: int, value: object) -> Case:
    """The smallest document that has the key with that value, and what it refers to."""
    document: dict[str, Any] = surroundings(number)
    path = place(document, found.table)
    at: Any = document
    for step in path:
        at = at[step]
    at.pop(EITHER.get(found.key), None)
    at[found.key] = value
    return Case(document, (*path, found.key))


def surroundings(number: int) -> dict[str, Any]:
    """What examples refer to."""
    container = {"image": "myorg/other", "cmd": "true"}
    tasks = [
        {"task": "extract", **container},
        {"task": "clean", **container},
        {"task": "check", **container, "outputs": ["accuracy"]},
    ]
    return {
        "name": f"app{number}",
        "volumes": [{"volume": "models", "local": {"path": "models"}}],
        "secrets": [{"secret": "warehouse", "local_path_file": "~/warehouse.json"}],
        "executors": [{"executor": "k8s", "type": "kubernetes"}],
        "monitoring": {
            "metrics_backends": [
                {"metrics_backend": name, "type": "aws_cloudwatch", "namespace": "DataPipeline"}
                for name in ("cloudwatch", "cloudwatch_metrics")
            ]
        },
        "pipelines": [{"pipeline": f"pipeline{number}", "tasks": tasks}],
    }


def place(document: dict[str, Any], table: str) -> tuple[str | int, ...]:
    """The path of a table of that kind, which is made in the document."""
    kind, *rest = table.split(".")
    if kind == "root":
        return nested(document, (), rest)
    if kind in ("monitoring", "pipeline_defaults", "service_defaults"):
        return nested(document, (), (kind, *rest))
    if kind in ("default_task:then", "pipeline_marker"):
        document["pipeline_defaults"] = {"tasks": [{"task": "own", "type": "pipeline"}]}
        return ("pipeline_defaults", "tasks", 0)
    if kind == "pipeline":
        return nested(document["pipelines"][0], ("pipelines", 0), rest)
    if kind in ("task", "mount", "secret_mount", "resources", "env_vars"):
        return in_task(document, kind, rest)
    if kind == "endpoint":
        document["images"] = [{**SERVER, "endpoints": [dict(ENDPOINT)]}]
        entry = document["images"][0]["endpoints"][0]
        return nested(entry, ("images", 0, "endpoints", 0), rest)
    if kind in ("metrics_backend", "alerts_backend"):
        entries = document["monitoring"].setdefault(f"{kind}s", [])
        default = "log" if kind == "metrics_backend" else "aws_cloudwatch"
        own = typed(rest, default)
        if kind == "alerts_backend":
            del own["namespace"]
        entries.append({kind: "own", **own})
        return ("monitoring", f"{kind}s", len(entries) - 1)
    return in_list(document, kind, rest)


def in_task(document: dict[str, Any], kind: str, rest: list[str]) -> tuple[str | int, ...]:
    tasks = document["pipelines"][0]["tasks"]
    made = {"task": "own", **typed(rest if kind == "task" else [], "python")}
    tasks.append(made)
    path = ("pipelines", 0, "tasks", len(tasks) - 1)
    match kind:
        case "task":
            return nested(made, path, rest[1:])
        case "mount":
            made["mounts"] = [{"mount": "models", "volume": "models", "path": "/mnt"}]
            return (*path, "mounts", 0)
        case "secret_mount":
            made["secrets"] = [{"secret": "warehouse", "remote_path": "/mnt/secret"}]
            return (*path, "secrets", 0)
        case _:
            made[kind] = {}
            return (*path, kind)


def in_list(document: dict[str, Any], kind: str, rest: list[str]) -> tuple[str | int, ...]:
    entries = document.setdefault(LISTS[kind], [])
    own: dict[str, Any] = {kind: "own"}
    deeper = rest
    match kind:
        case "image":
            own["source"] = "."
            own["type"] = rest[0] if rest else "python"
            deeper = rest[1:]
        case "executor":
            own |= typed(rest, "local")
            deeper = rest[1:]
        case "service":
            own |= SERVER
        case "volume" if rest == ["local"]:
            own["local"] = {"path": "models"}
        case "secret":
            own["local_path_file"] = "~/secret"
    entries.append(own)
    return nested(own, (LISTS[kind], len(entries) - 1), deeper)


def typed(rest: list[str], default: str) -> dict[str, Any]:
    name = rest[0] if rest else default
    return {"type": name, **NEEDED_BY_TYPE.get(name, {})}


def nested(entry: Any, path: tuple[str | int, ...], keys: Any) -> tuple[str | int, ...]:
    for key in keys:
        entry = entry.setdefault(key, {"assets": ["s3://bucket/data"]} if key == "schedule" else {})
        path = (*path, key)
    return path


def example(found: Any) -> object:
    """The key's first example; of an executor, one that can run the task."""
    kind = found.table.rpartition(".")[2]
    if found.key == "executor" and "task" in found.table:
        return EXECUTORS.get(kind, "airflow")
    return found.rule["examples"][0]


def wrong_value(rule: dict[str, Any]) -> object | None:
    """A value of a type that the key does not allow; None where every type is."""
    types = rule.get("type", "string" if "const" in rule else ())
    types = {types} if isinstance(types, str) else set(types)
    if "object" not in types:
        return {"wrong": "type"}
    return ["wrong"] if "array" not in types else None if "string" in types else "wrong"


def write(folder: Path, cases: list[Case | None]) -> None:
    (folder / "team").mkdir(parents=True)
    (folder / "team/liminal.yml").write_text(json.dumps(TEAM))
    for number, one in enumerate(cases):
        if one is None:
            continue
        for name, content in FILES.items():
            file = folder / str(number) / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(content)
        text = json.dumps(one.document, ensure_ascii=False)
        (folder / f"{number}/liminal.yml").write_text(text)


def errors_by_number(compilation: Compilation, folder: Path) -> dict[int, list[Diagnostic]]:
    """The errors of each application; of what only their being together makes wrong, none."""
    found: dict[int, list[Diagnostic]] = {}
    for finding in compilation.findings:
        number = Path(finding.origin.file).relative_to(folder).parts[0]
        if finding.severity is Severity.ERROR and not finding.code.startswith("duplicate-"):
            found.setdefault(int(number), []).append(finding)
    return found


def test_the_example_of_each_key_compiles(tmp_path: Path) -> None:
    cases: list[Case | None] = [
        None if str(found) in NOT_BY_EXAMPLE else case(found, number, example(found))
        for number, found in enumerate(PROPERTIES)
    ]
    write(tmp_path, cases)
    errors = errors_by_number(compile_path(str(tmp_path), {}, PLUGINS), tmp_path)
    told = {str(PROPERTIES[n]): [str(e.message) for e in found] for n, found in errors.items()}
    assert told == {}


def test_a_wrong_type_is_found_where_it_stands(tmp_path: Path) -> None:
    cases = [
        None if (value := wrong_value(found.rule)) is None else case(found, number, value)
        for number, found in enumerate(PROPERTIES)
    ]
    write(tmp_path, cases)
    errors = errors_by_number(compile_path(str(tmp_path), {}, PLUGINS), tmp_path)
    missed = {}
    for number, one in enumerate(cases):
        name = str(PROPERTIES[number])
        if one is None:
            assert {"string", "array", "object"} <= set(PROPERTIES[number].rule["type"]), name
            continue
        origin = origin_of(one, str(tmp_path / f"{number}/liminal.yml"))
        told = errors.get(number, [])
        if (origin[:3], "wrong-type") not in [(error.origin[:3], error.code) for error in told]:
            missed[name] = [f"{error.origin[1:3]} {error.message}" for error in told]
    assert missed == {}


def origin_of(one: Case, file: str) -> Origin:
    at: Any = parse(json.dumps(one.document, ensure_ascii=False), file)[0].root
    for step in one.path[:-1]:
        at = at[step]
    found: Origin = at.at(one.path[-1])
    return found


def test_no_table_is_left_out() -> None:
    met = {found.table.partition(".")[0].partition(":")[0] for found in PROPERTIES}
    tables = {
        name.partition(".")[0]
        for name, rule in SCHEMA["$defs"].items()
        if rule.get("properties") and not name.endswith("_keys")
    }
    assert tables <= met
