"""Every folder of tests/cases: a project, and beside it what the compiler must make of it.

Of these files, those that are there are compared; ``pytest --update-golden`` rewrites them:

======================= =============================================================
expected.errors.txt     the findings as text; without this file there must be none
expected.resolved.yml   ``liminal show --stage resolved``
expected.app.yml        ``liminal show --stage app``
expected.plan.json      ``liminal show --stage plan --format json``
expected.dockerfiles    of each image the Dockerfile, the one for the classic builder where that can
                        build it, and what the context holds
======================= =============================================================

A file ``environ`` holds the environment, as KEY=VALUE lines.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from liminal.compiler import Compilation, compile_path
from liminal.errors import has_errors
from liminal.home import Home
from liminal.images.engines.docker.dockerfile import needs_secrets
from liminal.images.engines.docker.inputs import read_inputs
from liminal.images.recipe import ImagePlan, find_recipe
from liminal.plan import plans
from liminal.plan.images import image_plans
from liminal.plugins import Plugins, discover
from liminal.report import findings, stages

CASES = Path(__file__).parent / "cases"
NAMES = sorted(folder.name for folder in CASES.iterdir() if folder.is_dir())


@pytest.fixture(scope="module")
def plugins() -> Plugins:
    return discover()


@pytest.fixture
def compilation(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, plugins: Plugins
) -> Compilation:
    folder = CASES / request.param
    monkeypatch.chdir(folder)
    return compile_path(".", environ(folder), plugins)


def environ(folder: Path) -> dict[str, str]:
    file = folder / "environ"
    lines = file.read_text().splitlines() if file.exists() else []
    return dict(line.split("=", 1) for line in lines if line)


def check(name: str, expected: str, found: str, update: bool) -> None:
    file = CASES / name / expected
    found = found.replace(str(CASES / name), "/PROJECT").rstrip("\n") + "\n"
    if update:
        file.write_text(found)
    assert found == file.read_text()


def with_file(expected: str) -> pytest.MarkDecorator:
    names = [name for name in NAMES if (CASES / name / expected).exists()]
    return pytest.mark.parametrize(
        ("compilation", "name"),
        list(zip(names, names, strict=True)),
        ids=names,
        indirect=["compilation"],
    )


@pytest.mark.parametrize(
    ("compilation", "name"),
    list(zip(NAMES, NAMES, strict=True)),
    ids=NAMES,
    indirect=["compilation"],
)
def test_findings(compilation: Compilation, name: str, update_golden: bool) -> None:
    file = CASES / name / "expected.errors.txt"
    text = findings.as_text(compilation.findings)
    if update_golden and text:
        file.touch()
    if update_golden and not text:
        file.unlink(missing_ok=True)
    if file.exists():
        check(name, file.name, text, update_golden)
    else:
        assert text == ""


@with_file("expected.resolved.yml")
def test_resolved(compilation: Compilation, name: str, update_golden: bool) -> None:
    found = stages.as_yaml({str(one["name"]): one for one in compilation.resolved})
    check(name, "expected.resolved.yml", found, update_golden)


@with_file("expected.app.yml")
def test_app(compilation: Compilation, name: str, update_golden: bool) -> None:
    found = stages.as_yaml({app.name: app for app in compilation.required_apps()})
    check(name, "expected.app.yml", found, update_golden)


@with_file("expected.plan.json")
def test_plan(compilation: Compilation, name: str, plugins: Plugins, update_golden: bool) -> None:
    found = stages.as_json({app.name: plans(app, plugins) for app in compilation.required_apps()})
    check(name, "expected.plan.json", found, update_golden)


@with_file("expected.dockerfiles")
def test_dockerfiles(
    compilation: Compilation, name: str, plugins: Plugins, update_golden: bool
) -> None:
    # One test for all of them: a change to a Dockerfile is reviewed as one difference.
    images = [plan for app in compilation.required_apps() for plan in image_plans(app)]
    found = "\n".join(_dockerfiles(plan, environ(CASES / name), plugins) for plan in images)
    check(name, "expected.dockerfiles", found, update_golden)


def _dockerfiles(plan: ImagePlan, environ: dict[str, str], plugins: Plugins) -> str:
    recipe = find_recipe(plan, plugins)
    inputs = read_inputs(plan.app, recipe, environ, Home(Path("/nowhere")))
    text = inputs.text(buildkit=True) or f"(its own: {inputs.own_dockerfile})\n"
    if inputs.own_dockerfile is None and not needs_secrets(recipe, inputs.installation):
        text += f"\n--- without BuildKit\n{inputs.text(buildkit=False)}"
    # The serving application is many files, and changes for other reasons.
    pieces = [
        f"{piece.mode:o} {piece.path}"
        for piece in inputs.pieces()
        if piece.path.count("/") < 2 or not piece.path.startswith("site/")
    ]
    bases = inputs.base or " ".join(inputs.own_bases)
    return f"=== {recipe.name}, on {bases}\n{text}\n--- context\n" + "\n".join(pieces) + "\n"


@pytest.mark.parametrize("name", [name for name in NAMES if name.startswith("apache_")])
def test_files_for_apache_liminal_compile_without_errors(
    name: str, monkeypatch: pytest.MonkeyPatch, plugins: Plugins
) -> None:
    folder = CASES / name
    monkeypatch.chdir(folder)
    compiled = compile_path(".", environ(folder), plugins)
    assert not has_errors(compiled.findings), findings.as_text(compiled.findings)
    assert compiled.apps
