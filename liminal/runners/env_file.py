"""``$LIMINAL_HOME/env``: what every task's environment gets on this machine."""

from pathlib import Path

from liminal.errors import RunError


def read_env_file(file: Path) -> dict[str, str]:
    """The KEY=VALUE lines of ``$LIMINAL_HOME/env``; comments and lines without ``=`` are not.

    Raises:
        RunError: it cannot be read, or a line of it is nothing that a process may be given.
    """
    try:
        content = file.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except OSError as error:
        raise RunError(f'"{file}" cannot be read: {error.strerror}') from error
    found = {}
    for number, raw in enumerate(content.split(b"\n"), start=1):
        try:
            line = raw.decode("utf-8").strip()
        except UnicodeDecodeError as error:
            raise RunError(f'"{file}", line {number}: it is not UTF-8') from error
        if "\0" in line:
            raise RunError(f'"{file}", line {number}: it holds a NUL character')
        name, equals, value = line.partition("=")
        if equals and name.strip() and not line.startswith("#"):
            found[name.strip()] = value
    return found
