"""The names of an image: the one in liminal.yml, and the one that always means the same content."""

import hashlib
import re
from dataclasses import dataclass

from liminal.errors import BuildError

_MAX_TAG = 128


@dataclass(frozen=True, slots=True)
class Reference:
    """``repository:tag``, with ``latest`` where nobody says.

    Attributes:
        written: as in liminal.yml.
    """

    written: str
    repository: str
    tag: str | None

    def __str__(self) -> str:
        return f"{self.repository}:{self.tag or 'latest'}"

    def immutable(self, hash: str) -> str:
        """The name of one content: the tag with the hash."""
        if self.tag is None:
            return f"{self.repository}:{hash}"
        return f"{self.repository}:{self.tag[: _MAX_TAG - len(hash) - 1]}-{hash}"

    @staticmethod
    def file_name(name: str) -> str:
        """A file's name for the image's."""
        # The hash tells apart what the replacement would not.
        readable = re.sub(r"[^A-Za-z0-9._-]", "_", name)[:80].lstrip(".")
        return f"{readable}-{hashlib.sha256(name.encode()).hexdigest()[:8]}"


def read_reference(name: str) -> Reference:
    """The image's name in its parts; the compiler has checked its form.

    Raises:
        BuildError: it ends with a digest, which nobody can choose.
    """
    if "@" in name:
        raise BuildError(
            f'image "{name}" cannot be built under a digest', hint="give it a tag, or none"
        )
    repository, colon, tag = name.rpartition(":")
    if not colon or "/" in tag:  # that was the port of a registry
        return Reference(name, name, None)
    return Reference(name, repository, tag)
