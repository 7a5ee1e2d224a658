import pytest

from liminal.model import Comparison, Condition, Deferred, Placeholder

HEAD = "variables: {accuracy: 1}\n"


def test_condition(project):
    task = "{task: t, image: i/j, cmd: x, when: '{{ ds }} >= 2026-01-01'}"
    app = project.app(f"name: a\npipelines: [{{pipeline: p, tasks: [{task}]}}]")
    task = app.pipelines[0].tasks[1]
    assert task.when == Condition(
        left=Deferred((Placeholder("ds"),)),
        operator=Comparison.GREATER_OR_EQUAL,
        right="2026-01-01",
    )


@pytest.mark.parametrize(
    ("when", "hint"),
    [
        ("accuracy > 0.9", "a variable stands in braces: {{ accuracy }}"),
        ("0.9 < accuracy", "a variable stands in braces: {{ accuracy }}"),
        ("env == prod", "a variable stands in braces: {{ env }}"),
        ("1 == 1", None),
    ],
)
def test_two_fixed_texts(project, when, hint):
    found = project.findings(
        f"name: a\n{HEAD}pipelines:\n- pipeline: p\n  tasks:\n"
        f"  - {{task: t, image: i/j, cmd: x, when: '{when}'}}\n"
    )
    assert [(one.code, one.origin.line, one.hint) for one in found] == [
        ("constant-condition", 6, hint)
    ]


@pytest.mark.parametrize("when", ["accuracy", "a > b > c", "> 1", "{{ a }} =", "__import__('os')"])
def test_no_comparison(project, when):
    (found,) = project.told_of_task(f'image: img, cmd: x, when: "{when}"')
    assert "error[bad-condition]" in found


def test_operand_that_nothing_defines(project):
    (found,) = project.told_of_task("image: img, cmd: x, when: '{{ acuracy }} > 1'", HEAD)
    assert found.endswith('nothing here defines "acuracy"; did you mean "accuracy"?')


def test_output_of_a_task_that_is_not_there(project):
    (found,) = project.told_of_task("image: img, cmd: x, when: tasks.chek.score > 1")
    assert 'error[unknown-task] no task is named "chek"' in found


def test_param_that_the_pipeline_has_not(project):
    told = project.told_of_task(
        "image: img, cmd: 'x {{ params.acuracy }} {{ params.accuracy }}'", HEAD
    )
    assert told == [
        '9 x warning[unknown-variable] nothing here defines "params.acuracy"; '
        'did you mean "params.accuracy"?'
    ]
