"""The page of each finding's code, as the package carries them."""

import re
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """What the docs say of a code.

    Attributes:
        summary: what is wrong, in a sentence or two of plain text.
        markdown: the whole page, with a wrong and a right example.
    """

    summary: str
    markdown: str


def find_page(code: str) -> Page | None:
    """The page of the code; None for a code of a plug-in, which has none here."""
    file = _folder() / f"{code}.md"
    if not file.is_file():
        return None
    markdown = file.read_text("utf-8")
    paragraph = markdown.split("\n\n")[1].replace("\n", " ")
    return Page(summary=re.sub(r"`([^`]*)`", r"\1", paragraph), markdown=markdown)


def _folder() -> Path:
    """Beside this file in an installed package; in a checkout, the docs themselves."""
    packaged = Path(__file__).with_name("findings_pages")
    return packaged if packaged.is_dir() else Path(__file__).parents[2] / "docs" / "findings"
