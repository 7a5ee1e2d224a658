"""A versioned DAG bundle over a folder that ``liminal deploy`` writes to.

A version is which release of each application counted at one moment. Airflow pins a run to the version
that it began on, so that a deployment in the middle of a run does not change what it does.

Airflow parses a copy of the loaders, one folder a version, in its own storage of bundles; the releases
stay where they were deployed, and a release that is used is marked, so that no deployment removes it.
"""  # noqa: E501 - see above

import hashlib
import json
import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from airflow.dag_processing.bundles.base import BaseDagBundle, BundleVersion
from airflow.sdk.exceptions import AirflowException

from liminal.deploy.layout import CURRENT, AppFolder, Unreadable, app_folders, as_record
from liminal.deploy.loader import loader
from liminal.files import remove_tree, write_atomic


class ReleaseBundle(BaseDagBundle):
    """The deployed applications.

    Configure it with ``"classpath": "liminal.runners.airflow.bundle.ReleaseBundle"`` and
    ``"kwargs": {"folder": "/the/dags/folder"}``.
    """

    supports_versioning = True

    def __init__(self, *, folder: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._folder = Path(folder)
        self._now: str | None = None

    def initialize(self) -> None:
        """Make the folder of the pinned version, or of what counts now."""
        if self.version is None:
            self.refresh()
        else:
            self._make_again(self.version)
        super().initialize()

    @property
    def path(self) -> Path:
        """The folder of loaders of that version."""
        return Path(self.versions_dir) / (self.version or self._now or self._take()[0])

    def get_current_version(self) -> BundleVersion:
        """What `path` holds, also when something was deployed since."""
        version = self.version or self._now
        return BundleVersion(version=version if version is not None else self._take()[0])

    def refresh(self) -> None:
        """Take what counts now; a pinned version stays as it is."""
        if self.version is not None:
            return
        version, releases = self._take()
        self._make(version, releases)
        self._now = version

    def _take(self) -> tuple[str, Mapping[str, str]]:
        """What counts now: the name of the version, and application -> release."""
        releases = {}
        for folder in app_folders(self._folder):
            with suppress(Unreadable):  # damaged, or newer: the others keep working
                current = folder.current()
                if current is not None:
                    releases[folder.name] = current.release
        text = "".join(f"{app} {release}\n" for app, release in sorted(releases.items()))
        return hashlib.sha256(text.encode()).hexdigest()[:16], releases

    def _record(self, version: str) -> Path:
        return Path(self.base_dir) / "releases" / f"{version}.json"

    def _make_again(self, version: str) -> None:
        """The folder of an earlier version, which Airflow may have removed to save space."""
        try:
            releases: Mapping[str, str] = json.loads(self._record(version).read_bytes())
        except (OSError, ValueError) as problem:
            raise AirflowException(
                f'the bundle "{self.name}" has never had a version "{version}" on this machine'
            ) from problem
        self._make(version, releases)
        for app, release in releases.items():
            with suppress(OSError):  # another user's, or gone: then its tasks say so
                os.utime(self._folder / app / "releases" / release)

    def _make(self, version: str, releases: Mapping[str, str]) -> None:
        whole = Path(self.versions_dir) / version
        if whole.is_dir():
            return
        with self.lock():
            if whole.is_dir():
                return
            self._record(version).parent.mkdir(parents=True, exist_ok=True)
            write_atomic(self._record(version), json.dumps(dict(releases)).encode())
            unfinished = whole.with_name(f".making-{version}")
            remove_tree(unfinished)
            unfinished.mkdir(parents=True)
            for app, release in releases.items():
                with suppress(Unreadable):
                    _copy_loaders(AppFolder(self._folder / app), release, unfinished / app)
            unfinished.rename(whole)


def _copy_loaders(folder: AppFolder, release: str, target: Path) -> None:
    """The loaders of the release, of the age that they have: Airflow parses those that changed."""
    pipelines = folder.pipelines(release)
    target.mkdir()
    record = as_record({"release": release, "folder": str(folder.path)})
    (target / CURRENT).write_bytes(record)
    for pipeline, plan_hash in pipelines.items():
        copy = target / f"{pipeline}.py"
        copy.write_bytes(loader(folder.name, pipeline, plan_hash))
        with suppress(OSError):
            age = folder.loader(pipeline).stat()
            os.utime(copy, ns=(age.st_atime_ns, age.st_mtime_ns))
