"""``liminal serve --engine docker`` with an image that is there: PROJECT REFERENCE [--port N].

The project is the one of `test_service.py`.
"""

import os
import sys
from pathlib import Path

from docker_parts import Container

from liminal.commands import now
from liminal.errors import LiminalError
from liminal.home import Home
from liminal.model import Resources
from liminal.plan.dag import MountPlan, SecretPlan
from liminal.plan.services import ServicePlan
from liminal.plugins import discover
from liminal.report.service import addresses
from liminal.runners import Machine
from liminal.runners.service import Told, run_service


def _endpoint(name: str) -> dict[str, object]:
    return {
        "endpoint": f"/{name}", "module": "parrot", "function": name,
        "methods": ["POST", "GET"], "batch": None,
    }  # fmt: skip


def _plan(project: Path) -> ServicePlan:
    return ServicePlan(
        app="parrot",
        service="parrot",
        image="parrot",
        configuration={
            "service": "parrot",
            "endpoints": [_endpoint(name) for name in ("echo", "slow", "files")],
            "workers": 1,
            "threads": None,
            "request_timeout_seconds": None,
            "max_body_mb": None,
        },
        port=80,
        env_vars={"GREETING": "hello", "LIMINAL_APP": "parrot", "LIMINAL_SERVICE": "parrot"},
        mounts=(
            MountPlan(volume="data", source=str(project / "data"), path="data", read_only=False),
        ),
        secrets=(
            SecretPlan(name="token", file=str(project / "token.txt"), remote_path="secrets/token"),
        ),
        resources=Resources(),
    )


def main() -> int:
    project, reference, *words = sys.argv[1:]
    port = int(words[words.index("--port") + 1]) if "--port" in words else 0
    plan = _plan(Path(project))
    machine = Machine(
        home=Home(Path(os.environ["LIMINAL_HOME"])),
        images={"docker": {"parrot": Container(name="parrot", reference=reference)}},
        engine="docker",
        environ=dict(os.environ),
        user_home=Path.home(),
    )
    told = Told(
        output=lambda line: print(line.decode(errors="replace"), end="", flush=True),
        ready=lambda url: print("\n".join(addresses(plan, url)), flush=True),
        notice=lambda text: print(text, flush=True),
    )
    try:
        run_service(plan, machine, discover(), ("127.0.0.1", port), now(), told)
    except LiminalError as problem:
        print(f"error: {problem.message}\n  hint: {problem.hint}", flush=True)
        return problem.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
