"""What a user reads of a value that the schema does not allow."""

from __future__ import annotations

import pytest

from liminal.compiler.document import parse
from liminal.compiler.schema import Checker, compose
from liminal.plugins import discover

CHECKER = Checker(compose(discover()))
TASK = "name: a\npipelines:\n- pipeline: p\n  tasks:\n  - task: train\n    "
IMAGE = "name: a\nimages:\n- image: a/b:1\n  "


def told(text: str) -> list[str]:
    """Each finding as ``LINE:COLUMN severity[code] message | hint``."""
    root = parse(text, "liminal.yml")[0].root
    assert root is not None
    return sorted(
        f"{found.origin.line}:{found.origin.column} {found.severity.value}[{found.code}] "
        f"{found.message} | {found.hint}"
        for found in CHECKER.check(root)
    )


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        # Keys.
        (
            TASK + "enviroment: {}",
            '6:5 error[unknown-key] task "train" has no key "enviroment"; '
            'did you mean "env_vars"? | None',
        ),
        (
            TASK + "zebra: 1",
            '6:5 warning[unknown-key] task "train" has no key "zebra" '
            "| it has no effect; remove it",
        ),
        (
            "name: a\nzebra: 1",
            '2:1 warning[unknown-key] the file has no key "zebra" | it has no effect; remove it',
        ),
        (
            TASK + "resources: {memry: 1Gi}",
            '6:17 error[unknown-key] "resources" of task "train" has no key "memry"; '
            'did you mean "memory"? | None',
        ),
        ("owner: me", '1:1 error[missing-key] the file has no "name" | add "name: …"'),
        (
            "name: a\npipelines:\n- pipeline: p\n  tasks:\n  - image: i\n    cmd: c",
            '5:5 error[missing-key] entry 1 of "tasks" of pipeline "p" has no "task" '
            '| add "task: …"',
        ),
        (
            TASK + "mounts: [{volume: v}]",
            '6:14 error[missing-key] mount "v" has no "path" | add "path: …"',
        ),
        (
            TASK + "secrets: [{secret: s}]",
            '6:15 error[missing-key] secret "s" has no "remote_path" | add "remote_path: …"',
        ),
        # Names, and what is none.
        (
            "name: a b",
            '1:7 error[bad-name] "a b" cannot be the name of a layer '
            "| a name is letters, digits, _, - and ., and begins with a letter or digit",
        ),
        (
            "name: a\nimages:\n- image: ''\n",
            '3:10 error[bad-value] "image" of entry 1 of "images" is empty '
            "| for example: myorg/app:1.2",
        ),
        (
            IMAGE + "type: python_server\n  endpoints:\n"
            "  - {endpoint: predict, module: m, function: f}",
            '6:16 error[bad-value] "predict" cannot be the path of an endpoint '
            "| a path begins with / and goes on with letters, digits, _, ., ~, - and /",
        ),
        (
            "name: a\nservices:\n- service:\n  name: s\n  image: i\n  port: x",
            '6:9 error[wrong-type] "port" of service "s" must be a whole number, not "x" '
            "| for example: 8000",
        ),
        (
            TASK + "env_vars: {ok: 1, a-b: 1}",
            '6:23 error[bad-key] "env_vars" of task "train" cannot have the key "a-b" '
            "| a name here is letters, digits and _, and begins with a letter or _",
        ),
        (
            "name: a\nvariables: {x: {'': 1}}",
            '2:17 error[bad-key] "variables.x" cannot have the key "" | a variable\'s name is '
            "letters, digits, _ and -, and begins with a letter or _",
        ),
        # Types (F10).
        (
            TASK + "cmd: 5",
            '6:10 error[wrong-type] "cmd" of task "train" must be text, not the number 5 '
            '| quote it: "5"',
        ),
        (
            IMAGE + "python_version: 3.10",
            '4:19 error[wrong-type] "python_version" of image "a/b:1" must be text, '
            'not the number 3.10 | quote it: "3.10"',
        ),
        (
            TASK + "retries: many",
            '6:14 error[wrong-type] "retries" of task "train" must be a whole number, '
            'not "many" | for example: 2',
        ),
        (
            TASK + "retries: no",
            '6:14 error[wrong-type] "retries" of task "train" must be a whole number, '
            'not true or false ("no") | for example: 2',
        ),
        (
            "name: a\npipelines: {}",
            '2:12 error[wrong-type] "pipelines" must be a list, not a mapping '
            '| begin each entry with "- "',
        ),
        (
            TASK + "depends_on: extract",
            '6:17 error[wrong-type] "depends_on" of task "train" must be a list, not "extract" '
            "| for a list of one: [extract]",
        ),
        (
            TASK + "env_vars: [a]",
            '6:15 error[wrong-type] "env_vars" of task "train" must be a mapping, not a list '
            '| write "key: value" lines, without "- "',
        ),
        (
            TASK + "image:",
            '6:11 error[wrong-type] "image" of task "train" must be text, not nothing '
            "| for example: myorg/app:1.2",
        ),
        (
            "name: a\nvolumes:\n- volume: v\n  local: x",
            '4:10 error[wrong-type] "local" of volume "v" must be a mapping, not "x" '
            "| for example: {path: models}",
        ),
        # Values.
        (
            TASK + "trigger_rule: all_don",
            '6:19 error[not-allowed] "trigger_rule" of task "train" cannot be "all_don"; '
            'did you mean "all_done"? | None',
        ),
        (
            "name: a\ntype: x",
            '2:7 error[not-allowed] "type" cannot be "x" | allowed: sub, super',
        ),
        (
            TASK + "timeout_minutes: 0",
            '6:22 error[bad-value] "timeout_minutes" of task "train" cannot be "0" | more than 0',
        ),
        (
            f"name: {'a' * 201}",
            '1:7 error[bad-value] "name" is 201 characters long | at most 200 are allowed',
        ),
    ],
)
def test_a_finding_speaks_the_users_words(text: str, expected: str) -> None:
    assert told(text) == [expected]


def test_f9_a_look_alike_in_a_key_is_named_by_its_code_point() -> None:
    assert told("name: a\nown\u0435r: me") == [
        '2:1 error[unknown-key] the file has no key "own\u0435r": it contains U+0435 '
        '(CYRILLIC SMALL LETTER IE) | retype it: "owner"'
    ]
    assert told("name: a\now\u200bner: me") == [
        '2:1 error[unknown-key] the file has no key "ow\u200bner": it contains U+200B '
        '(ZERO WIDTH SPACE) | retype it: "owner"'
    ]


def test_f9_a_look_alike_in_a_value_is_named_by_its_code_point() -> None:
    assert told(IMAGE + "type: pyth\u043en") == [
        '4:9 error[not-allowed] "type" of image "a/b:1" cannot be "pyth\u043en": it contains '
        'U+043E (CYRILLIC SMALL LETTER O) | retype it: "python"'
    ]
    assert told("name: a\u2013b") == [
        '1:7 error[bad-name] "a\u2013b" cannot be the name of a layer '
        "| it contains U+2013 (EN DASH)"
    ]


def test_f9_a_key_in_another_language_is_no_look_alike() -> None:
    assert told("name: a\n\u00fcbersicht: 1") == [
        '2:1 warning[unknown-key] the file has no key "\u00fcbersicht" '
        "| it has no effect; remove it"
    ]


def test_f10_everything_wrong_is_told_at_once() -> None:
    assert len(told("name: a\npipelines: {}\nimages: 5\nzebra: 1\ntype: x\n")) == 4


@pytest.mark.parametrize("key", ["1", "01", "+1", "-1", "a/b", "a~1b", "%25", "\u00b2", "0"])
def test_a_strange_key_is_found_where_it_stands(key: str) -> None:
    (wrong_type, bad_key) = sorted(told(f"{TASK}env_vars:\n      '{key}': [x]\n"))
    assert bad_key.startswith('7:7 error[bad-key] "env_vars" of task "train" cannot have the key')
    assert wrong_type.startswith(f'7:{9 + len(key) + 2} error[wrong-type] "env_vars.{key}"')


def test_a_long_value_is_cut() -> None:
    (finding,) = told(f"{TASK}trigger_rule: {'x' * 5000}")
    assert len(finding) < 400


def test_a_long_list_of_allowed_values_stays_readable() -> None:
    (finding,) = told(f"{TASK}trigger_rule: zebra")
    assert finding.endswith("one_success")
    assert len(finding) < 300
