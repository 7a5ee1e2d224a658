"""The containers that a killed run left on an engine."""

from liminal.images.engines.docker.client import EngineProblem, connected, explained
from liminal.runners import Abandoned, Machine, Recovered
from liminal.runners.docker.life import remove_container


def remove_abandoned(abandoned: Abandoned, machine: Machine) -> Recovered:
    """Remove what the attempts left, on the engines that they ran on."""
    done: list[str] = []
    left: list[str] = []
    for engine in dict.fromkeys(record.get("engine") for record in abandoned.records):
        # The user may have chosen another engine since.
        environ = {**machine.environ, **({"DOCKER_HOST": str(engine)} if engine else {})}
        try:
            with connected(environ) as client:
                labels = [
                    f"liminal.home={machine.home.path}",
                    f"liminal.run={abandoned.run.name}",
                    f"liminal.pipeline={abandoned.run.parent.name}",
                ]
                with explained("the containers could not be listed"):
                    found = client.api.containers(all=True, filters={"label": labels})
                # One that is being removed may have no name any more.
                named = sorted(((one.get("Names") or [one["Id"]])[0], one["Id"]) for one in found)
                for name, id in named:
                    remove_container(client.api, id)
                    done.append(f'removed container "{name.lstrip("/")}"')
        except EngineProblem as problem:
            left.append(problem.message)
    return Recovered(done=tuple(done), left=tuple(left))
