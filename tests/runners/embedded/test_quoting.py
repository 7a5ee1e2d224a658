import re
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from liminal.runners.embedded.quoting import Fragment, Unquotable, command

HOSTILE = [
    "plain",
    "two words",
    "",
    "$(echo pwned)",
    "`echo pwned`",
    "'; echo pwned; '",
    '"; echo pwned; "',
    "\\",
    "$HOME",
    "line\nbreak",
    "-n",
    "*",
    "~",
    "A=1",
    "#no",
    "é\t!",
]

# Each has one place for a value, and prints it.
PLACES = [
    "printf %s §",
    "printf %s a§b",
    'printf %s "§"',
    'printf %s "a § b"',
    "printf %s '§'",
    "printf %s 'it'\"'\"'s §'",
    'printf %s "$(printf %s §)"',
    'printf %s "$(printf %s "§")"',
    "(printf %s §)",
    'x=§; printf %s "$x"',
    "# it's a comment\nprintf %s §",
    "printf %s ${HOME#/}x >/dev/null; printf %s §",
    'printf "%s" $((1 + 2)) >/dev/null; printf %s §',
    'printf %s "\\"" >/dev/null; printf %s §',
    "case a in a) printf %s §;; esac",
    'if true; then printf %s "x$(echo "y")§"; fi',
    "echo a#b 'c' >/dev/null && printf %s §",
    'printf %s \\ #"§"',
    'printf %s \\;#"§"',
    'printf %s a\\\n#"§"',
    "printf %s \\\n# it's a comment\nprintf %s §",
    'printf %s $(printf a)#"§"',
    'printf %s $((1 + 1))#"§"',
    'printf %s "$#(printf "§")"',
]


def made(place: str, value: str) -> str:
    before, after = place.split("§")
    return command(
        [
            Fragment(before, supplied=False),
            Fragment(value, supplied=True),
            Fragment(after, supplied=False),
        ]
    )


def outcome(place: str, value: str) -> str:
    done = subprocess.run(
        ["/bin/sh", "-c", made(place, value)], capture_output=True, text=True, check=True
    )
    return done.stdout


@pytest.mark.parametrize("place", PLACES)
def test_a_value_is_one_word_and_never_syntax(place: str) -> None:
    expected = outcome(place, "MARK")
    assert "MARK" in expected
    for value in HOSTILE:
        wanted = expected.replace("MARK", value)
        if "$(" in place:
            wanted = expected.replace("MARK", value.rstrip("\n"))
        assert outcome(place, value) == wanted


@given(value=st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])))
@settings(max_examples=60, deadline=None)
def test_any_value_comes_through_unchanged(value: str) -> None:
    script = "; printf '|'; ".join(
        made(place, value) for place in ("printf %s §", 'printf %s "§"', "printf %s 'a§'")
    )
    done = subprocess.run(["/bin/sh", "-c", script], capture_output=True, check=True)
    assert done.stdout.decode() == f"{value}|{value}|a{value}"


@pytest.mark.parametrize(
    ("place", "where"),
    [
        ("echo `cat §`", "backquotes"),
        ("cat <<END\n§\nEND", "here-document"),
        ("echo $((§ + 1))", "arithmetic"),
        ("((x = §))", "arithmetic"),
        ("echo ${x:-§}", "{…}"),
        ("echo $'§'", "$'…'"),
        ('echo $[ "§" ]', "$[…]"),
        ('echo "$\\\n(echo "§")"', "continuation"),
        ("cat <\\\n<END\n§\nEND", "continuation"),
        ("x=$(ca\\\nse a in a) echo b;; esac); echo §", "continuation"),
        ("(true)# §", "parenthesis"),
        ("echo \\§", "backslash"),
        ('echo "\\§"', "backslash"),
        ("echo $§", "dollar"),
        ("x=$(case a in a) echo b;; esac); echo §", "case"),
    ],
)
def test_a_value_that_cannot_be_quoted_is_refused(place: str, where: str) -> None:
    with pytest.raises(Unquotable) as found:
        made(place, "x")
    assert where in str(found.value)


def test_what_the_file_says_is_pasted_as_written() -> None:
    assert command([Fragment("echo ", supplied=False), Fragment("a b", supplied=False)]) == (
        "echo a b"
    )


def test_a_value_in_a_comment_cannot_end_it() -> None:
    script = made("true # §", "x\necho pwned")
    assert subprocess.run(["/bin/sh", "-c", script], capture_output=True, check=True).stdout == b""


def test_a_number_before_a_redirection_stays_a_word() -> None:
    assert outcome("echo §>&1", "2") == "2\n"


# No piece can name a function, lest one calls itself, and none goes to the background.
PIECES = (
    *("\\", "\\\n", " ", "#", '"', "'", "\n", ";", "$", "(", ")", "<", ">", "&&", "|", "`"),
    *("1", "=", "-", "!", "case", "$(", "$((", "))", "${1}", "$#", "$$", "printf %s ", '"$('),
)
# Where it is easy to be mistaken: what comes before a "#" or a parenthesis, and then a quote.
DELICATE = (
    ("", "a", " "),
    ("\\", "\\\n", "$(printf a)", "$((1))", '"$$', '"$', "$#"),
    ("", " ", ";", "\n", "\\\n"),
    ("#", "(printf ", "$$(printf ", "$$\\\n(printf "),
    ('"', "'", ""),
)
LIVE = (
    "$(touch PWNED)",
    "`touch PWNED`",
    "'$(touch PWNED)'",
    "\ntouch PWNED\n",
    ";touch PWNED;",
    ")touch PWNED;",
    '"$(touch PWNED)"',
)
SHELLS = [("/bin/sh",), *([("bash", "--posix")] if shutil.which("bash") else [])]


@pytest.mark.parametrize("shell", SHELLS, ids=lambda shell: shell[0])
@given(
    before=st.lists(st.sampled_from(PIECES), max_size=8).map("".join)
    | st.tuples(*map(st.sampled_from, DELICATE)).map("".join),
    after=st.sampled_from(('"', "'", '")', '")"'))
    | st.lists(st.sampled_from(PIECES), max_size=3).map("".join),
    value=st.sampled_from(LIVE),
)
@settings(max_examples=300, deadline=None)
def test_whatever_stands_around_a_value_the_shell_takes_it_as_we_do(
    shell: tuple[str, ...], before: str, after: str, value: str
) -> None:
    place = f"printf %s {before}§{after} "
    try:
        scripts = [made(place, one) for one in ("MARK", value)]
    except Unquotable:
        return
    with tempfile.TemporaryDirectory() as folder:
        benign, live = (
            subprocess.run(
                [*shell, "-c", script],
                cwd=folder,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                timeout=10,
                check=False,
            )
            for script in scripts
        )
        assert not Path(folder, "PWNED").exists()
    if benign.returncode == 0 and not re.search(r"[$|`]|<|>", place):
        assert live.stdout.decode() == benign.stdout.decode().replace("MARK", value)
