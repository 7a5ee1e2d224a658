"""What goes into an image, and what counts for its hash: no engine is needed for that."""

from __future__ import annotations

import io
import os
import tarfile
from pathlib import Path
from typing import Any

import pytest

from liminal.errors import BuildError
from liminal.home import Home
from liminal.images.context import Changed, read_context
from liminal.images.engines.docker.dockerfile import Installation, dockerfile
from liminal.images.engines.docker.inputs import Inputs, read_inputs
from liminal.images.engines.docker.reference import read_reference
from liminal.images.engines.docker.settings import read_settings
from liminal.images.engines.docker.tarball import EPOCH, pieces_of, write_tar
from liminal.images.recipe import Recipe, read_recipe


def inputs(project: Any, environ: dict[str, str] | None = None, **keys: Any) -> Inputs:
    recipe = read_recipe(project.image(**keys), project.folder)
    return read_inputs("app", recipe, environ or {}, Home(project.folder.parent / "home"))


class TestHash:
    def test_counts_what_changes_the_image(self, project: Any) -> None:
        project.write("requirements.txt", "./lib\n")
        project.package("lib", "lib")
        hashes = [inputs(project).hash("base")]
        hashes.append(inputs(project).hash("other base"))
        for keys in (
            {"python_version": "3.10"}, {"system_packages": ("git",)}, {"build_packages": ("gcc",)},
            {"build_cmd": "make"}, {"env_vars": {"A": "1"}}, {"base_image": "other"},
        ):  # fmt: skip
            hashes.append(inputs(project, **keys).hash("base"))  # type: ignore[arg-type]
        hashes.append(inputs(project, {"UV_INDEX": "https://packages.example/simple"}).hash("base"))
        project.write("lib/more.py", "")
        hashes.append(inputs(project).hash("base"))
        (project.folder / "main.py").chmod(0o755)
        hashes.append(inputs(project).hash("base"))
        project.write("main.py", "print('other')")
        hashes.append(inputs(project).hash("base"))
        assert len(set(hashes)) == len(hashes)

    def test_f23_counts_the_lock(self, project: Any) -> None:
        project.write("pyproject.toml", '[project]\nname = "app"\nversion = "1"\n')
        project.write("uv.lock", "version = 1\n")
        before = inputs(project).hash("base")
        project.write("uv.lock", "version = 1\n# another\n")
        project.write(".dockerignore", "uv.lock\n.dockerignore\n")
        assert inputs(project).hash("base") != before

    def test_does_not_count_what_does_not(self, project: Any) -> None:
        project.write("requirements.txt", "./lib\n")
        project.package("lib", "lib")
        before = inputs(project).hash("base")
        project.write(".dockerignore", "notes\n.dockerignore\n")
        project.write("notes", "x")
        project.write(".git/HEAD", "x")
        os.utime(project.folder / "main.py", (1, 1))
        (project.folder / "main.py").chmod(0o600)
        environ = {"UV_CACHE_DIR": "/x", "PIP_FIND_LINKS": "/opt/wheels", "HTTPS_PROXY": "http://p"}
        assert inputs(project, environ).hash("base") == before


class TestSettings:
    def settings(self, project: Any, **environ: str) -> Any:
        project.write("requirements.txt", "six\n")
        return read_settings(read_recipe(project.image(), project.folder), environ)

    def test_a_password_is_told_to_the_installer_and_is_no_part_of_the_hash(
        self, project: Any
    ) -> None:
        one = self.settings(project, UV_INDEX="https://me:one@packages.example/simple")
        two = self.settings(project, UV_INDEX="https://me:two@packages.example/simple")
        other = self.settings(project, UV_INDEX="https://me:one@elsewhere.example/simple")
        assert one.script() == b"export UV_INDEX=https://me:one@packages.example/simple\n"
        assert one.index == two.index != other.index
        assert "one" not in one.index
        named = {"UV_INDEX_MINE_USERNAME": "me", "UV_INDEX_MINE_PASSWORD": "p"}
        assert self.settings(project, UV_INDEX="mine=https://x", **named).variables == {
            "UV_INDEX": "mine=https://x", **named,
        }  # fmt: skip

    def test_pip_is_taken_where_only_pip_understands(self, project: Any) -> None:
        assert self.settings(project, PIP_INDEX_URL="https://x").with_pip
        assert not self.settings(project, UV_INDEX="https://x", PIP_INDEX_URL="https://x").with_pip
        assert not self.settings(project).with_pip

    def test_paths_of_this_machine_are_left_out(self, project: Any) -> None:
        found = self.settings(
            project,
            PIP_FIND_LINKS="/opt/wheels",
            UV_FIND_LINKS="https://x/links",
            PIP_CONSTRAINT="c",
        )
        assert found.local == ("PIP_CONSTRAINT", "PIP_FIND_LINKS")
        assert set(found.variables) == {"UV_FIND_LINKS"}

    def test_a_hostile_value_is_one_word_of_the_script(self, project: Any) -> None:
        value = "https://x'; touch /pwned; '\n$(id)"
        script = self.settings(project, UV_INDEX=value).script().decode()
        import subprocess

        told = subprocess.run(
            ["/bin/sh", "-c", f'{script}printf %s "$UV_INDEX"'], capture_output=True, check=True
        )
        assert told.stdout.decode() == value


class TestDockerfile:
    def recipe(self, **keys: Any) -> Recipe:
        return Recipe(name="tiny", source=Path("/nowhere"), **keys)

    @pytest.mark.parametrize(
        "keys",
        [
            {"env_vars": {"A": "x\nRUN evil"}}, {"env_vars": {"A B": "x"}},
            {"system_packages": ("git; evil",)}, {"system_packages": ("-o",)},
            {"build_packages": ("gcc\nRUN evil",)}, {"build_cmd": "true\nRUN evil"},
            {"build_secrets": {"a,target=/x": Path("/x")}},
        ],
    )  # fmt: skip
    def test_f14_a_value_never_becomes_an_instruction(self, keys: Any) -> None:
        with pytest.raises(BuildError):
            dockerfile(self.recipe(**keys), "base", Installation(), buildkit=True)


class TestPlaces:
    def test_requirements_outside_of_the_source_are_refused(self, project: Any) -> None:
        outside = project.write("../outside/x-1.0-py3-none-any.whl", "x")
        project.write("requirements.txt", f"{outside.resolve()}\n")
        with pytest.raises(BuildError, match="outside its source") as found:
            inputs(project)
        assert "--engine local" in (found.value.hint or "")


class TestTar:
    def test_times_owners_and_modes_are_fixed(self, project: Any) -> None:
        project.write("run.sh", "").chmod(0o700)
        (project.folder / "link").symlink_to("main.py")
        context = read_context("tiny", project.folder)
        first, second = io.BytesIO(), io.BytesIO()
        write_tar(pieces_of(context, "source", shared=True), first)
        os.utime(project.folder / "main.py", (5, 5))
        write_tar(pieces_of(context, "source", shared=True), second)
        assert first.getvalue() == second.getvalue()
        first.seek(0)
        with tarfile.open(fileobj=first) as tar:
            found = {one.name: (oct(one.mode), one.mtime, one.uid, one.uname) for one in tar}
        assert found == {
            "source": ("0o775", EPOCH, 0, ""),
            "source/link": ("0o777", EPOCH, 0, ""),
            "source/main.py": ("0o664", EPOCH, 0, ""),
            "source/run.sh": ("0o775", EPOCH, 0, ""),
        }

    @pytest.mark.parametrize("content", ["print('Main')\n", "longer than it was before\n", ""])
    def test_a_file_that_changed_since_it_was_hashed_is_noticed(
        self, project: Any, content: str
    ) -> None:
        context = read_context("tiny", project.folder)
        project.write("main.py", content)
        with pytest.raises(Changed):
            write_tar(pieces_of(context, ""), io.BytesIO())

    def test_a_file_that_is_gone_is_noticed(self, project: Any) -> None:
        context = read_context("tiny", project.folder)
        (project.folder / "main.py").unlink()
        with pytest.raises(Changed):
            write_tar(pieces_of(context, ""), io.BytesIO())


@pytest.mark.parametrize(
    ("name", "whole", "immutable"),
    [
        ("app", "app:latest", "app:0123"),
        ("myorg/app:1.2", "myorg/app:1.2", "myorg/app:1.2-0123"),
        ("host:5000/app", "host:5000/app:latest", "host:5000/app:0123"),
        ("host:5000/app:v", "host:5000/app:v", "host:5000/app:v-0123"),
        (f"app:{'a' * 128}", f"app:{'a' * 128}", f"app:{'a' * 123}-0123"),
    ],
)
def test_the_names_of_an_image(name: str, whole: str, immutable: str) -> None:
    reference = read_reference(name)
    assert (str(reference), reference.immutable("0123")) == (whole, immutable)


def test_a_digest_is_no_name_to_build_under() -> None:
    with pytest.raises(BuildError, match="cannot be built under a digest"):
        read_reference(f"app@sha256:{'0' * 64}")
