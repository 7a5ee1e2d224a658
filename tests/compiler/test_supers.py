"""LIMINAL_SUPERS: layers that a platform team ships, in folders and in installed packages."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from liminal.compiler import Compilation, compile_path
from liminal.errors import UsageError
from liminal.plugins import Plugins, discover

SUPER = """\
name: platform
type: super
owner: platform-team
variables: {region: eu}
executors: [{executor: big, type: kubernetes}]
pipeline_defaults: {retries: 3}
"""
APP = """\
name: app
super: platform
pipelines:
- pipeline: p
  tasks:
  - {task: t, image: i/j, cmd: x, executor: big}
"""


@pytest.fixture(scope="session")
def plugins() -> Plugins:
    return discover()


@pytest.fixture
def app(tmp_path: Path) -> Path:
    return write(tmp_path / "app/liminal.yml", APP).parent


def write(file: Path, text: str = "") -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text, encoding="utf-8")
    return file


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A package on sys.path that must never be imported."""
    root = tmp_path / "site-packages"
    write(root / "acme_platform/__init__.py", "raise SystemExit('was imported')\n")
    write(root / "acme_platform/layers/liminal.yml", SUPER)
    monkeypatch.syspath_prepend(str(root))
    return root / "acme_platform"


def compiled(app: Path, plugins: Plugins, *supers: str | Path) -> Compilation:
    environ = {"LIMINAL_SUPERS": os.pathsep.join(map(str, supers))}
    return compile_path(str(app), environ, plugins)


def test_without_it_the_parent_is_missing(app, plugins):
    (found,) = compiled(app, plugins).findings
    assert found.code == "unknown-super"


def test_folder(app, tmp_path, plugins):
    write(tmp_path / "layers/deep/down/liminal.yml", SUPER)
    found = compiled(app, plugins, tmp_path / "layers")
    assert not found.findings
    (only,) = found.apps
    assert (only.name, only.owner) == ("app", "platform-team")
    assert [task.retries for task in only.pipelines[0].tasks] == [3, 3, 3]


def test_file(app, tmp_path, plugins):
    file = write(tmp_path / "layers/liminal.yml", SUPER)
    write(tmp_path / "layers/other/liminal.yml", "name: other\ntype: super\n")
    found = compiled(app, plugins, file)
    assert not found.findings
    assert len(found.documents) == 2


def test_package(app, package, plugins):
    found = compiled(app, plugins, "acme_platform")
    assert not found.findings
    assert found.apps[0].owner == "platform-team"
    assert "acme_platform" not in sys.modules


def test_package_inside_a_package(app, package, plugins):
    write(package / "data/__init__.py", "raise SystemExit('was imported')\n")
    (package / "layers/liminal.yml").rename(package / "data/liminal.yml")
    assert not compiled(app, plugins, "acme_platform.data").findings
    assert not {"acme_platform", "acme_platform.data"} & set(sys.modules)


def test_package_without_an_init_file(app, tmp_path, plugins, monkeypatch):
    write(tmp_path / "more/acme_layers/liminal.yml", SUPER)
    monkeypatch.syspath_prepend(str(tmp_path / "more"))
    assert not compiled(app, plugins, "acme_layers").findings


def test_package_that_is_installed_under_a_hidden_folder(app, tmp_path, plugins, monkeypatch):
    """As in a virtual environment named .venv, which a search would skip."""
    root = tmp_path / ".venv/lib/site-packages"
    write(tmp_path / ".venv/pyvenv.cfg")
    write(root / "acme_hidden/__init__.py")
    write(root / "acme_hidden/liminal.yml", SUPER)
    monkeypatch.syspath_prepend(str(root))
    assert not compiled(app, plugins, "acme_hidden").findings


def test_several(app, tmp_path, plugins):
    write(tmp_path / "one/liminal.yml", SUPER + "super: company\n")
    write(tmp_path / "two/liminal.yml", "name: company\ntype: super\nowner: company\n")
    found = compiled(app, plugins, tmp_path / "one", "", tmp_path / "two")
    assert not found.findings
    assert found.apps[0].owner == "platform-team"


def test_finding_in_a_super_names_its_file_and_the_line_that_brought_it(app, tmp_path, plugins):
    text = SUPER.replace("retries: 3", "retries: 3, schedule: dayly")
    file = write(tmp_path / "layers/liminal.yml", text)
    (found,) = compiled(app, plugins, tmp_path / "layers").findings
    assert (found.code, found.origin.file, found.origin.line) == ("bad-schedule", str(file), 6)
    assert found.origin.via is not None
    assert (found.origin.via.name, found.origin.via.line) == ("platform", 2)
    assert found.origin.via.file == str(app / "liminal.yml")


def test_applications_in_a_super_folder_are_not_compiled(app, tmp_path, plugins):
    write(tmp_path / "layers/liminal.yml", SUPER)
    write(tmp_path / "layers/example/liminal.yml", "name: example\n")
    assert [one.name for one in compiled(app, plugins, tmp_path / "layers").apps] == ["app"]


def test_source_of_an_inherited_image_is_beside_the_super(app, package, plugins):
    write(package / "layers/src/train.py")
    write(package / "layers/liminal.yml", SUPER + "images: [{image: base, source: src}]\n")
    found = compiled(app, plugins, "acme_platform")
    assert not found.findings
    (image,) = found.apps[0].images
    assert image.folder == str(package / "layers")


def test_layer_of_the_projects_own_under_the_same_name(app, tmp_path, plugins):
    write(app / "own/liminal.yml", SUPER)
    write(tmp_path / "layers/liminal.yml", SUPER)
    (found,) = compiled(app, plugins, tmp_path / "layers").findings
    assert found.code == "duplicate-layer"


def test_folder_that_the_path_holds_already(app, plugins):
    """Also through a link, or written otherwise: one file is one layer."""
    write(app / "shared/liminal.yml", SUPER)
    (app.parent / "link").symlink_to(app / "shared")
    for named in (app / "shared", app / "x" / ".." / "shared", app.parent / "link"):
        (app / "x").mkdir(exist_ok=True)
        found = compiled(app, plugins, named)
        assert not found.findings, named
        assert len(found.apps) == 1


def test_package_twice(app, package, plugins):
    assert not compiled(app, plugins, "acme_platform", "acme_platform", package).findings


def test_home(app, tmp_path, plugins):
    write(tmp_path / "home/layers/liminal.yml", SUPER)
    environ = {"LIMINAL_SUPERS": "~/layers", "HOME": str(tmp_path / "home")}
    assert not compile_path(str(app), environ, plugins).findings


@pytest.mark.parametrize("named", ["no_such_package", "./nowhere", "json.no_such", "os;x", "a b"])
def test_name_that_is_neither_a_folder_nor_a_package(app, plugins, named):
    with pytest.raises(UsageError) as raised:
        compiled(app, plugins, named)
    assert raised.value.message == f'LIMINAL_SUPERS names "{named}", which is no folder or package'


def test_package_without_a_layer(app, package, plugins):
    (package / "layers/liminal.yml").unlink()
    with pytest.raises(UsageError) as raised:
        compiled(app, plugins, "acme_platform")
    assert raised.value.message == 'LIMINAL_SUPERS names "acme_platform", which holds no layer'


def test_command_line(app, package):
    environ = {
        **os.environ,
        "LIMINAL_SUPERS": "acme_platform",
        "PYTHONPATH": str(package.parent),
    }
    ended = subprocess.run(
        [sys.executable, "-m", "liminal", "validate", str(app)],
        env=environ,
        capture_output=True,
        check=False,
        encoding="utf-8",
    )
    assert (ended.returncode, ended.stdout) == (0, ""), ended
