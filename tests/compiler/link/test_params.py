import pytest


def test_params_are_kept(project):
    pipeline = project.pipeline("params:\n  rows: {type: integer, default: 5, minimum: 1}")
    assert pipeline.params == {"rows": {"type": "integer", "default": 5, "minimum": 1}}


@pytest.mark.parametrize(
    ("schema", "told"),
    [
        ("{type: intger}", '8 intger error[bad-param] param "x" cannot have the type "intger"'),
        ("{minLength: -1}", '8 -1 error[bad-param] "minLength" of param "x" is not JSON Schema'),
        ("{pattern: '('}", '8 ( error[bad-param] "pattern" of param "x" is not JSON Schema'),
        (
            "{type: array, items: {enum: a}}",
            '8 a error[bad-param] "items.enum" of param "x" is not JSON Schema',
        ),
        ("{$schema: 'http://x/y'}", '8 { error[bad-param] param "x" refers to something'),
        (
            "{type: string, defualt: a}",
            '8 defualt: error[unknown-key] param "x" has no key "defualt"',
        ),
    ],
)
def test_no_json_schema(project, schema, told):
    (found,) = project.told_of_pipeline(f"params:\n  x: {schema}")
    assert found.startswith(told)


@pytest.mark.parametrize("url", ["http://127.0.0.1:1/x", "file:///etc/passwd", "#/nowhere"])
def test_reference_reads_no_file_and_no_network(project, url):
    assert project.told_of_pipeline(f"params:\n  x: {{$ref: '{url}'}}") == [
        '8 { error[bad-param] param "x" refers to something that is not in it'
    ]


def test_default_that_does_not_fit(project):
    assert project.told_of_pipeline("params:\n  x: {type: integer, default: many}") == [
        '8 many error[bad-default] the default of param "x" does not fit it: '
        '"many" is not of type "integer"'
    ]


def test_default_is_told_at_the_item_that_does_not_fit(project):
    lines = "params:\n  x: {type: array, items: {type: integer}, default: [1, two]}"
    (found,) = project.told_of_pipeline(lines)
    assert found.startswith("8 two error[bad-default]")


def test_format_of_a_default(project):
    lines = "params:\n  x: {type: string, format: date, default: soon}"
    (found,) = project.told_of_pipeline(lines)
    assert found.startswith("8 soon error[bad-default]")


def test_param_of_a_scheduled_pipeline_needs_a_default(project):
    """Airflow refuses the whole DAG."""
    params = "params:\n  x: {type: integer}"
    assert not project.told_of_pipeline(params)
    assert project.told_of_pipeline(f"schedule: '@daily'\n{params}") == [
        '9 { error[param-without-default] param "x" has no default, '
        "and the pipeline runs by its schedule"
    ]


def test_keys_of_airflows_form(project):
    schema = "{type: string, default: a, title: T, section: S, values_display: {a: A}}"
    assert not project.told_of_pipeline(f"params:\n  x: {schema}")
