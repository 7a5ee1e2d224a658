"""What the local engine has built, on disk.

One folder an image name, one in it for each content hash::

    images/NAME/HASH/source/       the working directory of whatever runs in the image
    images/NAME/HASH/site/         what the image type adds, for Python's path
    images/NAME/HASH/image.json    the record; the folder gets its name when all of it is there
    images/NAME/current.json       which hash the name stands for
    images/NAME/lock               held while it is built
"""

import hashlib
import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from liminal.files import remove_tree, write_atomic
from liminal.images.engines import KEPT, KEPT_SECONDS

FORMAT = 1

UNFINISHED = ".making-"
"""What the folders begin with that a build has not finished, or not finished removing."""

_HASH = re.compile(r"[0-9a-f]{24}")


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalImage:
    """An image that the local engine built.

    Attributes:
        hash: of everything that went in.
        source: a copy of the user's source that nothing may write to: a run works in a copy.
        environment: the virtual environment, shared with other images.
        site: what goes on Python's path, or None where the image type adds nothing.
        env_vars: what the image sets.
        rebuilt: whether the last build made it.
    """

    name: str
    hash: str
    source: Path
    environment: Path
    site: Path | None
    env_vars: Mapping[str, str]
    rebuilt: bool

    @property
    def reference(self) -> None:
        """None: it is of this machine only."""

    @property
    def digest(self) -> None:
        """None: no registry takes it."""


@dataclass(frozen=True, slots=True)
class Store:
    """The images in a folder."""

    folder: Path

    def of(self, name: str) -> Path:
        """The folder of an image's name."""
        # The hash tells apart what a disk that ignores case, or the replacement, would not.
        readable = re.sub(r"[^A-Za-z0-9._-]", "_", name)[:80].lstrip(".")
        return self.folder / f"{readable}-{hashlib.sha256(name.encode()).hexdigest()[:8]}"

    def current(self, name: str) -> str | None:
        """The hash that the name stands for, or None."""
        record = _read(self.of(name) / "current.json")
        return str(record["hash"]) if record and "hash" in record else None

    def named(self) -> Mapping[str, str]:
        """Name -> the hash that it stands for."""
        records = [_read(file) or {} for file in self.folder.glob("*/current.json")]
        found = {
            str(one["name"]): str(one["hash"]) for one in records if {"name", "hash"} <= one.keys()
        }
        return dict(sorted(found.items()))

    def read(self, name: str, hash: str) -> LocalImage | None:
        """The image with that hash, or None where it, or its environment, is not there."""
        folder = self.of(name) / hash
        record = _read(folder / "image.json")
        if record is None or record.get("format") != FORMAT:
            return None
        environment = Path(str(record["environment"]))
        if not (environment / "pyvenv.cfg").is_file():
            return None
        env_vars = record["env_vars"]
        return LocalImage(
            name=name,
            hash=hash,
            source=folder / "source",
            environment=environment,
            site=folder / "site" if record["site"] else None,
            env_vars=env_vars if isinstance(env_vars, dict) else {},
            rebuilt=False,
        )

    def select(self, name: str, hash: str) -> None:
        """Makes the name stand for the hash; the old or the new, whatever happens."""
        record = {"format": FORMAT, "name": name, "hash": hash}
        write_atomic(self.of(name) / "current.json", json.dumps(record, indent=1).encode())
        os.utime(self.of(name) / hash)  # when it was last chosen, for `prune`

    def names(self) -> tuple[str, ...]:
        """The names under which something was built, sorted."""
        records = (_read(path) for path in sorted(self.folder.glob("*/current.json")))
        return tuple(
            sorted(str(record["name"]) for record in records if record and "name" in record)
        )

    def unused(self, name: str, now: float) -> tuple[Path, ...]:
        """The folders of what the name stood for earlier, and nobody should need any more.

        Args:
            name: the image's.
            now: seconds since the epoch.
        """
        folders = [path for path in self.of(name).iterdir() if _HASH.fullmatch(path.name)]
        by_age = sorted((path.stat().st_mtime, path) for path in folders)
        return tuple(
            path
            for chosen, path in by_age[:-KEPT]
            if now - chosen > KEPT_SECONDS and path.name != self.current(name)
        )

    def prune(self, name: str, now: float) -> None:
        """Removes what is `unused`; whoever calls holds the image's lock.

        Raises:
            OSError: one of them could not be removed.
        """
        for path in self.unused(name, now):
            # Away with the name first: half an image must not be found under it.
            unfinished = path.with_name(f"{UNFINISHED}{path.name}")
            path.rename(unfinished)
            remove_tree(unfinished)

    def used_environments(self) -> frozenset[str]:
        """The names of the environments that images here have."""
        records = (_read(path) for path in self.folder.glob("*/*/image.json"))
        return frozenset(
            Path(str(record["environment"])).name
            for record in records
            if record and "environment" in record
        )


def _read(path: Path) -> dict[str, object] | None:
    try:
        record = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return None
    return record if isinstance(record, dict) else None
