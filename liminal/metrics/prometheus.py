"""Metrics pushed to a Prometheus Pushgateway."""

import base64
from collections.abc import Mapping
from typing import ClassVar
from urllib.parse import SplitResult, quote, unquote, urlsplit

from liminal.model import Setting
from liminal.plugins import Schema

TIMEOUT_SECONDS = 10


class Prometheus:
    """The metrics backend of type ``prometheus``: gauges, grouped by job and pipeline.

    Source: github.com/prometheus/pushgateway 1.11, README, "API".
    """

    properties: ClassVar[Mapping[str, Schema]] = {
        "url": {
            "description": "Where the Pushgateway answers.",
            "type": "string",
            "pattern": r"^(https?://|\{\{)",
            "patternErrorMessage": "an address begins with http:// or https://",
            "examples": ["http://pushgateway.example.com:9091"],
        },
    }
    required: ClassVar[tuple[str, ...]] = ("url",)

    def report(
        self,
        name: str,
        value: float,
        dimensions: Mapping[str, str],
        settings: Mapping[str, Setting],
    ) -> None:
        """Replaces one metric in the group of its job and dimensions, and no other metric.

        Raises:
            OSError: the Pushgateway cannot be reached, or refuses.
        """
        # Not above: `liminal validate` reads the properties of each type, and these cost 20 ms.
        import http.client
        import urllib.error
        import urllib.request

        url = urlsplit(str(settings.get("url", "")))
        if url.scheme not in ("http", "https"):
            raise OSError("the address of a Pushgateway begins with http:// or https://")
        labels = [("job", "liminal"), *sorted(dimensions.items())]
        group = "/".join(_label(key, text) for key, text in labels)
        host = url.netloc.rpartition("@")[2]
        request = urllib.request.Request(  # noqa: S310 - the scheme is checked above
            f"{url.scheme}://{host}{url.path.rstrip('/')}/metrics/{group}",
            data=f"# TYPE {name} gauge\n{name} {value:g}\n".encode(),
            headers={"Content-Type": "text/plain; version=0.0.4", **_credentials(url)},
            method="POST",
        )
        try:
            urllib.request.urlopen(request, timeout=TIMEOUT_SECONDS).close()  # noqa: S310 - same
        except urllib.error.HTTPError as problem:
            with problem:
                said = problem.read(200).decode("utf-8", "replace").strip()
            raise OSError(f"{host} answered {problem.code} {problem.reason}: {said}") from problem
        except (http.client.HTTPException, ValueError) as problem:
            raise OSError(f"{host} does not speak HTTP: {problem!r}") from problem


def _label(key: str, text: str) -> str:
    """A label of the group, as a part of the path; base64 where a slash would cut it in two."""
    if "/" not in text and text:
        return f"{key}/{quote(text, safe='')}"
    encoded = base64.urlsafe_b64encode(text.encode()).decode() or "="
    return f"{key}@base64/{encoded}"


def _credentials(url: SplitResult) -> dict[str, str]:
    """The header for a user and password in the address, which must not reach a message."""
    if url.username is None:
        return {}
    pair = f"{unquote(url.username)}:{unquote(url.password or '')}"
    return {"Authorization": f"Basic {base64.b64encode(pair.encode()).decode()}"}
