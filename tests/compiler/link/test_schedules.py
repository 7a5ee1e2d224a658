import subprocess
import sys

import pytest

from liminal.model import AssetSchedule


def test_schedule_is_kept_as_written(project):
    assert project.pipeline("schedule: 0 10 * * *").schedule == "0 10 * * *"


@pytest.mark.parametrize("lines", ["", "schedule:", "schedule: null", "schedule: None"])
def test_no_schedule(project, lines):
    assert project.pipeline(lines).schedule is None


def test_f15_wrong_schedule_is_told_at_its_place(project):
    assert project.told_of_pipeline("schedule: 0 0 30 2 *") == [
        '7 0 error[never-fires] the schedule "0 0 30 2 *" never fires'
    ]


def test_f15_every_second(project):
    assert project.told_of_pipeline("schedule: '* * * * * *'") == [
        '7 * error[bad-schedule] the schedule "* * * * * *" has 6 fields'
    ]


def test_wrong_default_schedule_is_told_once(project):
    pipelines = "".join(
        f"- {{pipeline: p{i}, tasks: [{{task: t, image: i/j, cmd: x}}]}}\n" for i in range(3)
    )
    told = project.told(
        f"name: app\npipeline_defaults:\n  schedule: dayly\npipelines:\n{pipelines}"
    )
    assert told == [
        '3 dayly error[bad-schedule] "dayly" is not a schedule; did you mean "@daily"?',
    ]


def test_schedule_of_a_variable(project):
    text = """\
        name: app
        variables: {when: 0 0 31 2 *}
        pipelines:
        - {pipeline: p, schedule: '{{ when }}', tasks: [{task: t, image: i/j, cmd: x}]}
        """
    assert project.told(text) == ['4  error[never-fires] the schedule "0 0 31 2 *" never fires']


def test_continuous_runs_one_at_a_time(project):
    assert project.pipeline("schedule: '@continuous'\nmax_active_runs: 1").max_active_runs == 1
    assert project.told_of_pipeline("schedule: '@continuous'\nmax_active_runs: 3") == [
        '8 3 error[bad-value] "max_active_runs" cannot be 3 where the schedule is "@continuous"'
    ]


def test_assets(project):
    pipeline = project.pipeline("schedule: {assets: [s3://bucket/rows, my_asset, x-own:a]}")
    assert pipeline.schedule == AssetSchedule(assets=("s3://bucket/rows", "my_asset", "x-own:a"))


@pytest.mark.parametrize(
    ("asset", "message"),
    [
        ("http://user:word@host/x", "the asset holds a password"),
        ("airflow://x", "the scheme airflow is Airflow's own"),
        ("self", 'an asset cannot be named "self"'),
        ("s3://a b", 'the asset "s3://a b" is not a URI'),
        ("s3://\u00e9", 'the asset "s3://\u00e9" is not a URI'),
        ("http://[", 'the asset "http://[" is not a URI'),
        ("s3://" + "a" * 1500, "the asset is 1505 characters long"),
    ],
)
def test_asset_that_airflow_refuses(project, asset, message):
    told = project.told_of_pipeline(f"schedule:\n  assets:\n  - s3://fine\n  - '{asset}'")
    assert told == [f"10 {asset.split()[0].rstrip('[')} error[bad-asset] {message}"]


def test_asset_schedule_without_assets(project):
    (found,) = project.told_of_pipeline("schedule: {}")
    assert found.startswith("7 { error[missing-key]")


def test_croniter_is_read_only_for_a_cron_expression(project):
    project.file(
        "liminal.yml",
        "name: a\npipelines:\n"
        "- {pipeline: p, schedule: '@daily', tasks: [{task: t, image: i/j, cmd: x}]}\n",
    )
    code = (
        "import sys; from liminal.compiler import compile_path"
        "\nfrom liminal.plugins import discover"
        f"\nassert compile_path({str(project.folder)!r}, {{}}, discover()).apps"
        "\nassert 'croniter' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
