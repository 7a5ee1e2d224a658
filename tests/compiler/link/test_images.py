import os
import shlex

import pytest

from liminal.runners.embedded.values import Scope, resolve_command

SERVICE = "endpoints: [{endpoint: /f, module: app, function: f}]"


@pytest.fixture
def told(project):
    """The findings of short forms of one image: those of tasks, and of a service."""
    project.file("src/app.py", "def f(): ...\n")

    def told(*tasks, service=None):
        lines = [f"  - {{task: t{i}, image: im, {keys}, cmd: x}}" for i, keys in enumerate(tasks)]
        services = f"services:\n- {{service: s, image: im, {service}}}\n" if service else ""
        body = "\n".join(lines)
        return project.told(f"name: a\n{services}pipelines:\n- pipeline: p\n  tasks:\n{body}\n")

    return told


def test_service_decides_the_type_of_an_image_that_a_task_runs_in_too(told):
    assert not told("source: src", service=f"source: src, {SERVICE}")


@pytest.mark.parametrize("second", ["source: src", "source: ./src, python_version: '3.11'"])
def test_short_forms_that_agree(told, second):
    assert not told("source: src, python_version: '3.11'", second)


def test_short_forms_that_differ_in_a_key(told):
    (found,) = told("source: src, python_version: '3.11'", "source: src, python_version: '3.12'")
    assert 'error[duplicate-image] image "im" has another python_version' in found


def test_package_goes_before_a_module_of_its_name(project):
    project.file("src/pk.py", "def other(): ...\n")
    project.file("src/pk/__init__.py", "def f(): ...\n")
    image = "{image: i, type: python_server, source: src, endpoints: [%s]}"
    endpoint = "{endpoint: /f, module: pk, function: f}"
    compiled = project.compile(f"name: a\nimages:\n- {image % endpoint}\n")
    assert not compiled.findings
    consulted = {path.name for path in compiled.linked[0].consulted}
    assert {"pk.py", "__init__.py"} <= consulted


def test_second_entry_of_a_name_that_a_parent_has_too(project):
    project.file(
        "sup/liminal.yml", "name: b\ntype: super\nvolumes: [{volume: v, local_path: /x}]\n"
    )
    volumes = "[{volume: v, local_path: /a}, {volume: v, local_path: /b}]"
    found = project.told(f"name: a\nsuper: b\nvolumes: {volumes}\n")
    assert any("error[duplicate-volume]" in one for one in found), found


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ("default_args: {retries: 3, retry_delay: 120}", (3, 2)),
        ("retries: 1\nretry_delay_minutes: 9\ndefault_args: {retries: 3}", (1, 9)),
    ],
)
def test_retries_of_default_args(project, lines, expected):
    task = next(task for task in project.pipeline(lines).tasks if task.name == "t")
    assert (task.retries, task.retry_delay_minutes) == expected


def test_folder_that_cannot_be_listed(project, monkeypatch):
    project.file("closed/liminal.yml", "name: b\n")
    listed = os.scandir

    def scandir(path):
        if str(path).endswith("closed"):
            raise PermissionError(13, "Permission denied")
        return listed(path)

    monkeypatch.setattr(os, "scandir", scandir)
    (found,) = project.findings("name: a\n")
    assert (found.code, found.severity.value) == ("unreadable", "warning")


def test_value_of_the_file_is_one_word_of_a_spark_command(project):
    app = project.app(
        "name: a\nvariables: {evil: 'a; touch P #'}\npipelines:\n- pipeline: p\n  tasks:\n"
        "  - {task: t, type: spark, image: i/j, application_source: job.py,"
        " application_arguments: [--name, '{{ evil }}']}\n"
    )
    task = next(task for task in app.pipelines[0].tasks if task.name == "t")
    command = project.plugins.task("spark").step(task).command
    scope = Scope(
        supplied={},
        copy={},
        task={},
        layer=app.variables,
        params={},
        environ={},
        macros={},
        outputs={},
    )
    assert shlex.split(resolve_command(command, scope))[-2:] == ["--name", "a; touch P #"]
