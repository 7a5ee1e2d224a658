"""``type: spark``: a Spark application, as a spark-submit command line in an image."""

import shlex
from collections.abc import Iterator, Mapping
from typing import ClassVar

from liminal.model import Deferred, Placeholder, Setting, Task, Text
from liminal.plugins import Schema
from liminal.steps import RunCommand


class Spark:
    """Runs spark-submit in the task's image."""

    properties: ClassVar[Mapping[str, Schema]] = {
        "application_source": {
            "description": "The application: a Python file or a jar, in the image or at a URL.",
            "type": "string",
            "minLength": 1,
            "examples": ["job.py"],
        },
        "class": {
            "description": "The main class of a jar; by default the one that its manifest names.",
            "type": "string",
            "minLength": 1,
            "examples": ["org.example.Job"],
        },
        "master": {
            "description": "The Spark master.",
            "type": "string",
            "default": "local[*]",
            "examples": ["yarn"],
        },
        "conf": {
            "description": "Spark's configuration; nested keys are joined with dots.",
            "type": "object",
            "default": {},
            "examples": [{"spark": {"executor": {"memory": "2g"}}}],
        },
        "application_arguments": {
            "description": "Arguments of the application: a list, or a map of flag to value.",
            "type": ["array", "object"],
            "default": [],
            "examples": [["--rows", "10"], {"--rows": "10"}],
        },
    }
    required: ClassVar[tuple[str, ...]] = ("image", "application_source")
    source_files: ClassVar[tuple[str, ...]] = ("application_source",)
    container: ClassVar[bool] = True

    def step(self, task: Task) -> RunCommand:
        """The spark-submit command line, each value quoted as one word."""
        settings = task.settings
        words: list[Setting] = ["spark-submit"]
        for flag, key in (("--class", "class"), ("--master", "master")):
            if key in settings:
                words += [flag, settings[key]]
        for name, value in sorted(_flat(settings.get("conf", {}))):
            words += ["--conf", _joined(name + "=", value)]
        words.append(settings.get("application_source", ""))
        words += list(_arguments(settings.get("application_arguments", ())))
        return RunCommand(command=_command(words))


def _flat(conf: Setting, prefix: str = "") -> Iterator[tuple[str, Setting]]:
    if not isinstance(conf, Mapping):
        yield prefix, conf
        return
    for key, value in conf.items():
        yield from _flat(value, f"{prefix}.{key}" if prefix else key)


def _arguments(arguments: Setting) -> Iterator[Setting]:
    if isinstance(arguments, Mapping):
        for flag, value in arguments.items():
            yield flag
            yield value
    elif isinstance(arguments, tuple):
        yield from arguments


def _joined(text: str, value: Setting) -> Text:
    if isinstance(value, Deferred):
        return Deferred((text, *value.parts))
    return text + _word(value)


def _word(value: Setting) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _command(words: list[Setting]) -> Text:
    """One shell command; literal text is quoted here, a placeholder's value at the run."""
    parts: list[object] = []
    for index, word in enumerate(words):
        if index:
            parts.append(" ")
        if isinstance(word, Deferred):
            parts += [
                shlex.quote(part) if isinstance(part, str) else Placeholder(part.expression, True)
                for part in word.parts
            ]
        else:
            parts.append(shlex.quote(_word(word)))
    if all(isinstance(part, str) for part in parts):
        return "".join(parts)  # type: ignore[arg-type]  # just checked
    return Deferred(tuple(parts))  # type: ignore[arg-type]  # strings and placeholders only
