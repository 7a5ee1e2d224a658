"""What the builders write, as they were seen to write it, and what is made of it."""

from __future__ import annotations

import time
from typing import Any

from liminal.images.engines.docker.progress import Failure, Progress, titles_of

DOCKERFILE = """\
# Image "x", made by Liminal of a liminal.yml.

FROM base AS system
# installing the requirements
RUN --mount=type=cache,id=a,target=/b \\
    one \\
    && two 'x'
COPY --from=build /a /a
# copying the source
COPY --chown=1:0 source /app/
"""

BUILDKIT = """\
#1 [internal] load build definition from Dockerfile
#1 sha256:0123
#1 DONE 0.0s
#5 [system 1/3] FROM base
#5 CACHED
#6 [system 2/3] RUN --mount=type=cache,id=a,target=/b     one     && two 'x'
#6 sha256:4567
#6 0.371 first
#6 0.494 \x1b[31msecond
#6 ERROR: executor failed running [/bin/sh -c one     && two 'x']: exit code: 7
------
 > [system 2/3] RUN --mount=type=cache,id=a,target=/b     one     && two 'x':
#6 0.371 first
------
executor failed running [/bin/sh -c one     && two 'x']: exit code: 7
"""

BUILDX = """\
#6 [system 2/3] RUN --mount=type=cache,id=a,target=/b     one     && two 'x'
#6 0.371 first
#6 ERROR: process "/bin/sh -c one     && two 'x'" did not complete successfully: exit code: 7
------
liminal.Dockerfile:5
--------------------
   4 |     # installing the requirements
   5 | >>> RUN --mount=type=cache,id=a,target=/b
--------------------
ERROR: failed to solve: process "/bin/sh -c one" did not complete successfully: exit code: 7
"""

CLASSIC = """\
Step 1/4 : FROM base AS system
 ---> 0123
Step 2/4 : RUN one     && two 'x'

 ---> Running in 4567
first
Removing intermediate container 4567
The command '/bin/sh -c one     && two 'x'' returned a non-zero code: 7
"""

PODMAN = """\
[1/2] STEP 1/4: FROM base AS system
[1/2] STEP 2/4: RUN --mount=type=cache,id=a,target=/b     one     && two 'x'
first
Error: building at STEP "RUN one": while running runtime: exit status 7
"""


def follow(text: str, dockerfile: str = DOCKERFILE) -> tuple[Progress, list[Any], list[str]]:
    began: list[tuple[str, int, int]] = []
    wrote: list[str] = []
    progress = Progress(titles_of(dockerfile), lambda *step: began.append(step), wrote.append)
    for line in text.splitlines():
        progress.read(line)
    progress.end()
    return progress, began, wrote


def test_the_comments_of_our_dockerfile_are_the_names_of_its_steps() -> None:
    assert titles_of(DOCKERFILE) == {
        "RUN one && two 'x'": "installing the requirements",
        "COPY --chown=1:0 source /app/": "copying the source",
    }


def test_every_builder_tells_the_step_that_failed_its_status_and_its_last_lines() -> None:
    for text, lines in (
        (BUILDKIT, ("first", "\x1b[31msecond")),
        (BUILDX, ("first",)),
        (CLASSIC, ("first",)),
    ):
        progress, began, wrote = follow(text)
        assert progress.failure() == Failure("installing the requirements", 7, lines)
        assert [step[0] for step in began] == ["installing the requirements"]
        assert tuple(wrote) == lines
    progress, _, wrote = follow(PODMAN)
    assert progress.failure().status == 7
    assert wrote[0] == "first"


def test_a_step_from_the_cache_is_not_worth_a_word() -> None:
    for cached in ("#6 sha256:1\n#6 CACHED", " ---> Using cache", "--> Using cache 0123abc"):
        header = "#6 [system 2/3]" if "#6" in cached else "Step 2/4 :"
        _, began, _ = follow(f"{header} RUN one && two 'x'\n{cached}")
        assert began == []


def test_a_silent_step_is_told_after_a_moment() -> None:
    began: list[str] = []
    progress = Progress(titles_of(DOCKERFILE), lambda name, *_: began.append(name), print)
    progress.read("#6 [system 2/3] RUN one && two 'x'")
    assert began == []
    end = time.monotonic() + 10
    while not began and time.monotonic() < end:
        time.sleep(0.02)
    assert began == ["installing the requirements"]


def test_a_dockerfile_of_the_users_has_its_instructions_for_names() -> None:
    _, began, _ = follow("#6 [2/3] RUN make things\n#6 0.1 x\n#7 [3/3] COPY a b\n#7 0.1 y", "")
    assert [step[0] for step in began] == ["RUN make things", "COPY a b"]


def test_what_no_step_caused_is_said_in_the_builders_words() -> None:
    text = (
        "#3 [internal] load metadata for docker.io/library/none:1\n"
        "#3 ERROR: pull access denied, repository does not exist\n"
        "------\n > [internal] load metadata for docker.io/library/none:1:\n------\n"
        "failed to solve: pull access denied, repository does not exist\n"
    )
    failure = follow(text)[0].failure()
    assert failure.title is None
    assert any("pull access denied" in line for line in failure.lines)
