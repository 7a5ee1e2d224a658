import pytest


@pytest.mark.parametrize(
    "key", ["retries", "email", "trigger_rule", "max_retry_delay", "namespace", "mem_limit"]
)
def test_argument_that_an_operator_takes(project, key):
    assert not project.told_of_pipeline(f"default_args: {{{key}: 1}}")


def test_misspelt_argument(project):
    (found,) = project.told_of_pipeline("default_args: {retres: 1}")
    message = 'no operator of Airflow takes "retres"; did you mean "retries"?'
    assert found == f"7 retres: error[unknown-key] {message}"


def test_argument_that_nothing_takes(project):
    assert project.told_of_pipeline("default_args: {flavour: 1}") == [
        '7 flavour: warning[unknown-key] no operator of Airflow takes "flavour"'
    ]


@pytest.mark.parametrize("key", ["on_failure_callback", "pre_execute", "task_id", "dag"])
def test_argument_that_a_file_cannot_give(project, key):
    (found,) = project.told_of_pipeline(f"default_args: {{{key}: x}}")
    assert found.startswith(f'7 {key}: error[not-allowed] "default_args" cannot have "{key}"')


def test_default_args_of_all_pipelines_are_told_once(project):
    text = """\
        name: a
        pipeline_defaults: {default_args: {retres: 1}}
        pipelines:
        - {pipeline: p, tasks: [{task: t, image: i/j, cmd: x}]}
        - {pipeline: q, tasks: [{task: t, image: i/j, cmd: x}]}
        """
    assert len(project.told(text)) == 1
