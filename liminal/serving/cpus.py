"""How many processors this container may use; the host's number says nothing about that."""

from __future__ import annotations

import math
import os
from pathlib import Path


def available_cpus(
    cgroup: Path = Path("/sys/fs/cgroup"), membership: Path = Path("/proc/self/cgroup")
) -> int:
    """The processors that the scheduler and the control group leave to this process, at least 1.

    Half processors count as whole ones: a quota of 1.5 is 2.

    Source: Linux, Documentation/admin-guide/cgroup-v2.rst (cpu.max) and
        Documentation/scheduler/sched-bwc.rst (cpu.cfs_quota_us, version 1).
    """
    if hasattr(os, "sched_getaffinity"):
        count = len(os.sched_getaffinity(0))
    else:  # macOS
        count = os.cpu_count() or 1
    quotas = [_quota_v2(folder) for folder in _folders(cgroup, membership)]
    quotas.append(_quota_v1(cgroup / "cpu"))
    limits = [math.ceil(quota) for quota in quotas if quota]
    return max(1, min([count, *limits]))


def _folders(cgroup: Path, membership: Path) -> list[Path]:
    """The group of this process and the groups around it, each of which may set a limit."""
    try:
        lines = membership.read_text(encoding="ascii", errors="replace").splitlines()
    except OSError:
        return [cgroup]
    own = next((line[3:] for line in lines if line.startswith("0::")), "/")
    folder = cgroup / own.strip("/")
    return [folder, *(parent for parent in folder.parents if parent.is_relative_to(cgroup))]


def _quota_v2(folder: Path) -> float | None:
    try:
        quota, period = (folder / "cpu.max").read_text(encoding="ascii").split()
        return None if quota == "max" else int(quota) / int(period)
    except (OSError, ValueError, ZeroDivisionError):
        return None


def _quota_v1(folder: Path) -> float | None:
    try:
        quota = int((folder / "cpu.cfs_quota_us").read_text(encoding="ascii"))
        period = int((folder / "cpu.cfs_period_us").read_text(encoding="ascii"))
        return quota / period if quota > 0 else None
    except (OSError, ValueError, ZeroDivisionError):
        return None
