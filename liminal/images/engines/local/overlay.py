"""A virtual environment on top of another one, for what a `build_cmd` installs.

The environment below is shared and stays as it is; the one above sees its packages through a
``.pth`` file, as those of ``uv run --with`` do.
"""

import stat
from pathlib import Path

_MAGIC = b"#!"
_HEAD_LINES = 3


def link_packages(overlay: Path, base: Path) -> None:
    """Lets the overlay, a bare virtual environment, see what is installed in the base."""
    site = f"import site; site.addsitedir({str(_packages(base))!r})\n"
    (_packages(overlay) / "_liminal_base.pth").write_text(site, "utf-8")
    for script in sorted((base / "bin").iterdir()):
        place = overlay / "bin" / script.name
        # A command of the base must run with the overlay's Python, or not see its packages.
        if not place.exists() and not place.is_symlink():
            _copy_script(script, place, base, overlay)


def _packages(environment: Path) -> Path:
    return next((environment / "lib").glob("python*/site-packages"))


def _copy_script(script: Path, place: Path, base: Path, overlay: Path) -> None:
    content = script.read_bytes() if script.is_file() else b""
    head = content.split(b"\n", _HEAD_LINES)
    old, new = f"{base}/bin/python".encode(), f"{overlay}/bin/python".encode()
    if not content.startswith(_MAGIC) or not any(old in line for line in head[:_HEAD_LINES]):
        place.symlink_to(script)
        return
    lines = [line.replace(old, new) for line in head[:_HEAD_LINES]]
    place.write_bytes(b"\n".join([*lines, *head[_HEAD_LINES:]]))
    place.chmod(stat.S_IMODE(script.stat().st_mode))
