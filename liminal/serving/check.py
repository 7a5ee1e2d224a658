"""`python -m liminal_serving.check service.json`: whether an image has the functions it serves.

Right after a build there is no model, no secret and no database yet. So only what no surroundings
can mend is an error: a module that is missing or does not parse, or a function that is not there.
"""

from __future__ import annotations

import sys
from pathlib import Path

from .arguments import BadSignature
from .config import read_config
from .functions import LoadError, load_functions


def main(arguments: list[str]) -> int:
    """Prints what is wrong; returns 1 if it surely is, 0 if it may be right elsewhere."""
    try:
        load_functions(read_config(Path(arguments[0]), cpus=1).endpoints)
    except LoadError as error:
        sys.stdout.write(f"{error}\n")
        cause = error.__cause__
        surely = cause is None or isinstance(cause, (ImportError, SyntaxError, BadSignature))
        return 1 if surely else 0
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
