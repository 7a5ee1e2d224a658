"""Writes docs/reference.md: docs/reference-intro.md, and a table of each section's keys.

The tables come from the JSON Schema with the types that are installed (`liminal schema`).
"""

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from liminal.compiler.schema import compose
from liminal.plugins import Plugins, discover

DOCS = Path(__file__).resolve().parent.parent / "docs"
PAGE = DOCS / "reference.md"
INTRO = DOCS / "reference-intro.md"
CONTENTS = "<!-- contents -->"
OPERATORS = {"kubernetes": "KubernetesPodOperator", "docker": "DockerOperator"}
"""Executors that take any argument of an operator of Airflow: a line instead of a long table."""

Schema = Mapping[str, Any]


def main() -> None:
    """Writes the page."""
    PAGE.write_text(page(), encoding="utf-8")


def page() -> str:
    """The text of the whole page."""
    tables = "\n\n".join(Reference(discover()).parts())
    intro = INTRO.read_text(encoding="utf-8").strip()
    contents = "\n".join(_contents(f"{intro}\n\n{tables}"))
    warning = "<!-- `make reference` writes this page; edit reference-intro.md or the schema. -->"
    return f"{warning}\n\n{intro.replace(CONTENTS, contents)}\n\n{tables}\n"


class Reference:
    """The tables of the schema with the types of the plug-ins."""

    def __init__(self, plugins: Plugins) -> None:
        self._plugins = plugins
        self._schema: Schema = compose(plugins)
        self._defs: Schema = self._schema["$defs"]

    def parts(self) -> Iterator[str]:
        """Headings, sentences and tables in the order of the page."""
        yield "## Keys of the file"
        yield self._table(self._schema["properties"], self._schema["required"], nested=False)
        yield from self._images()
        yield from self._pipelines()
        yield from self._tasks()
        yield from self._shared()
        yield "## services"
        yield "An entry may also have each key of its [image](#images), as its short form."
        yield self._section(
            "service", without=self._image_keys() - {"type", "env_vars", "endpoints"}
        )
        yield from self._executors()
        yield from self._storage()
        yield from self._monitoring()
        yield from self._defaults()

    def _images(self) -> Iterator[str]:
        yield "## images"
        first = {"image": self._defs["image"]["properties"]["image"]}
        yield self._table({**first, **self._properties("image_keys")}, ["image"])
        shared = {*first, *self._keys("image_keys")}
        for name, own in self._types("image"):
            missing = [f"`{key}`" for key in self._keys("image_keys") if key not in own]
            yield f"### image: {name}"
            if missing:
                yield f"Does not have {', '.join(missing)}."
            yield self._own(own, shared)

    def _pipelines(self) -> Iterator[str]:
        passed_on = self._keys("operator_keys")
        yield "## pipelines"
        yield "Also each [key for Airflow](#keys-for-airflow), as a default of the tasks."
        yield self._section("pipeline", without=passed_on)
        yield "## Keys for Airflow"
        yield "Of tasks and pipelines; `liminal run` has no use for them."
        yield self._section("operator_keys")

    def _tasks(self) -> Iterator[str]:
        yield "## tasks"
        yield "Also each [key for Airflow](#keys-for-airflow)."
        common = self._properties("task_keys")
        passed_on = self._keys("operator_keys")
        yield self._table(_without(common, passed_on), self._defs["task"]["required"])
        container = self._properties("container_keys")
        in_images = self._image_keys()
        names = [f"`{name}`" for name, own in self._types("task") if "image" in own]
        yield "### Keys of tasks in an image"
        yield (
            f"Of the types {' and '.join(names)}. With `source`, a task may also have each key"
            " of its [image](#images), as its short form."
        )
        yield self._table(_without(container, in_images))
        for name, own in self._types("task"):
            yield f"### task: {name}"
            needed = self._needed("liminal.tasks", name)
            inherited = [f"`{key}`" for key in container if key in needed]
            if inherited:
                yield f"Must have {' and '.join(inherited)}, its own or of `task_defaults`."
            yield self._own(own, {*common, *container}, needed)

    def _shared(self) -> Iterator[str]:
        for title, name in (
            ("An entry of mounts", "mount"),
            ("An entry of a task's or service's secrets", "secret_mount"),
            ("An entry of endpoints", "endpoint"),
        ):
            yield f"### {title}"
            yield self._section(name)

    def _executors(self) -> Iterator[str]:
        yield "## executors"
        yield self._section("executor_keys", self._defs["executor"]["required"])
        for name, own in self._types("executor"):
            yield f"### executor: {name}"
            if name in OPERATORS:
                yield f"Any argument of Airflow's `{OPERATORS[name]}`; `liminal schema` lists them."
            else:
                yield self._own(own, self._keys("executor_keys"))

    def _storage(self) -> Iterator[str]:
        ours = ("volume", "local", "claim_name")
        volume = self._properties("volume")
        others = [f"`{key}`" for key in volume if key not in ours]
        yield "## volumes"
        yield self._table({key: volume[key] for key in ours}, self._defs["volume"]["required"])
        yield f"Or, for Kubernetes only, one of its own kinds of volume: {', '.join(others)}."
        yield "## secrets"
        yield self._section("secret")

    def _monitoring(self) -> Iterator[str]:
        yield "## monitoring"
        yield self._section("monitoring")
        for kind, title in (("metrics_backend", "metrics"), ("alerts_backend", "alerts")):
            yield f"### An entry of {kind}s"
            yield self._section(f"{kind}_keys", self._defs[kind]["required"])
            for name, own in self._types(kind):
                yield f"### {title}: {name}"
                needed = self._needed(f"liminal.{title}", name)
                yield self._own(own, self._keys(f"{kind}_keys"), needed)

    def _defaults(self) -> Iterator[str]:
        yield "## Defaults"
        yield (
            "`task_defaults.TYPE` has the keys of a [task](#tasks) of that type, `service_defaults`"
            " those of a [service](#services), and `pipeline_defaults` those of a"
            " [pipeline](#pipelines), and these:"
        )
        own = _without(self._properties("pipeline_defaults"), self._keys("pipeline_keys"))
        yield self._table(own)
        yield "### The entry of type pipeline"
        yield self._section("pipeline_marker")

    def _image_keys(self) -> set[str]:
        """The keys of any type of image, which a short form may have."""
        return {key for _, own in self._types("image") for key in own} - {"image"}

    def _types(self, kind: str) -> Iterator[tuple[str, Schema]]:
        """Each type of the kind, with the schemas of all its keys."""
        for name in self._defs:
            if name.startswith(f"{kind}."):
                yield name.removeprefix(f"{kind}."), self._properties(name)

    def _needed(self, group: str, name: str) -> Collection[str]:
        types: Mapping[str, Any] = dict(self._plugins.loadable(group))
        needed: Collection[str] = getattr(types[name], "required", ())
        return needed

    def _own(
        self, properties: Schema, shared: Collection[str], needed: Collection[str] = ()
    ) -> str:
        own = _without(properties, shared)
        return self._table(own, needed) if own else "Has no keys of its own."

    def _section(
        self, name: str, required: Iterable[str] | None = None, without: Collection[str] = ()
    ) -> str:
        definition = self._defs[name]
        wanted = definition.get("required", ()) if required is None else required
        return self._table(_without(self._properties(name), without), wanted)

    def _properties(self, name: str) -> Schema:
        properties: Schema = self._defs[name]["properties"]
        return properties

    def _keys(self, name: str) -> list[str]:
        return list(self._properties(name))

    def _table(
        self, properties: Schema, required: Iterable[str] = (), *, nested: bool = True
    ) -> str:
        head = ["| key | meaning | default | example |", "| --- | --- | --- | --- |"]
        return "\n".join([*head, *self._rows(properties, set(required), "", nested)])

    def _rows(
        self, properties: Schema, required: Collection[str], under: str, nested: bool
    ) -> Iterator[str]:
        for key, written in properties.items():
            rule = self._followed(written)
            example = rule["examples"][0] if rule.get("examples") else None
            cells = (
                _code(f"{under}{key}"),
                _meaning(rule),
                "*required*" if key in required else _value(rule.get("default")),
                _value(example),
            )
            yield f"| {' | '.join(cells)} |"
            if nested:
                inner = rule.get("properties", {})
                yield from self._rows(inner, rule.get("required", ()), f"{under}{key}.", nested)

    def _followed(self, rule: Schema) -> Schema:
        """The rule with what its reference leads to; what stands beside the reference wins."""
        if "$ref" not in rule:
            return rule
        found: Any = self._schema
        for part in rule["$ref"].removeprefix("#/").split("/"):
            found = found[part]
        return {**self._followed(found), **{k: v for k, v in rule.items() if k != "$ref"}}


def _contents(text: str) -> Iterator[str]:
    for title in re.findall(r"^## (.+)$", text, re.MULTILINE):
        anchor = re.sub(r"[^a-z0-9 _-]", "", title.lower()).replace(" ", "-")
        yield f"- [{title}](#{anchor})"


def _without(properties: Schema, keys: Collection[str]) -> Schema:
    return {key: rule for key, rule in properties.items() if key not in keys}


def _meaning(rule: Schema) -> str:
    words = rule.get("description", "").replace("|", r"\|")
    if "enum" in rule:
        words += f" One of {', '.join(_value(choice) for choice in rule['enum'])}."
    return words


def _value(value: object) -> str:
    if value is None or value == "":
        return "—"
    text = yaml.safe_dump(
        value, default_flow_style=True, allow_unicode=True, sort_keys=False, width=10**6
    )
    return _code(text.removesuffix("...\n").strip())


def _code(text: str) -> str:
    return f"`{text}`".replace("|", r"\|")


if __name__ == "__main__":
    main()
