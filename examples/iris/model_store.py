"""Where the models are kept: a folder, or an S3 bucket.

    candidates/00000001-5e1f09c2.skops   one file a version, never changed once it is there
    candidates/00000002-a07be311.skops
    production                           the name of the version in production

The environment variable MODEL_STORE says where: a folder (default `models`) or s3://bucket/prefix.
"""

import os
import re
import uuid
from pathlib import Path, PurePosixPath
from typing import Any

import fsspec
import skops.io
from fsspec.implementations.local import LocalFileSystem

VERSION = re.compile(r"\d{8}-[0-9a-f]{8}")


class ModelStore:
    """Versions of a model, of which one may be in production."""

    def __init__(self, url: str | None = None) -> None:
        url = url or os.environ.get("MODEL_STORE") or "models"
        # Other processes write here too, so what a listing said a moment ago is not remembered.
        self._files, self._root = fsspec.url_to_fs(url, use_listings_cache=False)

    def save(self, model: Any) -> str:
        """Save a model as the newest candidate and return its version."""
        newest = self.newest_candidate()
        number = int(newest.split("-")[0]) + 1 if newest else 1
        # Two trainings at once may take the same number; the random part keeps them apart.
        version = f"{number:08}-{uuid.uuid4().hex[:8]}"
        # Not a pickle, because loading a pickle runs whatever code is in it.
        self._write(self._candidate(version), skops.io.dumps(model))
        return version

    def load(self, version: str) -> Any:
        """Return the model of a version."""
        return skops.io.loads(self._files.cat_file(self._candidate(version)))

    def newest_candidate(self) -> str | None:
        """Return the version that was saved last, or None in an empty store."""
        return max(self._versions(), default=None)

    def promote(self, version: str) -> None:
        """Make a version the one in production; of two promotions at once, the last one wins."""
        if version not in self._versions():
            raise ValueError(f"there is no candidate {version!r}")
        self._write(f"{self._root}/production", f"{version}\n".encode())

    def production(self) -> str | None:
        """Return the version in production, or None before the first promotion."""
        try:
            text = self._files.cat_file(f"{self._root}/production").decode()
        except FileNotFoundError:
            return None
        version: str = text.strip()
        if not VERSION.fullmatch(version):
            raise ValueError(f"{self._root}/production holds {text[:80]!r}, which is no version")
        return version

    def _versions(self) -> list[str]:
        try:
            paths = self._files.ls(f"{self._root}/candidates", detail=False)
        except FileNotFoundError:
            return []
        files = [PurePosixPath(path) for path in paths]
        return [f.stem for f in files if f.suffix == ".skops" and VERSION.fullmatch(f.stem)]

    def _candidate(self, version: str) -> str:
        return f"{self._root}/candidates/{version}.skops"

    def _write(self, path: str, content: bytes) -> None:
        """Write a file so that readers, even after a crash, find the old one or the new one."""
        if isinstance(self._files, LocalFileSystem):
            _write_and_rename(Path(path), content)
        else:
            self._files.pipe_file(path, content)  # an upload to S3 shows only when it is complete


def _write_and_rename(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f"{path.name}.{uuid.uuid4().hex}.tmp")
    try:
        with temporary.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    # The rename itself reaches the disk with the folder.
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
