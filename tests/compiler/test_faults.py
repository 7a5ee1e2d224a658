"""F1 to F15 of the list of faults: what the compiler refuses, with what words, at what cost.

Times and memory are generous, for busy machines; what they guard against costs far more.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from liminal.compiler.source import MAX_BYTES

TASKS = "name: a\nimages: [{image: i, source: .}]\npipelines:\n- pipeline: p\n  tasks:\n"


def task(keys: str) -> str:
    return TASKS + "  - {task: t, image: i, cmd: x, " + keys + "}\n"


def pipeline(keys: str) -> str:
    lines = "".join(f"  {line}\n" for line in keys.splitlines())
    return TASKS.replace("  tasks:\n", lines) + "  tasks: [{task: t, image: i, cmd: x}]\n"


def bomb(first: str, form: str, levels: int) -> str:
    text = f"name: a\nvariables:\n  a0: &a0 {first}\n"
    for level in range(1, levels):
        many = ", ".join([f"*a{level - 1}"] * 9)
        text += f"  a{level}: &a{level} {form.format(many)}\n"
    return text


# F1: billion laughs


def test_f01_billion_laughs_is_refused(cost: Callable[[str], Any]) -> None:
    found = cost(bomb("[x, x, x, x, x, x, x, x, x]", "[{}]", 10))
    assert "liminal.yml:8:" in found.told
    assert "error[too-many-aliases]: aliases expand to more than 100,000 values" in found.told
    assert found.seconds < 1
    assert found.megabytes < 50


def test_f01_aliases_of_long_text_are_counted_by_their_characters(
    cost: Callable[[str], Any],
) -> None:
    text = f"name: a\nvariables:\n  a: &a {'x' * 500_000}\n  b: [{'*a, ' * 90_000}]\n"
    found = cost(text)
    assert "liminal.yml:4:" in found.told
    assert "error[too-many-aliases]: aliases expand to more than 4,000,000 characters" in found.told
    assert found.megabytes < 100


def test_f01_aliases_in_reason_are_kept(project: Any) -> None:
    text = "name: a\nvariables:\n  a: &a {x: 1}\n  b: *a\n  c: {<<: *a, y: 2}\n"
    (app,) = project.compile(text).required_apps()
    assert dict(app.variables) == {"a.x": "1", "b.x": "1", "c.x": "1", "c.y": "2"}


# F2: merge bomb, and what stands inside itself


def test_f02_merge_bomb_is_refused(cost: Callable[[str], Any]) -> None:
    found = cost(bomb("{x: 1}", "{{<<: [{}], y: 1}}", 7 + 2))
    assert "error[too-many-aliases]" in found.told
    assert found.seconds < 1
    assert found.megabytes < 50


@pytest.mark.parametrize("value", ["&a [*a]", "&a {b: *a}", "&a [[[{b: [*a]}]]]"])
def test_f02_alias_inside_itself_is_a_cycle(project: Any, value: str) -> None:
    told = project.first(f"name: a\nvariables: {value}\n")
    assert 'error[alias-cycle]: alias "*a" stands inside itself' in told


def test_f02_merge_of_itself_is_a_cycle(project: Any) -> None:
    told = project.first("name: a\nvariables: &v\n  <<: *v\n")
    assert told == '3:7: error[alias-cycle]: alias "*v" stands inside itself'


# F3: nesting


@pytest.mark.parametrize("opening", ["[", "{a: ", "- ", "? "])
@pytest.mark.parametrize("depth", [60, 1_000, 100_000])
def test_f03_deep_nesting_is_refused(project: Any, opening: str, depth: int) -> None:
    # The interpreter of the tests itself would crash, if that were not counted while reading.
    told = project.first("name: a\nvariables:\n  " + opening * depth)
    assert "error[too-deep]: nested more than 50 levels deep" in told or "[bad-key]" in told


def test_f03_fifty_levels_are_read(project: Any) -> None:
    text = "name: a\npipelines: []\nvariables: " + "{a: " * 49 + "x" + "}" * 49 + "\n"
    assert project.told(text) == ""


# F4: size, and what is no file


def test_f04_large_file_is_refused_before_it_is_read(project: Any) -> None:
    with open("liminal.yml", "wb") as file:
        file.truncate(MAX_BYTES + 1)
    assert project.told() == ("liminal.yml:1:1: error[too-large]: the file is larger than 32 MB")


@pytest.mark.parametrize("kind", ["fifo", "folder", "socket"])
def test_f04_what_is_no_file_is_skipped_with_a_warning(project: Any, kind: str) -> None:
    project.write("good/liminal.yml", "name: good\n")
    if kind == "fifo":
        os.mkfifo("liminal.yml")
    elif kind == "folder":
        os.mkdir("liminal.yml")
    else:
        socket.socket(socket.AF_UNIX).bind("liminal.yml")
    told = project.told()
    assert told.startswith("liminal.yml:1:1: warning[not-a-file]: is ")
    assert told.endswith(", and is skipped")
    assert [app.name for app in project.compile().apps] == ["good"]


def test_f04_device_is_skipped_with_a_warning(project: Any) -> None:
    project.write("good/liminal.yml", "name: good\n")
    os.symlink("/dev/zero", "liminal.yml")
    assert "warning[not-a-file]" in project.told()


# F5: duplicate keys


def test_f05_duplicate_key_names_both_lines(project: Any) -> None:
    assert project.told("name: a\nowner: b\nname: c\n") == (
        'liminal.yml:3:1: error[duplicate-key]: key "name" stands here a second time; '
        "the first is on line 1\n  hint: keep one of the two"
    )


def test_f05_duplicate_key_is_found_at_every_level(project: Any) -> None:
    told = project.told(task("cmd: y"))
    assert 'error[duplicate-key]: key "cmd" stands here a second time' in told


def test_f05_own_key_beside_a_merged_one_is_no_duplicate(project: Any) -> None:
    assert project.told("name: a\nvariables: {a: &a {x: 1}, b: {<<: *a, x: 2}}\n") == ""


# F6: what is no YAML, or not what we read of it

NOT_YAML = {
    "tab": (b"name: a\n\towner: b\n", "2:1: error[yaml-syntax]: a tab stands here"),
    "tab_in_a_list": (b"name: a\nimages:\n\t- image: i\n", "3:1: error[yaml-syntax]: a tab"),
    "not_utf8": (b"name: a\nowner: J\xf6rg\n", "2:9: error[not-utf8]: byte 0xf6 is not UTF-8"),
    "nul": (b"name: a\nowner: b\0c\n", "2:9: error[yaml-syntax]: a NUL byte stands here"),
    "nul_escaped": (b'name: "a\\0b"\n', "1:7: error[yaml-syntax]: a NUL character stands here"),
    "escape": (b"name: a\x1b[31m\n", "1:8: error[yaml-syntax]: the control character U+001B"),
    "utf16": ("name: a\n".encode("utf-16"), "1:1: error[not-utf8]: the file is UTF-16"),
    "utf16_be": ("\ufeffname: a\n".encode("utf-16-be"), "1:1: error[not-utf8]: the file is UTF-16"),
    "utf16_no_bom": ("name: a\n".encode("utf-16-le"), "1:1: error[not-utf8]: the file is UTF-16"),
    "two_documents": (b"name: a\n---\nname: b\n", "2:1: error[many-documents]: a second YAML"),
    "list": (b"- name: a\n", "1:1: error[not-a-mapping]: the file holds a list"),
    "text": (b"hello\n", "1:1: error[not-a-mapping]: the file holds a single value"),
    "object": (
        b"name: !!python/object/apply:os.system [id]\n",
        '1:7: error[yaml-tag]: the tag "!!python/object/apply:os.system" is refused',
    ),
    "own_tag": (b"name: !mine a\n", '1:7: error[yaml-tag]: the tag "!mine" is refused'),
    "unclosed": (b"name: [a\n", "2:1: error[yaml-syntax]: not YAML: did not find expected"),
    "unclosed_quote": (b'name: "a\n', "error[yaml-syntax]: not YAML: found unexpected end"),
    "no_anchor": (b"name: *a\n", '1:7: error[yaml-syntax]: no anchor "&a" above'),
    "mapping_key": (b"{a: b}: c\nname: a\n", "1:1: error[bad-key]: a mapping or list cannot be"),
    "bad_merge": (b"name: a\nvariables: {<<: [1, 2]}\n", "error[bad-merge]: the merge key"),
    "directives": (b"%TAG ! tag:x\n" * 200 + b"---\nname: a\n", "error[yaml-syntax]"),
}


@pytest.mark.parametrize("name", NOT_YAML)
def test_f06_what_is_no_plain_yaml_is_one_finding_with_its_place(project: Any, name: str) -> None:
    data, expected = NOT_YAML[name]
    found = project.compile(data).findings
    assert len(found) == 1
    assert expected in project.first()


@pytest.mark.parametrize(
    "data", [b"", b"\n\n", b"# only this\n", b"---\n", b"~\n", b"\xef\xbb\xbf"]
)
def test_f06_empty_file_is_skipped_with_a_note(project: Any, data: bytes) -> None:
    assert project.told(data) == (
        "liminal.yml:1:1: note[empty-file]: the file is empty, and is skipped"
    )


@pytest.mark.parametrize(
    "data",
    [
        b"\xef\xbb\xbfname: a\n",
        b"name: a\r\nowner: b\r\n",
        b"---\nname: a\n...\n",
        b"%YAML 1.1\n---\nname: a\n",
        b"name: !!str a\n",
    ],
)
def test_f06_byte_order_mark_and_the_like_are_accepted(project: Any, data: bytes) -> None:
    (app,) = project.compile(data).required_apps()
    assert app.name == "a"


def test_f06_byte_order_mark_moves_no_column(project: Any) -> None:
    told = project.first(b"\xef\xbb\xbfname: a\nnonsense: b\n")
    assert told.startswith("2:1: warning[unknown-key]")
    assert project.first(b"\xef\xbb\xbfnam: a\n").startswith("1:1: ")


# F7: what must be quoted


@pytest.mark.parametrize(
    ("value", "hint"),
    [
        ("*/5 * * * *", "'*/5 * * * *'"),
        ("* * * * *", "'* * * * *'"),
        ("@daily", "'@daily'"),
        ("{{ v }}", "{{"),
        ("%x", "'%x'"),
        ("`x`", "'`x`'"),
    ],
)
def test_f07_unquoted_value_is_told_to_be_quoted(project: Any, value: str, hint: str) -> None:
    told = project.told(pipeline(f"schedule: {value}"))
    assert told.startswith("liminal.yml:5:")
    assert "quote" in told
    assert hint in told


@pytest.mark.parametrize("place", ["tags: [{{ v }}]", "tags:\n- {{ v }}"])
def test_f07_placeholder_in_a_list_is_told_to_be_quoted(project: Any, place: str) -> None:
    assert "must be quoted" in project.told(pipeline(place))


@pytest.mark.parametrize("value", ["0 * 1 * *", "'*/5 * * * *'", '"@daily"'])
def test_f07_what_needs_no_quotes_works(project: Any, value: str) -> None:
    assert project.told(pipeline(f"schedule: {value}")) == ""


# F8: scalars that change their type


@pytest.mark.parametrize(
    ("written", "hint"), [("3.10", '"3.10"'), ("3.9", '"3.9"'), ("3", '"3"'), ("yes", '"yes"')]
)
def test_f08_version_must_be_text(project: Any, written: str, hint: str) -> None:
    told = project.told(f"name: a\nimages: [{{image: i, source: ., python_version: {written}}}]\n")
    assert '"python_version" of image "i" must be text, not' in told
    assert written in told.split("\n")[0]
    assert f"hint: quote it: {hint}" in told


@pytest.mark.parametrize("written", ["5", "no", "1e3", "0.10", "null"])
def test_f08_command_must_be_text(project: Any, written: str) -> None:
    told = project.told(TASKS + f"  - {{task: t, image: i, cmd: {written}}}\n")
    assert 'error[wrong-type]: "cmd" of task "t" must be text' in told


@pytest.mark.parametrize("written", ["010", "12:30:00", "2024-13-45", "9" * 5000, "0x1F", "1_0:3"])
def test_f08_what_yaml_would_change_stays_text(project: Any, written: str) -> None:
    (app,) = project.compile(TASKS + f"  - {{task: t, image: i, cmd: {written}}}\n").required_apps()
    assert app.pipelines[0].tasks[1].cmd == written


@pytest.mark.parametrize("written", ["010", "yes", "3.10", "0x1F", "1_000", "12:30:00", "~", "1e3"])
def test_f08_environment_is_taken_as_it_is_written(project: Any, written: str) -> None:
    (app,) = project.compile(task(f"env_vars: {{A: {written}}}")).required_apps()
    assert app.pipelines[0].tasks[1].env_vars == {"A": written}


def test_f08_tag_of_an_image_must_be_text(project: Any) -> None:
    told = project.told("name: a\nimages: [{image: 1.10, source: .}]\n")
    assert '"image"' in told
    assert 'quote it: "1.10"' in told


@pytest.mark.parametrize("written", ["9" * 5000, "1" * 30, "1e999", "-.inf", ".nan"])
def test_f08_number_out_of_range_is_a_finding(project: Any, written: str) -> None:
    assert "error[" in project.told(task(f"retries: {written}"))


# F9: unknown keys


def test_f09_unknown_key_names_the_nearest(project: Any) -> None:
    assert project.told(pipeline("schdule: '@daily'")) == (
        'liminal.yml:5:3: error[unknown-key]: pipeline "p" has no key "schdule"; '
        'did you mean "schedule"?'
    )


@pytest.mark.parametrize(
    ("key", "named"),
    [
        ("own\u0435r", "U+0435 (CYRILLIC SMALL LETTER IE)"),
        ("ow\u200bner", "U+200B (ZERO WIDTH SPACE)"),
        ("owner\u00a0", "U+00A0 (NO-BREAK SPACE)"),
        ("\u03bfwner", "U+03BF (GREEK SMALL LETTER OMICRON)"),
    ],
)
def test_f09_strange_character_is_named_by_its_code_point(
    project: Any, key: str, named: str
) -> None:
    told = project.told(f'name: a\n"{key}": b\n')
    assert told.startswith("liminal.yml:2:1: error[unknown-key]")
    assert f"it contains {named}" in told


# F10: wrong types, all in one report


def test_f10_all_wrong_types_are_told_at_once(project: Any) -> None:
    told = project.told(
        """\
        name: a
        variables: []
        pipelines:
        - pipeline: p
          tasks: {}
        - pipeline: q
          timeout_minutes: soon
          tasks:
          - {task: t, image: i, cmd: 5}
          - {task: u, image: i, cmd: x, retries: [1], env_vars: x}
        services:
        executors: x
        """
    )
    for line in (
        '2:12: error[wrong-type]: "variables" must be a mapping, not a list',
        '5:10: error[wrong-type]: "tasks" of pipeline "p" must be a list, not a mapping',
        '7:20: error[wrong-type]: "timeout_minutes" of pipeline "q" must be a number, not "soon"',
        '9:30: error[wrong-type]: "cmd" of task "t" must be text, not the number 5',
        '10:42: error[wrong-type]: "retries" of task "u" must be a whole number, not a list',
        '10:57: error[wrong-type]: "env_vars" of task "u" must be a mapping, not "x"',
        '11:10: error[wrong-type]: "services" must be a list, not nothing',
        '12:12: error[wrong-type]: "executors" must be a list, not "x"',
    ):
        assert f"liminal.yml:{line}" in told


# F11: names that lead nowhere, twice, or round in a circle


def test_f11_missing_parent_names_the_nearest(project: Any) -> None:
    project.write("infra/liminal.yml", "name: infra\ntype: super\n")
    told = project.told("name: a\nsuper: infar\n")
    assert told == (
        'liminal.yml:2:8: error[unknown-super]: no layer is named "infar"; did you mean "infra"?'
    )


def test_f11_parents_in_a_circle_are_one_chain(project: Any) -> None:
    for name, parent in (("a", "b"), ("b", "c"), ("c", "a")):
        project.write(f"{name}/liminal.yml", f"name: {name}\ntype: super\nsuper: {parent}\n")
    project.write("app/liminal.yml", "name: app\nsuper: b\n")
    (finding,) = project.compile().findings
    assert finding.message == "layers inherit in a cycle: a -> b -> c -> a"
    assert str(finding.origin) == "a/liminal.yml:3:8"


def test_f11_layer_that_is_its_own_parent(project: Any) -> None:
    told = project.first("name: a\ntype: super\nsuper: a\n")
    assert told == "3:8: error[super-cycle]: layers inherit in a cycle: a -> a"


def test_f11_parent_that_could_not_be_read_is_not_missed_besides(project: Any) -> None:
    project.write("infra/liminal.yml", "name: infra\ntype: super\nx: @y\n")
    (finding,) = project.compile("name: a\nsuper: infra\n").findings
    assert finding.code == "yaml-syntax"


@pytest.mark.parametrize(
    ("order", "chain"),
    [({"a": "b", "b": "a"}, "a -> b -> a"), ({"a": "a"}, "a -> a")],
)
def test_f11_tasks_in_a_circle_are_one_chain(
    project: Any, order: dict[str, str], chain: str
) -> None:
    tasks = "".join(
        f"  - {{task: {name}, image: i, cmd: x, depends_on: [{need}]}}\n"
        for name, need in order.items()
    )
    told = project.told(TASKS + tasks)
    assert told.count("error") == 1
    assert f"error[task-cycle]: tasks depend on each other: {chain}" in told


def test_f11_long_circle_is_shortened(project: Any) -> None:
    tasks = "".join(
        f"  - {{task: t{i}, image: i, cmd: x, depends_on: [t{(i + 1) % 5000}]}}\n"
        for i in range(5000)
    )
    (finding,) = project.compile(TASKS + tasks).findings
    assert finding.message.endswith(
        "t0 -> t1 -> t2 -> t3 -> t4 -> t5 -> (4989 more) -> "
        "t4995 -> t4996 -> t4997 -> t4998 -> t4999 -> t0"
    )


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ("depends_on: [u]", 'no task is named "u"'),
        ("executor: dokcer", 'no executor is named "dokcer"; did you mean "docker"?'),
        ("mounts: [{volume: v, path: /v}]", 'no volume is named "v"'),
        ("secrets: [{secret: s, remote_path: /s}]", 'no secret is named "s"'),
        ("variables: m", 'no map in variables is named "m"'),
        ("image: ii, when: '{{ tasks.u.x }} == 1'", 'no task is named "u"'),
    ],
)
def test_f11_name_that_nothing_defines(project: Any, keys: str, message: str) -> None:
    text = task(keys) if "image" not in keys else TASKS + "  - {task: t, cmd: x, " + keys + "}\n"
    assert message in project.told(text)


def test_f11_image_that_nobody_builds_is_a_warning_where_it_is_near_one(project: Any) -> None:
    told = project.told(
        "name: a\nimages: [{image: myorg/app, source: .}]\npipelines:\n- pipeline: p\n  tasks:\n"
        "  - {task: t, image: myorg/apq, cmd: x}\n"
        "  - {task: u, image: 'amazon/aws-cli:2', cmd: x}\n"
    )
    assert told == (
        'liminal.yml:6:22: warning[unknown-image]: no image is named "myorg/apq"; '
        'did you mean "myorg/app"?'
    )


def test_f11_duplicates_name_the_first(project: Any) -> None:
    project.write("other/liminal.yml", "name: a\n")
    told = project.told(
        """\
        name: a
        images: [{image: i, source: .}, {image: i, source: .}]
        pipelines:
        - pipeline: p
          tasks: [{task: t, image: i, cmd: x}, {task: t, image: i, cmd: x}]
        - pipeline: p
          tasks: [{task: t, image: i, cmd: x}]
        services: [{service: s, image: x}, {service: s, image: x}]
        """
    )
    for place, code in (
        ("liminal.yml:2:41", "duplicate-image"),
        ("liminal.yml:5:47", "duplicate-task"),
        ("liminal.yml:6:13", "duplicate-pipeline"),
        ("liminal.yml:8:46", "duplicate-service"),
        ("other/liminal.yml:1:7", "duplicate-layer"),
    ):
        assert f"{place}: error[{code}]" in told
    assert told.count("the first is at") == 5


# F12: sources stay in their folder


@pytest.mark.parametrize("source", ["../../etc", "..", "/etc", "~", "~/x", "a/../..", "a/../../x"])
def test_f12_source_that_leaves_the_folder_is_refused(project: Any, source: str) -> None:
    project.write("app/a/x.py")
    project.write("x/x.py")
    project.write("app/liminal.yml", f"name: a\nimages: [{{image: i, source: '{source}'}}]\n")
    told = project.told()
    assert told.startswith("app/liminal.yml:2:29: error[source-outside]")


@pytest.mark.parametrize("target", ["/etc", "../outside", "../outside/deeper"])
def test_f12_source_through_a_link_that_leaves_is_refused(project: Any, target: str) -> None:
    project.write("outside/deeper/x.py")
    project.write("app/liminal.yml", "name: a\nimages: [{image: i, source: link}]\n")
    os.symlink(target, project.path / "app" / "link")
    told = project.told()
    assert "error[source-outside]" in told
    assert "through a link" in told


def test_f12_link_on_the_way_that_leaves_and_comes_back_is_no_way_out(project: Any) -> None:
    project.write("app/src/x.py")
    os.symlink("../app", project.path / "app" / "round")
    project.write("app/liminal.yml", "name: a\nimages: [{image: i, source: round/src}]\n")
    assert project.told() == ""


def test_f12_link_inside_the_folder_is_followed(project: Any) -> None:
    project.write("src/x.py")
    os.symlink("src", "link")
    assert project.told("name: a\nimages: [{image: i, source: link}]\n") == ""


def test_f12_loop_of_links_is_a_finding(project: Any) -> None:
    os.symlink("b", "a")
    os.symlink("a", "b")
    assert "error[source-missing]" in project.told("name: a\nimages: [{image: i, source: a}]\n")


def test_f12_source_that_does_not_exist_names_the_nearest(project: Any) -> None:
    project.write("training/x.py")
    told = project.first("name: a\nimages: [{image: i, source: trainig}]\n")
    assert told == (
        '2:29: error[source-missing]: source "trainig" does not exist; did you mean "training"?'
    )


def test_f12_source_in_another_case_is_not_the_same(project: Any) -> None:
    project.write("Src/x.py")
    told = project.told("name: a\nimages: [{image: i, source: src}]\n")
    assert 'did you mean "Src"?' in told


def test_f12_source_that_is_a_file_is_refused(project: Any) -> None:
    project.write("x.py")
    told = project.told("name: a\nimages: [{image: i, source: x.py}]\n")
    assert 'error[source-missing]: source "x.py" is not a folder' in told


# F13: templates are substituted, never evaluated


@pytest.mark.parametrize(
    "template",
    ["{{ 7*7 }}", "{{ ''.__class__ }}", "{{ conn.x.password }}", "{% raw %}x{% endraw %}"],
)
@pytest.mark.parametrize(
    "text",
    [
        'images: [{{image: i, source: ., build_cmd: "{}"}}]',
        'images: [{{image: i, source: ., env_vars: {{A: "{}"}}}}]',
        'services: [{{service: s, image: x, env_vars: {{A: "{}"}}}}]',
        'owner: "{}"',
    ],
)
def test_f13_template_before_a_run_is_a_finding(project: Any, template: str, text: str) -> None:
    told = project.told("name: a\n" + text.format(template) + "\n")
    assert "error[not-a-placeholder]" in told or "error[unknown-variable]" in told


def test_f13_shell_variables_are_text(project: Any) -> None:
    text = "name: a\nservices: [{service: s, image: x, env_vars: {A: '${HOME} $(id)'}}]\n"
    (app,) = project.compile(text).required_apps()
    assert app.services[0].env_vars == {"A": "${HOME} $(id)"}


def test_f13_template_in_a_pipeline_is_left_to_airflow(project: Any) -> None:
    text = TASKS + '  - {task: t, image: i, cmd: "{{ conn.x.password }} {{ 7*7 }} {% raw %}"}\n'
    (app,) = project.compile(text).required_apps()
    assert str(app.pipelines[0].tasks[1].cmd) == "{{ conn.x.password }} {{ 7*7 }} {% raw %}"


def test_f13_unknown_variable_is_a_finding_never_an_empty_text(project: Any) -> None:
    told = project.told(
        "name: a\nvariables: {tag: 1}\nimages: [{image: 'i:{{ tga }}', source: .}]\n"
    )
    assert told == (
        'liminal.yml:3:18: error[unknown-variable]: no variable is named "tga"; did you mean "tag"?'
    )


def test_f13_variable_that_only_a_run_knows_is_a_finding_before_it(project: Any) -> None:
    text = "name: a\nvariables: {tag: 'x-{{ ds }}'}\nimages: [{image: 'i:{{ tag }}', source: .}]\n"
    assert project.first(text) == (
        '3:18: error[unknown-variable]: variable "tag" refers to "ds", '
        "which has no value before a run"
    )


@pytest.mark.parametrize(
    ("variables", "chain"),
    [
        ("{a: '{{ a }}'}", "a -> a"),
        ("{a: '{{ b }}', b: '{{ a }}'}", "a -> b -> a"),
        ("{m: {x: '{{ m.y }}', y: '{{ m.x }}'}}", "m.x -> m.y -> m.x"),
    ],
)
def test_f13_variables_in_a_circle_are_refused(project: Any, variables: str, chain: str) -> None:
    (finding,) = project.compile(f"name: a\nvariables: {variables}\n").findings
    assert (finding.code, finding.message) == (
        "variable-cycle", f"variables refer to each other: {chain}"
    )  # fmt: skip


def test_f13_a_task_s_variables_in_a_circle_are_refused(project: Any) -> None:
    (finding,) = project.compile(task("variables: {a: '{{ b }}', b: '{{ a }}'}")).findings
    assert finding.code == "variable-cycle"


def test_f13_exponential_variables_are_refused(cost: Callable[[str], Any]) -> None:
    lines = "".join(f"  v{i + 1}: '{{{{ v{i} }}}}{{{{ v{i} }}}}'\n" for i in range(60))
    found = cost("name: a\nowner: '{{ v60 }}'\nvariables:\n  v0: xxxxxxxx\n" + lines)
    assert "error[too-long]" in found.told
    assert found.seconds < 1
    assert found.megabytes < 50


# F14: names are matched in full


@pytest.mark.parametrize(
    "name",
    ["a;b", "$(id)", "a\\nb", "a\\n", 'a\\"b', "a b", "..", "-rf", "a" * 300, "a/b", "{{ x }}", ""],
)
@pytest.mark.parametrize(
    "text",
    [
        'name: "{}"\n',
        'name: a\nexecutors: [{{executor: "{}", type: docker}}]\n',
        'name: a\nservices: [{{service: "{}", image: x}}]\n',
        'name: a\nvolumes: [{{volume: "{}", local: {{path: .}}}}]\n',
        'name: a\nsecrets: [{{secret: "{}", local_path_file: x}}]\n',
        'name: a\npipelines: [{{pipeline: "{}", tasks: [{{task: t, image: i, cmd: x}}]}}]\n',
        'name: a\npipelines: [{{pipeline: p, tasks: [{{task: "{}", image: i, cmd: x}}]}}]\n',
    ],
)
def test_f14_strange_name_is_refused(project: Any, name: str, text: str) -> None:
    told = project.told(text.format(name))
    assert "error[" in told
    assert "\x1b" not in told
    assert len(told) < 2000


@pytest.mark.parametrize(
    "name", ["A/b", "a b", "-rf", "a:b:c", "a;b", "a@sha256:12", "a\\nRUN id", "a" * 300, ".."]
)
def test_f14_strange_image_is_refused(project: Any, name: str) -> None:
    assert "error[" in project.told(f'name: a\nimages: [{{image: "{name}", source: .}}]\n')


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("build_cmd", '"true\\nRUN id"'),
        ("base_image", '"debian\\nRUN id"'),
        ("python_version", '"3.12\\nRUN id"'),
        ("system_packages", '["curl\\nRUN id"]'),
        ("system_packages", '["curl; id"]'),
        ("system_packages", '["-y"]'),
        ("env_vars", '{"A=b\\nRUN": x}'),
    ],
)
def test_f14_newline_never_reaches_a_dockerfile(project: Any, key: str, value: str) -> None:
    assert "error[" in project.told(f"name: a\nimages: [{{image: i, source: ., {key}: {value}}}]\n")


# F15: schedules and dates


@pytest.mark.parametrize(
    "keys",
    [
        "schedule: 0 0 31 2 *",
        "schedule: 0 0 30 2 *",
        "schedule: '61 * * * *'",
        "schedule: every day",
        "schedule: '@dayly'",
        "schedule: '* * * * * *'",
        "start_date: 0001-01-01",
        "start_date: 9999-12-31",
        "start_date: 2024-13-45",
        "start_date: yesterday",
        "start_date: 2026-01-02\nend_date: 2026-01-01",
        "timezone: Europe/Atlantis",
        "timezone: ../../etc/passwd",
        "timezone: ''",
    ],
)
def test_f15_schedule_or_date_that_cannot_be_is_refused(project: Any, keys: str) -> None:
    told = project.told(pipeline(keys))
    assert told.startswith("liminal.yml:")
    assert "error[" in told


@pytest.mark.parametrize(
    "keys",
    [
        "schedule: 0 0 29 2 *",
        "schedule: '*/5 * * * *'",
        "schedule: 0 10 * * MON-FRI",
        "start_date: 2026-01-01\nend_date: 2026-01-02",
        "start_date: 1970-01-01",
        "timezone: Europe/Berlin",
    ],
)
def test_f15_schedule_or_date_that_can_be_is_accepted(project: Any, keys: str) -> None:
    assert project.told(pipeline(keys)) == ""


def test_findings_of_all_files_come_in_order(project: Any, tmp_path: Path) -> None:
    for name in "cab":
        project.write(f"{name}/liminal.yml", f"name: {name}\nschdule: x\nownr: x\n")
    places = [found.origin[:2] for found in project.compile().findings]
    assert places == sorted(places)
