"""Where a value stands in the user's files."""

from typing import NamedTuple


class Super(NamedTuple):
    """The ``super: NAME`` line through which a value was inherited."""

    name: str
    file: str
    line: int
    column: int

    def __str__(self) -> str:
        return f'super "{self.name}" at {self.file}:{self.line}:{self.column}'


class Origin(NamedTuple):
    """The place of a value: file as the user would type it, line and column from 1."""

    file: str
    line: int
    column: int
    via: Super | None = None

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}"
