"""A versioned DAG bundle over a folder that ``liminal deploy`` writes to.

A version is which release of each application counted at one moment. Airflow pins a run to the version
that it began on, so that a deployment in the middle of a run does not change what it does.

Airflow parses a copy of the loaders, one folder a version, in its own storage of bundles; the releases
stay where they were deployed, and a release that is used is marked, so that no deployment removes it.
"""  # noqa: E501 - see above

import json
import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from airflow.dag_processing.bundles.base import BaseDagBundle, BundleVersion
from airflow.sdk.exceptions import AirflowException

from liminal.deploy.layout import (
    CURRENT,
    AppFolder,
    Unreadable,
    as_record,
    read_record,
    releases_now,
    version_file,
    version_of,
)
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
        releases = releases_now(self._folder)
        return version_of(releases), releases

    def _record(self, version: str) -> Path:
        return Path(self.base_dir) / "releases" / f"{version}.json"

    def _make_again(self, version: str) -> None:
        """The folder of a version that Airflow removed to save space, or that was never here."""
        releases = self._releases_of(version)
        self._make(version, releases)
        for app, release in releases.items():
            with suppress(OSError):  # another user's, or gone: then its tasks say so
                os.utime(self._folder / app / "releases" / release)

    def _releases_of(self, version: str) -> Mapping[str, str]:
        """By our own record, or by the one that the deployment left."""
        with suppress(OSError, ValueError):
            found: Mapping[str, str] = json.loads(self._record(version).read_bytes())
            return found
        file = version_file(self._folder, version)
        try:
            record = read_record(file)
        except Unreadable as problem:
            raise AirflowException(str(problem)) from problem
        if record is None:
            raise AirflowException(
                f'the bundle "{self.name}" does not know the version "{version}": "{file}" is not '
                "there; has the folder of this machine everything that was deployed?"
            )
        return dict(record["releases"])

    def _make(self, version: str, releases: Mapping[str, str]) -> None:
        """The folder, with what is missing in it: a release may come later than its record."""
        whole = Path(self.versions_dir) / version
        if all((whole / app).is_dir() for app in releases) and whole.is_dir():
            return
        with self.lock():
            self._record(version).parent.mkdir(parents=True, exist_ok=True)
            write_atomic(self._record(version), json.dumps(dict(releases)).encode())
            whole.mkdir(parents=True, exist_ok=True)
            for app, release in releases.items():
                if (whole / app).is_dir():
                    continue
                unfinished = whole.with_name(f".making-{version}-{app}")
                remove_tree(unfinished)
                with suppress(Unreadable):
                    _copy_loaders(AppFolder(self._folder / app), release, unfinished)
                    unfinished.rename(whole / app)


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
