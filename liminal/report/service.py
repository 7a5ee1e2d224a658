"""A running service -> how to ask it something."""

import shlex
from collections.abc import Iterator

from liminal.plan.services import ServicePlan


def addresses(plan: ServicePlan, url: str) -> Iterator[str]:
    """Where the service answers, and a command line to paste for each endpoint."""
    yield "Ask it for example:"
    for endpoint in plan.configuration["endpoints"]:
        target = shlex.quote(url + endpoint["endpoint"])
        body = "" if endpoint["methods"] == ["GET"] else " --data '{}'"
        yield f"  curl{body} {target}"
    yield f"{plan.service} answers on {url}; Ctrl-C stops it"
