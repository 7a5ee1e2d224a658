"""Volumes and secrets at the paths where a task expects them, on a machine without containers."""

import asyncio
import contextlib
import hashlib
import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from liminal.errors import RunError
from liminal.files import remove_tree
from liminal.plan.dag import MountPlan, SecretPlan
from liminal.runners import LocalEnvironment, Machine, Work

RECORD = "links"
"""The file in a run's working folder that names the links made outside of it, one a line."""


def problems(work: Work, image: LocalEnvironment) -> Iterator[str]:
    """Why the mounts and secrets cannot be where they are wanted; nothing is touched."""
    container = work.container
    mounts = [os.path.normpath(mount.path) for mount in container.mounts]
    yield from volume_problems(work)
    for path in mounts:
        if not Path(path).is_absolute():
            yield from _inside(work, path, image.source)
    for mount, path in zip(container.mounts, mounts, strict=True):
        if any(other != path and _is_under(path, other) for other in mounts):
            yield f'{work}: "{mount.path}" lies inside another mount of the task'
    for secret in container.secrets:
        path = os.path.normpath(secret.remote_path)
        if not Path(path).is_absolute():
            yield from _inside(work, path, image.source)


def volume_problems(work: Work, directory: str = "") -> Iterator[str]:
    """What no runner of this machine can do about the volumes and secrets.

    Args:
        work: whose they are.
        directory: where relative paths begin; empty where that is not known yet.
    """
    mounts = [os.path.normpath(Path(directory, one.path)) for one in work.container.mounts]
    for mount in work.container.mounts:
        if mount.source is None:
            yield f'{work}: volume "{mount.volume}" is one that only Kubernetes mounts'
    for secret in work.container.secrets:
        place = os.path.normpath(Path(directory, secret.remote_path))
        if any(_is_under(place, mount) for mount in mounts):
            yield f'{work}: the secret "{secret.name}" would be written into a volume'


def secret_problems(work: Work, user_home: Path) -> Iterator[str]:
    """Why the files of the secrets cannot be read."""
    for secret in work.container.secrets:
        file = expanded(secret.file, user_home)
        words = f'{work}: the file "{secret.file}" of secret "{secret.name}"'
        if not file.is_file():
            yield f"{words} is missing"
        elif not os.access(file, os.R_OK):
            yield f"{words} is not readable"


def _inside(work: Work, path: str, source: Path) -> Iterator[str]:
    parts = Path(path).parts
    if not parts or parts[0] == "..":
        yield f'{work}: "{path}" is not inside the working directory'
    for depth in range(1, len(parts)):
        if source.joinpath(*parts[:depth]).is_symlink():
            yield f'{work}: "{path}" leads through a symlink of the image'
            return


def _is_under(path: str, parent: str) -> bool:
    """Whether the normal path lies in or at the other; a relative one never in an absolute one."""
    return Path(path).is_relative_to(parent)


def make_volume(mount: MountPlan, user_home: Path) -> Path:
    """The volume's folder, made when it is missing.

    Raises:
        RunError: it cannot be made.
    """
    folder = _volume_folder(mount, user_home)
    try:
        if not folder.exists():
            folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RunError(
            f'volume "{mount.volume}": "{folder}" cannot be made: {error.strerror}'
        ) from error
    return folder


def _volume_folder(mount: MountPlan, user_home: Path) -> Path:
    if mount.source is None:  # `problems` has said so to the user
        raise TypeError(mount)
    return expanded(mount.source, user_home)


def expanded(path: str, user_home: Path) -> Path:
    """The path, with ``~`` at its begin replaced."""
    return user_home / path[2:] if path == "~" or path.startswith("~/") else Path(path)


def link_volume(mount: MountPlan, machine: Machine) -> None:
    """Make the absolute path of a mount lead to its volume, and remember that we did.

    The link stays: other runs may use it. The record under the home's ``links`` tells which are
    ours.

    Raises:
        RunError: something else is there, or we may not write there.
    """
    path, source = Path(os.path.normpath(mount.path)), make_volume(mount, machine.user_home)
    if path.exists() and path.samefile(source):
        return
    record = _record(machine, path)
    if os.path.lexists(path) and not _is_ours(record, path):
        raise RunError(
            f'volume "{mount.volume}" cannot be mounted at "{path}": something else is there',
            hint="give the mount a relative path, or remove what is there",
        )
    try:
        record.parent.mkdir(parents=True, exist_ok=True)
        record.write_text(json.dumps({"path": str(path), "target": str(source)}), "utf-8")
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.is_symlink():  # ours, to where the volume was before
            path.unlink()
        path.symlink_to(source)
    except OSError as error:
        raise RunError(
            f'volume "{mount.volume}" cannot be mounted at "{path}": {error.strerror}',
            hint="give the mount a relative path, which begins at the working directory",
        ) from error


def _record(machine: Machine, path: Path) -> Path:
    return machine.home.path / "links" / f"{_short_hash(str(path))}.json"


def _short_hash(path: str) -> str:
    return hashlib.sha256(path.encode(errors="surrogateescape")).hexdigest()[:16]


def _is_ours(record: Path, path: Path) -> bool:
    try:
        known = json.loads(record.read_text("utf-8"))
        return path.is_symlink() and bool(str(path.readlink()) == known["target"])
    except (OSError, ValueError, KeyError):
        return False


def place_mounts(mounts: Sequence[MountPlan], directory: Path, user_home: Path) -> None:
    """Make the relative paths of the mounts lead to their volumes, hiding what the image has there.

    Raises:
        OSError: a link cannot be made.
    """
    for mount in mounts:
        if not Path(mount.path).is_absolute():
            _clear(directory, mount.path).symlink_to(_volume_folder(mount, user_home))


def place_secrets(secrets: Sequence[SecretPlan], directory: Path, user_home: Path) -> None:
    """Put the secrets with a relative path into the working directory.

    Raises:
        OSError: one cannot be read or written.
    """
    for secret in secrets:
        if not Path(secret.remote_path).is_absolute():
            copy_secret(secret, _clear(directory, secret.remote_path), user_home)


def _clear(directory: Path, path: str) -> Path:
    place = directory / os.path.normpath(path)
    place.parent.mkdir(parents=True, exist_ok=True)
    if place.is_dir() and not place.is_symlink():
        remove_tree(place)
    else:
        place.unlink(missing_ok=True)
    return place


def copy_secret(secret: SecretPlan, place: Path, user_home: Path) -> None:
    """A copy of the secret that only its owner can read.

    Raises:
        OSError: it cannot be read or written.
    """
    content = expanded(secret.file, user_home).read_bytes()
    descriptor = os.open(place, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o400)
    with open(descriptor, "wb") as copy:
        copy.write(content)


@dataclass(slots=True)
class _Held:
    file: str
    folders: list[Path]
    users: int = 0


@dataclass(slots=True)
class SecretPlaces:
    """The absolute paths of a run's secrets, each there while an attempt needs it.

    Copies of a task share one. Tasks that want different secrets at one path take turns.

    Attributes:
        folder: of the run, for the copies; its file `RECORD` names the links for who cleans up.
    """

    folder: Path
    user_home: Path
    _held: dict[Path, _Held] = field(default_factory=dict)
    _freed: asyncio.Condition = field(default_factory=asyncio.Condition)

    async def take(self, secret: SecretPlan) -> None:
        """Make the path lead to a copy of the secret, or share the one that is there.

        Raises:
            OSError: something else is there, or we may not write there.
        """
        path = Path(os.path.normpath(secret.remote_path))
        async with self._freed:
            await self._freed.wait_for(
                lambda: path not in self._held or self._held[path].file == secret.file
            )
            if path not in self._held:
                self._held[path] = self._make(secret, path)
            self._held[path].users += 1

    def _make(self, secret: SecretPlan, path: Path) -> _Held:
        copy, folders = self._copy_of(path), _missing_folders(path)
        copy.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with (self.folder / RECORD).open("a", encoding="utf-8") as record:
            record.write(json.dumps(str(path)) + "\n")
        try:
            copy_secret(secret, copy, self.user_home)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.symlink_to(copy)
        except OSError:
            copy.unlink(missing_ok=True)
            raise
        return _Held(secret.file, folders)

    async def give_back(self, secret: SecretPlan) -> None:
        """Remove the path and the copy once nobody needs them."""
        path = Path(os.path.normpath(secret.remote_path))
        async with self._freed:
            held = self._held[path]
            held.users -= 1
            if held.users:
                return
            del self._held[path]
            remove_link(path, self.folder)
            self._copy_of(path).unlink(missing_ok=True)
            for folder in held.folders:
                with contextlib.suppress(OSError):  # something else has moved in
                    folder.rmdir()
            self._freed.notify_all()

    def _copy_of(self, path: Path) -> Path:
        return self.folder / "secrets" / _short_hash(str(path))


def _missing_folders(path: Path) -> list[Path]:
    """The folders above `path` that are not there, innermost first."""
    return [folder for folder in path.parents if not os.path.lexists(folder)]


def remove_link(path: Path, folder: Path) -> None:
    """Remove the link at that path if it leads into `folder`."""
    with contextlib.suppress(OSError):
        if path.is_symlink() and path.readlink().is_relative_to(folder):
            path.unlink()


def remove_recorded(folder: Path) -> None:
    """Remove the links that a run's working folder records."""
    try:
        lines = (folder / RECORD).read_text("utf-8").splitlines()
    except OSError:
        return
    for line in lines:
        with contextlib.suppress(ValueError):  # cut off when the run was killed: nothing was made
            remove_link(Path(json.loads(line)), folder)
