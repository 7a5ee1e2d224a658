"""Kills a change of a DAGs folder at every step of it, and looks at what is left: FOLDER CHANGE."""

import os
import shutil
import signal
import sys
from itertools import count
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from projects import compiled, files, project, seen

from liminal.deploy.install import delete, deploy, rollback

STEPS = {"open", "os.rename", "os.mkdir", "os.remove", "os.rmdir", "os.utime", "os.chmod"}

work, change = Path(sys.argv[1]), sys.argv[2]
old = compiled(project(work / "old", gone="echo 1", kept="echo 1", changed="echo 1"))
new = compiled(project(work / "new", kept="echo 1", changed="echo 2", fresh="echo 3"))


def make(dags: Path) -> None:
    match change:
        case "first":
            deploy(dags, new)
        case "second":
            deploy(dags, old)
        case _:
            deploy(dags, old)
            deploy(dags, new)


def apply(dags: Path) -> None:
    match change:
        case "first":
            deploy(dags, old)
        case "second":
            deploy(dags, new)
        case "rollback":
            rollback(dags, "app", None)
        case "delete":
            delete(dags, ["app"])


def killed_at(step: int, dags: Path) -> bool:
    """Whether the change had so many steps."""
    child = os.fork()
    if child == 0:
        left = step

        def die(event: str, arguments: tuple[object, ...]) -> None:
            nonlocal left
            if event in STEPS and any(str(dags) in str(one) for one in arguments):
                left -= 1
                if left == 0:
                    os.kill(os.getpid(), signal.SIGKILL)

        # Files are synced and written without an audit event of their own.
        fsync = os.fsync

        def counted(descriptor: int) -> None:
            die("open", (str(dags),))
            fsync(descriptor)

        os.fsync = counted
        sys.addaudithook(die)
        apply(dags)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    assert status in (0, signal.SIGKILL), status
    return status != 0


def main() -> None:
    before, after = work / "before", work / "after"
    if change != "first":
        make(before)
    else:
        before.mkdir()
    shutil.copytree(before, after)
    apply(after)
    allowed = (seen(before), seen(after))
    for step in count(1):
        dags = work / f"dags-{step}"
        shutil.copytree(before, dags)
        if not killed_at(step, dags):
            break
        assert seen(dags) in allowed, (step, seen(dags), allowed)
        if change == "delete":
            delete(dags, ["app"])
            deploy(dags, ())  # whoever comes next cleans up
        elif change == "rollback":
            if seen(dags) == allowed[0]:
                apply(dags)
            else:
                deploy(dags, ())
        else:
            apply(dags)
        assert files(dags) == files(after), (step, set(files(dags)) ^ set(files(after)))
        shutil.rmtree(dags)
    print(step - 1)


main()
