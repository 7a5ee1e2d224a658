"""Raw bytes into the compiler, guided by coverage; run by hand, not in CI.

In an environment of its own with atheris and Liminal's dependencies::

    python tests/fuzz/fuzz_compiler.py CORPUS_FOLDER -max_total_time=600 -timeout=5

Any input must end in findings or applications; what does not is left in ``crash-…``.
"""

import importlib
import sys
import tempfile
from pathlib import Path

import atheris
import tomllib

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))

with atheris.instrument_imports(include=["liminal"]):
    from liminal import compiler
    from liminal.compiler import compile_path
    from liminal.plan.dag import pipeline_plan
    from liminal.plan.images import image_plans
    from liminal.plan.services import service_plans
    from liminal.plugins import GROUPS, Plugins
    from liminal.report import findings


def built_in() -> Plugins:
    """The plug-ins of pyproject.toml, so that Liminal itself need not be installed."""
    listed = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["entry-points"]

    def loader(target: str):
        module, _, name = target.partition(":")
        return lambda: getattr(importlib.import_module(module), name)

    return Plugins(
        {
            group: {name: loader(target) for name, target in listed.get(group, {}).items()}
            for group in GROUPS
        }
    )


def seed(corpus: Path) -> None:
    """Begins with the files of the golden cases and of the examples."""
    corpus.mkdir(parents=True, exist_ok=True)
    for number, file in enumerate(sorted(ROOT.glob("tests/cases/**/liminal.yml"))):
        corpus.joinpath(f"case-{number}").write_bytes(file.read_bytes())


def main() -> None:
    folders = [Path(word) for word in sys.argv[1:] if not word.startswith("-")]
    for folder in folders[:1]:
        seed(folder)
    plugins = built_in()
    # The schema is the same for every input; composing it takes longer than all the rest.
    checker = compiler.Checker(compiler.compose(plugins))
    compiler.compose = lambda _plugins: {}
    compiler.Checker = lambda _schema: checker
    home = Path(tempfile.mkdtemp(prefix="liminal-fuzz-"))
    home.joinpath("src").mkdir()
    home.joinpath("src", "serving.py").write_text("def predict(body): return body\n")
    file = home / "liminal.yml"

    def one_input(data: bytes) -> None:
        file.write_bytes(data)
        compilation = compile_path(str(home), {}, plugins)
        for found in compilation.findings:
            assert found.origin.line >= 1
            assert found.origin.column >= 1
            assert found.message
        for writer in (findings.as_text, findings.as_json, findings.as_github, findings.as_sarif):
            writer(compilation.findings)
        for app in compilation.apps:
            for pipeline in app.pipelines:
                pipeline_plan(app, pipeline, plugins)
            image_plans(app)
            service_plans(app)

    atheris.Setup(sys.argv, one_input)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
