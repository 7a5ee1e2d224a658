"""The formats of findings, each as whoever reads it takes it."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from liminal import __version__
from liminal.errors import Diagnostic, error, note, warning
from liminal.origin import Origin, Super
from liminal.report.findings import as_github, as_json, as_sarif, as_text, summary

SARIF = json.loads((Path(__file__).parent / "data" / "sarif-2.1.0.schema.json").read_text("utf-8"))
VIA = Super("team", "app/liminal.yml", 2, 8)
FINDINGS = (
    error("unknown-key", 'task "train" has no key "x"', Origin("app/liminal.yml", 7, 9)),
    error(
        "wrong-type", '"cmd" must be text', Origin("team/liminal.yml", 3, 5, VIA), 'quote it: "5"'
    ),
    warning("unknown-image", "100% sure?\nno", Origin("my app/a:b,c.yml", 1, 1)),
    note("empty-file", "the file is empty", Origin("/tmp/ü/liminal.yml", 1, 1)),
    error("a-plug-ins-own", "x", Origin("liminal.yml", 1, 1)),
)


def test_text_has_a_line_a_finding_with_what_it_came_from_and_a_hint() -> None:
    assert as_text(FINDINGS[:2]) == (
        'app/liminal.yml:7:9: error[unknown-key]: task "train" has no key "x"\n'
        'team/liminal.yml:3:5: error[wrong-type]: "cmd" must be text\n'
        '  from super "team" at app/liminal.yml:2:8\n'
        '  hint: quote it: "5"'
    )


def test_text_is_coloured_only_when_asked() -> None:
    assert "\x1b" not in as_text(FINDINGS)
    assert "\x1b[31;1merror[unknown-key]\x1b[0m" in as_text(FINDINGS, colour=True)


@pytest.mark.parametrize("strange", ["\x1b[2J", "\r", "\n", "\u200b", "\u202e", "\udcff"])
def test_nothing_of_the_users_moves_the_cursor(strange: str) -> None:
    place = Origin(f"a{strange}b.yml", 1, 1, Super(f"s{strange}", f"f{strange}", 1, 1))
    text = as_text([error("x", f"m{strange}", place, f"h{strange}")])
    assert strange not in text.replace("\n", "", 2) if strange == "\n" else strange not in text
    assert len(text.splitlines()) == 3


def test_json_is_a_list_of_flat_objects() -> None:
    assert json.loads(as_json(FINDINGS[1:2])) == [
        {
            "code": "wrong-type",
            "severity": "error",
            "message": '"cmd" must be text',
            "hint": 'quote it: "5"',
            "file": "team/liminal.yml",
            "line": 3,
            "column": 5,
            "via": {"name": "team", "file": "app/liminal.yml", "line": 2, "column": 8},
        }
    ]
    assert json.loads(as_json([])) == []


def test_github_gets_one_escaped_command_a_finding() -> None:
    lines = as_github(FINDINGS).splitlines()
    assert lines == [
        '::error file=app/liminal.yml,line=7,col=9,title=unknown-key::task "train" has no key "x"',
        "::error file=team/liminal.yml,line=3,col=5,title=wrong-type"
        '::"cmd" must be text, from super "team" at app/liminal.yml:2:8 (quote it: "5")',
        "::warning file=my app/a%3Ab%2Cc.yml,line=1,col=1,title=unknown-image::100%25 sure?%0Ano",
        "::notice file=/tmp/ü/liminal.yml,line=1,col=1,title=empty-file::the file is empty",
        "::error file=liminal.yml,line=1,col=1,title=a-plug-ins-own::x",
    ]


@pytest.mark.parametrize("findings", [FINDINGS, ()])
def test_sarif_is_valid_by_its_own_schema(findings: tuple[Diagnostic, ...]) -> None:
    validator = jsonschema.validators.validator_for(SARIF)(
        SARIF, format_checker=jsonschema.FormatChecker()
    )
    assert [problem.message for problem in validator.iter_errors(log(findings))] == []
    assert not validator.is_valid({"version": "2.1.0"})


def log(findings: tuple[Diagnostic, ...] = FINDINGS) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(as_sarif(findings))
    return found


def test_sarif_results_point_at_their_rule_and_place() -> None:
    (run,) = log()["runs"]
    driver = run["tool"]["driver"]
    assert driver["version"] == __version__
    assert [result["ruleId"] for result in run["results"]] == [found.code for found in FINDINGS]
    for result in run["results"]:
        assert driver["rules"][result["ruleIndex"]]["id"] == result["ruleId"]
    places = [result["locations"][0]["physicalLocation"] for result in run["results"]]
    assert places[0]["region"] == {"startLine": 7, "startColumn": 9}
    assert [place["artifactLocation"]["uri"] for place in places] == [
        "app/liminal.yml",
        "team/liminal.yml",
        "my%20app/a%3Ab%2Cc.yml",
        "file:///tmp/%C3%BC/liminal.yml",
        "liminal.yml",
    ]
    assert [result["level"] for result in run["results"]] == [
        *("error", "error", "warning", "note", "error")
    ]


def test_sarif_says_through_which_line_a_value_was_inherited() -> None:
    related = log()["runs"][0]["results"][1]["relatedLocations"]
    assert related[0]["physicalLocation"]["artifactLocation"]["uri"] == "app/liminal.yml"
    assert related[0]["message"]["text"] == 'from super "team" at app/liminal.yml:2:8'


def test_sarif_rules_carry_their_page() -> None:
    rules = {rule["id"]: rule for rule in log()["runs"][0]["tool"]["driver"]["rules"]}
    page = rules["wrong-type"]
    assert re.match(r"The value is of another kind", page["shortDescription"]["text"])
    assert "## Wrong" in page["help"]["markdown"]
    assert rules["a-plug-ins-own"] == {"id": "a-plug-ins-own"}


def test_the_summary_counts_by_severity() -> None:
    assert summary(FINDINGS) == "3 errors, 1 warning, 1 note"
    assert summary([]) == ""
