"""Findings -> text, JSON, annotations of GitHub, SARIF."""

import json
import os
from collections.abc import Iterable
from typing import Any
from urllib.parse import quote

from liminal import __version__
from liminal.errors import Diagnostic, Severity
from liminal.report.pages import find_page

_COLOURS = {Severity.ERROR: "31", Severity.WARNING: "33", Severity.NOTE: "36"}
_SARIF_LEVELS = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.NOTE: "note"}


def as_text(findings: Iterable[Diagnostic], colour: bool = False) -> str:
    """A line a finding, with lines below it for where it was inherited from and what to do."""
    return "\n".join(line for finding in findings for line in _text_lines(finding, colour))


def as_json(findings: Iterable[Diagnostic]) -> str:
    """A list of objects: code, severity, message, hint, file, line, column, via."""
    return json.dumps([_plain(finding) for finding in findings], indent=2)


def as_github(findings: Iterable[Diagnostic]) -> str:
    """Workflow commands, which GitHub shows beside the changed lines.

    Source: GitHub Docs, "Workflow commands for GitHub Actions".
    """
    kinds = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.NOTE: "notice"}
    return "\n".join(
        f"::{kinds[finding.severity]} "
        f"file={_property(finding.origin.file)},line={finding.origin.line},"
        f"col={finding.origin.column},title={_property(finding.code)}"
        f"::{_message(_with_hint(finding))}"
        for finding in findings
    )


def as_sarif(findings: Iterable[Diagnostic]) -> str:
    """A SARIF 2.1.0 log with one run, in which each rule carries its page of the docs.

    Source: OASIS SARIF 2.1.0; GitHub Docs, "SARIF support for code scanning".
    """
    findings = tuple(findings)
    rules = sorted({finding.code for finding in findings})
    driver = {
        "name": "liminal",
        "version": __version__,
        "rules": [_sarif_rule(code) for code in rules],
    }
    log = {
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [
            {
                "tool": {"driver": driver},
                "columnKind": "unicodeCodePoints",
                "results": [_sarif_result(finding, rules) for finding in findings],
            }
        ],
    }
    return json.dumps(log, indent=2)


def summary(findings: Iterable[Diagnostic]) -> str:
    """Like ``2 errors, 1 warning``; empty when there is nothing to say."""
    severities = [finding.severity for finding in findings]
    counts = ((kind, severities.count(kind)) for kind in Severity)
    return ", ".join(
        f"{count} {kind.value}{'s' if count > 1 else ''}" for kind, count in counts if count
    )


def _text_lines(finding: Diagnostic, colour: bool) -> list[str]:
    label = f"{finding.severity.value}[{finding.code}]"
    if colour:
        label = f"\x1b[{_COLOURS[finding.severity]};1m{label}\x1b[0m"
    lines = [f"{_printable(str(finding.origin))}: {label}: {_printable(finding.message)}"]
    if finding.origin.via:
        lines.append(f"  from {_printable(str(finding.origin.via))}")
    if finding.hint:
        lines.append(f"  hint: {_printable(finding.hint)}")
    return lines


def _printable(text: str) -> str:
    """The text without characters that would move a terminal's cursor or colour it."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def _plain(finding: Diagnostic) -> dict[str, Any]:
    return {
        "code": finding.code,
        "severity": finding.severity.value,
        "message": finding.message,
        "hint": finding.hint,
        "file": finding.origin.file,
        "line": finding.origin.line,
        "column": finding.origin.column,
        "via": finding.origin.via._asdict() if finding.origin.via else None,
    }


def _with_hint(finding: Diagnostic) -> str:
    via = f", from {finding.origin.via}" if finding.origin.via else ""
    hint = f" ({finding.hint})" if finding.hint else ""
    return f"{finding.message}{via}{hint}"


def _message(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _message(text).replace(":", "%3A").replace(",", "%2C")


def _sarif_rule(code: str) -> dict[str, Any]:
    page = find_page(code)
    if page is None:
        return {"id": code}
    return {
        "id": code,
        "shortDescription": {"text": page.summary},
        "help": {"text": page.summary, "markdown": page.markdown},
    }


def _sarif_result(finding: Diagnostic, rules: list[str]) -> dict[str, Any]:
    via = finding.origin.via
    related = [{**_sarif_place(*via[1:]), "message": {"text": f"from {via}"}}] if via else []
    return {
        "ruleId": finding.code,
        "ruleIndex": rules.index(finding.code),
        "level": _SARIF_LEVELS[finding.severity],
        "message": {"text": _with_hint(finding)},
        "locations": [_sarif_place(*finding.origin[:3])],
        **({"relatedLocations": related} if related else {}),
    }


def _sarif_place(file: str, line: int, column: int) -> dict[str, Any]:
    """A location; an absolute path becomes a URI, any other is relative to where we run."""
    uri = quote(os.fsencode(file))
    return {
        "physicalLocation": {
            "artifactLocation": {"uri": f"file://{uri}" if os.path.isabs(file) else uri},
            "region": {"startLine": line, "startColumn": column},
        }
    }
