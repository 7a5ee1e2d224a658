"""A uv.lock as a requirement file, by the uv that comes with Liminal."""

import tempfile
from collections.abc import Mapping
from pathlib import Path

from liminal.errors import BuildError
from liminal.images.engines.local.installer import installer_environ
from liminal.images.engines.local.uv import find_uv
from liminal.images.engines.steps import Steps
from liminal.images.recipe import Recipe


def export_lock(recipe: Recipe, environ: Mapping[str, str], steps: Steps, lock: int) -> bytes:
    """The exact versions that the recipe's uv.lock names.

    Raises:
        BuildError: uv cannot read it, or does not run here.
    """
    uv = find_uv(None, environ)
    if uv is None:
        raise BuildError(
            f'image "{recipe.name}": its uv.lock cannot be read, because uv does not run here',
            hint='write a requirements.txt: "uv export --output-file requirements.txt"',
        )
    with tempfile.TemporaryDirectory(prefix="liminal-") as folder:
        locked = Path(folder, "locked.txt")
        steps.run(
            "reading uv.lock",
            [
                uv, "export", "--quiet", "--frozen", "--no-dev", "--no-editable",
                "--no-emit-project", "--no-header", "--output-file", str(locked),
            ],
            folder=recipe.requirements.files[0].parent,
            environ=installer_environ(environ),
            lock=lock,
            hint='run "uv lock" and see what it says',
        )  # fmt: skip
        return locked.read_bytes()
