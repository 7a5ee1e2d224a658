"""F21: .dockerignore as Docker reads it."""

from __future__ import annotations

import pytest

from liminal.images.dockerignore import BadPattern, read_ignores


def left_out(text: str, path: str) -> bool:
    """Whether the file is left out, met by way of its folders as in a walk."""
    ignores = read_ignores(text)
    matches: tuple[bool, ...] = ()
    parts = path.split("/")
    for depth in range(1, len(parts) + 1):
        matches = ignores.match("/".join(parts[:depth]), matches)
    return ignores.leaves_out(matches)


# Most of these are those of moby/patternmatcher's own tests.
@pytest.mark.parametrize(
    ("text", "path", "expected"),
    [
        ("**", "file", True),
        ("**", "dir/file", True),
        ("**/", "file", True),
        ("**/**", "dir/file", True),
        ("dir/**", "dir/file", True),
        ("dir/**", "dir/dir2/file", True),
        ("dir/**", "other", False),
        ("**/dir", "dir/file", True),
        ("**/dir2/*", "dir/dir2/file", True),
        ("**/dir2/**", "dir/dir2/dir2/file", True),
        ("**file", "file", True),
        ("**file", "dir/file", True),
        ("**/file*txt", "dir/dir/file.txt", True),
        ("**/**/*.txt", "dir/dir/file.txt", True),
        ("**/*.txt", "dir/file.text", False),
        ("a**/*.txt", "a/file.txt", True),
        ("a**/*.txt", "a/dir/dir/file.txt", True),
        ("a/*.txt", "a/file.txt", True),
        ("a/*.txt", "a/dir/file.txt", False),
        ("a.b.d.e.f", "axbxdxexf", False),
        (".*", ".foo", True),
        (".*", "foo", False),
        ("abc.def", "abcXdef", False),
        ("abc?def", "abcdef", False),
        ("abc?def", "abcZdef", True),
        ("a?b", "a/b", False),
        ("*", "dir/file", True),
        ("*.py", "dir/file.py", False),
        ("[a-c].txt", "b.txt", True),
        ("[^a-c].txt", "b.txt", False),
        ("a\\*b", "a*b", True),
        ("a\\*b", "axb", False),
        ("(a|b)+", "a", False),
        ("docs", "docs/deep/file", True),
        ("docs/", "docs/file", True),
        ("./docs", "docs/file", True),
        ("a/../docs", "docs/file", True),
        ("/docs", "docs/file", True),
        ("/docs", "other/docs", False),
        ("//docs", "docs/file", True),
        ("# docs\ndocs", "docs", True),
        ("#docs", "docs", False),
        ("#docs", "#docs", False),
        (" #docs", "#docs", True),
        ("docs   ", "docs", True),
        ("\ufeffdocs", "docs", True),
        ("docs\r\n*.md\r\n", "README.md", True),
        ("docs\r\n", "docs", True),
        ("\n\n", "docs", False),
        ("*.md\n!README.md", "README.md", False),
        ("*.md\n!README.md", "OTHER.md", True),
        ("!README.md\n*.md", "README.md", True),
        ("*.md\n!README*.md\nREADME-secret.md", "README-secret.md", True),
        ("*.md\n!README*.md\nREADME-secret.md", "README-1.md", False),
        ("docs\n!docs/README.md", "docs/README.md", False),
        ("docs\n!docs/README.md", "docs/other", True),
        ("*\n! /src", "src/deep/a.py", False),
        ("**\n!src/**/*.py", "src/deep/a.py", False),
        ("**\n!src/**/*.py", "src/deep/a.txt", True),
    ],
)
def test_a_path_is_left_out_as_docker_does(text: str, path: str, expected: bool) -> None:
    assert left_out(text, path) is expected


@pytest.mark.parametrize("line", ["!", "[a", "a[]"])
def test_a_line_that_docker_refuses_is_named(line: str) -> None:
    with pytest.raises(BadPattern) as caught:
        read_ignores(f"docs\n{line}\n")
    assert caught.value.line == 2


def test_a_file_takes_back_a_default_and_cannot_do_so_by_coming_first() -> None:
    assert read_ignores("!keep.env", ["**/*.env"]).match("keep.env") == (True, True)
    assert not read_ignores("!a.env", ["**/*.env"]).leaves_out((True, True))
    assert read_ignores("", ["**/*.env"]).leaves_out((True,))
