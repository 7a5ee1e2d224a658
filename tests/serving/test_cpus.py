"""Workers by default: the container's processors, not the host's."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from liminal.serving.cpus import available_cpus

HOST = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


@pytest.mark.parametrize(
    ("quota", "count"),
    [("50000 100000", 1), ("100000 100000", 1), ("max 100000", HOST), ("9900000 100000", HOST)],
)
def test_quota_of_the_group_is_the_limit(tmp_path, quota, count):
    write(tmp_path / "cgroup/cpu.max", quota)
    write(tmp_path / "membership", "0::/\n")
    assert available_cpus(tmp_path / "cgroup", tmp_path / "membership") == count


def test_quota_of_a_group_around_ours_counts_too(tmp_path):
    write(tmp_path / "cgroup/a/cpu.max", "100000 100000")
    write(tmp_path / "cgroup/a/b/cpu.max", "max 100000")
    write(tmp_path / "membership", "0::/a/b\n")
    assert available_cpus(tmp_path / "cgroup", tmp_path / "membership") == 1


def test_version_1_groups_are_read(tmp_path):
    write(tmp_path / "cgroup/cpu/cpu.cfs_quota_us", "50000")
    write(tmp_path / "cgroup/cpu/cpu.cfs_period_us", "100000")
    assert available_cpus(tmp_path / "cgroup", tmp_path / "none") == 1


def test_no_groups_leave_the_hosts_processors(tmp_path):
    assert available_cpus(tmp_path, tmp_path / "none") == HOST
