"""The fences that keep the house as design and CONTRIBUTING.md describe it."""

import ast
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
HEAVY = ("airflow", "boto3", "docker", "flask", "granian", "kubernetes", "mlflow", "numpy")


def modules_after(*words: str) -> set[str]:
    """What a fresh process has imported once the command line has done that."""
    script = (
        "import sys\n"
        "from liminal.cli import main\n"
        "try:\n"
        f"    main({list(words)!r})\n"
        "except SystemExit as ended:\n"
        "    assert ended.code == 0, ended.code\n"
        "print('\\n'.join(sys.modules))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=ROOT
    )
    return set(done.stdout.split())


def test_validate_imports_nothing_heavy() -> None:
    assert not modules_after("validate", "examples/iris").intersection(HEAVY)


def test_help_imports_neither_the_compiler_nor_a_runner() -> None:
    loaded = modules_after("--help")
    assert not loaded.intersection(
        {*HEAVY, "yaml", "jsonschema_rs", "psutil", "liminal.compiler", "liminal.runners"}
    )


def calls(path: Path) -> set[str]:
    """The functions that the file calls, as they are written."""
    tree = ast.parse(path.read_bytes())
    return {ast.unparse(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call)}


def test_only_cli_prints() -> None:
    printing = [
        str(path.relative_to(ROOT))
        for path in sorted((ROOT / "liminal").rglob("*.py"))
        if calls(path) & {"print", "click.echo", "click.secho"}
    ]
    assert printing == ["liminal/cli/console.py"]


def test_every_module_that_contributing_names_exists() -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text("utf-8")
    named = {
        word
        for word in text.replace("`", " ").replace("(", " ").replace(")", " ").split()
        if word.endswith(".py") and "/" in word
    }
    missing = [
        name
        for name in sorted(named)
        if not ((ROOT / name).exists() or (ROOT / "liminal" / name).exists())
    ]
    assert named
    assert not missing


def test_user_code_of_the_example_imports_nothing_of_ours() -> None:
    sources = [path.read_text("utf-8") for path in (ROOT / "examples" / "iris").glob("*.py")]
    assert sources
    assert not any("liminal" in source for source in sources)
