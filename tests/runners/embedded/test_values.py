from collections.abc import Mapping
from typing import Any

import pytest
from runner_plans import NOW, plan, task, text

from liminal.model import Comparison, Condition, Text
from liminal.runners.embedded.macros import macros
from liminal.runners.embedded.values import (
    Scope,
    Unresolved,
    holds,
    resolve_command,
    resolve_plain,
    unresolved,
)


def scope(**sources: Any) -> Scope:
    def texts(name: str) -> Mapping[str, Text]:
        return {key: text(value) for key, value in sources.get(name, {}).items()}

    return Scope(
        supplied=sources.get("supplied", {}),
        copy=sources.get("copy", {}),
        task=texts("task"),
        layer=texts("layer"),
        params=sources.get("params", {}),
        environ=sources.get("environ", {}),
        macros=sources.get("macros", {}),
        outputs=sources.get("outputs", {}),
        pending=frozenset(sources.get("pending", ())),
    )


def test_the_first_source_that_has_a_name_wins() -> None:
    levels = ["supplied", "copy", "task", "layer", "environ", "macros"]
    for first in range(len(levels)):
        sources = {level: {"x": level} for level in levels[first:]}
        assert resolve_plain(text("{{ x }}"), scope(**sources)) == levels[first]


def test_var_changes_what_refers_to_it() -> None:
    layer = {"bucket": "s3://{{ stage }}/data", "stage": "dev"}
    assert resolve_plain(text("{{bucket}}"), scope(layer=layer)) == "s3://dev/data"
    changed = scope(layer=layer, supplied={"stage": "prod"})
    assert resolve_plain(text("{{bucket}}"), changed) == "s3://prod/data"


def test_file_values_are_pasted_and_supplied_ones_quoted_also_inside_them() -> None:
    layer = {"options": "--fast --name={{ who }}"}
    made = resolve_command(
        text("run {{ options }} {{ day }}"),
        scope(layer=layer, supplied={"who": "a; b"}, macros={"day": "mon"}),
    )
    assert made == "run --fast --name='a; b' 'mon'"


def test_env_vars_are_not_quoted() -> None:
    assert resolve_plain(text("x={{ a }}"), scope(supplied={"a": "1 2"})) == "x=1 2"


def test_dotted_names_params_conf_and_outputs() -> None:
    sources: dict[str, Any] = {
        "layer": {"db.host": "here"},
        "params": {"n": {"type": "integer", "default": 3}, "list": {"default": (1, 2)}},
        "supplied": {"given": "yes"},
        "outputs": {"train.accuracy": "0.9"},
    }
    here = scope(**sources)
    for placeholder, expected in {
        "db.host": "here",
        "n": "3",
        "params.n": "3",
        "params.list": "[1, 2]",
        "params.db.host": "here",
        "dag_run.conf.given": "yes",
        "params.given": "yes",
        "tasks.train.accuracy": "0.9",
    }.items():
        assert resolve_plain(text("{{ " + placeholder + " }}"), here) == expected


@pytest.mark.parametrize(
    "expression",
    ["7*7", "ds | upper", "x.__class__.__mro__[0]", "config['a']", "", "a b", "unknown", "a..b"],
)
def test_nothing_is_evaluated(expression: str) -> None:
    with pytest.raises(Unresolved):
        resolve_plain(text("{{ " + expression + " }}"), scope(macros=macros(NOW, "r")))


def test_jinja_statements_are_refused() -> None:
    with pytest.raises(Unresolved) as found:
        resolve_plain("{% for x in y %}", scope())
    assert "is not a name" in str(found.value)


def test_a_variable_may_wrap_the_one_further_out() -> None:
    here = scope(task={"PATH": "/x:{{ PATH }}"}, environ={"PATH": "/bin"})
    assert resolve_plain(text("{{ PATH }}"), here) == "/x:/bin"
    assert (
        resolve_plain(text("{{ PATH }}"), scope(layer={"PATH": "{{PATH}}"}, environ={"PATH": "/"}))
        == "/"
    )


def test_cycles_and_doubling_variables_end_with_an_error() -> None:
    for layer in (
        {"a": "{{ b }}", "b": "{{ a }}"},
        {"a": "{{ params.a }}"},
        {f"v{n}": 2 * ("{{ v" + str(n + 1) + " }}") for n in range(40)} | {"v40": "x" * 100},
        {f"w{n}": "{{ w" + str(n + 1) + " }}" for n in range(3000)} | {"w3000": "x"},
    ):
        with pytest.raises(Unresolved):
            resolve_plain(text("{{ " + next(iter(layer)) + " }}"), scope(layer=layer))


def test_macros_are_airflows() -> None:
    known = macros(NOW, "manual__x")
    moments = [name for name in known if name.endswith(("_date", "_start", "_end"))]
    assert {known[name] for name in moments} == {"2026-03-01 12:30:05.123456+00:00"}
    assert len(moments) == 6
    assert {name: value for name, value in known.items() if name not in moments} == {
        "env": "default",
        "ds": "2026-03-01",
        "ds_nodash": "20260301",
        "next_ds": "2026-03-01",
        "next_ds_nodash": "20260301",
        "prev_ds": "2026-03-01",
        "prev_ds_nodash": "20260301",
        "yesterday_ds": "2026-02-28",
        "yesterday_ds_nodash": "20260228",
        "tomorrow_ds": "2026-03-02",
        "tomorrow_ds_nodash": "20260302",
        "ts": "2026-03-01T12:30:05.123456+00:00",
        "ts_nodash": "20260301T123005",
        "ts_nodash_with_tz": "20260301T123005+0000",
        "run_id": "manual__x",
        "dag_run.run_id": "manual__x",
    }


@pytest.mark.parametrize(
    ("left", "operator", "right", "expected"),
    [
        ("10", ">", "9", True),
        ("10", "<", "9", False),
        ("1.0", "==", "1", True),
        ("b", ">", "a", True),
        ("10", ">", "9a", False),
        ("a", "==", "a", True),
        ("a", "!=", "a", False),
        ("1e3", ">=", "1000", True),
        ("-1", "<=", "{{ n }}", True),
        ("nan", "==", "nan", True),
    ],
)
def test_conditions_compare_numbers_as_numbers(
    left: str, operator: str, right: str, expected: bool
) -> None:
    condition = Condition(left=text(left), operator=Comparison(operator), right=text(right))
    assert holds(condition, scope(macros={"n": "0"})) is expected


def test_all_that_is_unresolved_in_a_task_is_found_at_once() -> None:
    one = task("t", "echo {{ a }} {{ 7*7 }} {% x %}", env_vars={"X": "{{ b }}"})
    assert {found.placeholder for found in unresolved(one, scope())} == {
        "{{ a }}", "{{ 7*7 }}", "{% x %}", "{{ b }}",
    }  # fmt: skip
    assert plan(one).tasks == (one,)


def test_outputs_that_will_be_there_are_no_problem() -> None:
    one = task("t", "echo {{ tasks.a.k }}")
    assert unresolved(one, scope(pending=["a.k"])) == ()
    assert [str(found) for found in unresolved(one, scope())] == [
        '{{ tasks.a.k }} has no value: there is no output "k" of a task "a" to read'
    ]


def test_a_placeholder_where_no_quoting_helps_is_found_before_the_run() -> None:
    one = task("t", "echo `cat {{ tasks.a.k }}`")
    (found,) = unresolved(one, scope(pending=["a.k"]))
    assert "backquotes" in str(found)
