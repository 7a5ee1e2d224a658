"""Placeholders at a run: what each stands for. Substitution, never evaluation. Pure."""

import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TypeVar

from liminal.model import Comparison, Condition, Deferred, Placeholder, Setting, Text
from liminal.plan.dag import TaskPlan
from liminal.runners.embedded.quoting import Fragment, Unquotable, command, plain
from liminal.steps import RunCommand

MAX_LENGTH = 1024 * 1024
"""Characters that a text may grow to: variables that refer to variables can double at each step."""

MAX_DEPTH = 100
"""Variables that may refer to each other in a row."""

_NAME = re.compile(r"[A-Za-z_][\w-]*(\.[\w-]+)*", re.ASCII)
_STATEMENT = re.compile(r"\{%.*?%\}", re.DOTALL)
_ONLY_NAMES = "is not a name: nothing is evaluated here"
_Comparable = TypeVar("_Comparable", float, str)
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)


class Unresolved(Exception):
    """A placeholder cannot be replaced.

    Attributes:
        placeholder: as it stands in the file.
    """

    def __init__(self, placeholder: str, why: str = "has no value") -> None:
        super().__init__(f"{placeholder} {why}")
        self.placeholder = placeholder


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """Where the values of a task's placeholders come from; the first that has a name wins.

    Attributes:
        supplied: ``--var``.
        copy: the variables of one of several copies of the task.
        task: the task's own variables.
        layer: those of the layer.
        params: name -> JSON Schema of the run's typed inputs.
        environ: the environment variables of the command.
        macros: the dates and the run's id.
        outputs: ``TASK.KEY`` -> what a task before this one has written.
        pending: ``TASK.KEY`` of what tasks before this one will have written.
        evaluate: what makes a value of all else that stands between braces, or None where nothing
            is evaluated; it raises `Unresolved`.
    """

    supplied: Mapping[str, str]
    copy: Mapping[str, str]
    task: Mapping[str, Text]
    layer: Mapping[str, Text]
    params: Mapping[str, Mapping[str, Setting]]
    environ: Mapping[str, str]
    macros: Mapping[str, str]
    outputs: Mapping[str, str]
    pending: frozenset[str] = frozenset()
    evaluate: Callable[[str], str] | None = None


def resolve(text: Text, scope: Scope) -> tuple[Fragment, ...]:
    """The text with a value for each placeholder.

    Raises:
        Unresolved: for the first that has none.
    """
    return tuple(_Resolver(scope).expand(text, ()))


def resolve_plain(text: Text, scope: Scope) -> str:
    """The text for where no shell reads it, such as an environment variable.

    Raises:
        Unresolved: a placeholder has no value.
    """
    return plain(resolve(text, scope))


def resolve_command(text: Text, scope: Scope) -> str:
    """The text for ``/bin/sh -c``: values of the file as written, values of the run as one word.

    Raises:
        Unresolved: a placeholder has no value, or stands where it cannot be quoted.
    """
    fragments = resolve(text, scope)
    try:
        return command(fragments)
    except Unquotable as problem:
        placeholders = text.parts if not isinstance(text, str) else ()
        shown = [
            f"{{{{ {part.expression} }}}}" for part in placeholders if not isinstance(part, str)
        ]
        why = f'after {problem} a value cannot be quoted safely: use env_vars and "$NAME" in cmd'
        raise Unresolved(", ".join(dict.fromkeys(shown)), why) from problem


def holds(condition: Condition, scope: Scope) -> bool:
    """Whether the comparison is true: of numbers where both sides are numbers, else of texts.

    Raises:
        Unresolved: a placeholder has no value.
    """
    texts = resolve_plain(condition.left, scope), resolve_plain(condition.right, scope)
    if all(_NUMBER.fullmatch(text.strip()) for text in texts):
        left, right = (float(text) for text in texts)
        return _compare(left, right, condition.operator)
    return _compare(texts[0], texts[1], condition.operator)


def unresolved(task: TaskPlan, scope: Scope) -> tuple[Unresolved, ...]:
    """All that has no value in what the task is made of, each once."""
    found: dict[str, Unresolved] = {}
    for text in _texts(task):
        parts: Iterable[Text] = (text,) if isinstance(text, str) else map(_alone, text.parts)
        for part in parts:
            try:
                resolve(part, scope)
            except Unresolved as problem:
                found.setdefault(problem.placeholder, problem)
    if not found and isinstance(task.step, RunCommand):
        try:
            resolve_command(task.step.command, scope)
        except Unresolved as problem:
            found[problem.placeholder] = problem
    return tuple(found.values())


def used(task: TaskPlan) -> frozenset[str]:
    """The placeholders that stand in what the task is made of."""
    texts = (*_texts(task), *task.variables.values())
    return frozenset[str]().union(*map(placeholders, texts))


def placeholders(text: Text) -> frozenset[str]:
    """The placeholders that stand in the text."""
    if isinstance(text, str):
        return frozenset()
    return frozenset(part.expression for part in text.parts if not isinstance(part, str))


def _texts(task: TaskPlan) -> tuple[Text, ...]:
    texts: list[Text] = []
    if isinstance(task.step, RunCommand):
        texts.append(task.step.command)
    if task.container is not None:
        texts += task.container.env_vars.values()
    if task.when is not None:
        texts += (task.when.left, task.when.right)
    return tuple(texts)


def _alone(part: str | Placeholder) -> Text:
    return part if isinstance(part, str) else Deferred((part,))


def _compare(left: _Comparable, right: _Comparable, operator: Comparison) -> bool:
    match operator:
        case Comparison.EQUAL:
            return left == right
        case Comparison.NOT_EQUAL:
            return left != right
        case Comparison.LESS:
            return left < right
        case Comparison.LESS_OR_EQUAL:
            return left <= right
        case Comparison.GREATER:
            return left > right
        case Comparison.GREATER_OR_EQUAL:
            return left >= right


@dataclass(frozen=True, slots=True)
class _Resolver:
    scope: Scope

    def expand(self, text: Text, trail: tuple[str, ...]) -> list[Fragment]:
        """The fragments of the text; `trail` are the variables that led to it."""
        if len(trail) > MAX_DEPTH:
            raise Unresolved(
                _shown(trail[0]), "has no value: variables refer to each other without end"
            )
        fragments: list[Fragment] = []
        length = 0
        for part in (text,) if isinstance(text, str) else text.parts:
            found = self._literal(part) if isinstance(part, str) else self._look_up(part, trail)
            if isinstance(part, Placeholder) and part.word:
                found = _supplied(plain(found))  # quoted like a value of the run
            fragments += found
            length += sum(len(fragment.text) for fragment in found)
            if length > MAX_LENGTH:
                raise Unresolved(str(text)[:80], f"grows to more than {MAX_LENGTH} characters")
        return fragments

    def _literal(self, text: str) -> list[Fragment]:
        if statement := _STATEMENT.search(text):
            raise Unresolved(statement[0], _ONLY_NAMES)
        return [Fragment(text, supplied=False)]

    def _look_up(self, placeholder: Placeholder, trail: tuple[str, ...]) -> list[Fragment]:
        scope, name = self.scope, placeholder.expression
        if not _NAME.fullmatch(name):
            if scope.evaluate is not None:
                return _supplied(scope.evaluate(name))
            raise Unresolved(_shown(name), _ONLY_NAMES)
        if name in scope.supplied:
            return _supplied(scope.supplied[name])
        if name in scope.copy:
            return [Fragment(scope.copy[name], supplied=False)]
        # A variable that names itself means the one further out, as in PATH="$PATH:…".
        for level, texts in (("task", scope.task), ("layer", scope.layer)):
            step = f"{level}:{name}"
            if name in texts and step not in trail:
                return self.expand(texts[name], (*trail, step))
        return self._of_the_run(name, trail)

    def _of_the_run(self, name: str, trail: tuple[str, ...]) -> list[Fragment]:
        scope = self.scope
        if "default" in scope.params.get(name, {}):
            return _supplied(_as_text(scope.params[name]["default"]))
        for known in (scope.environ, scope.macros):
            if name in known:
                return _supplied(known[name])
        first, _, rest = name.partition(".")
        if first == "tasks":
            return self._output(name, rest)
        if first == "params" and rest:
            # Airflow's params are the layer's variables too; here they are values of the run.
            return _supplied(plain(self._look_up(Placeholder(rest), (*trail, name))))
        if name.startswith("dag_run.conf."):
            asked = name.removeprefix("dag_run.conf.")
            if asked in scope.supplied:
                return _supplied(scope.supplied[asked])
            raise Unresolved(_shown(name), f"has no value: give it with --var {asked}=VALUE")
        if scope.evaluate is not None:
            return _supplied(scope.evaluate(name))
        raise Unresolved(_shown(name))

    def _output(self, name: str, output: str) -> list[Fragment]:
        if output in self.scope.outputs:
            return _supplied(self.scope.outputs[output])
        if output in self.scope.pending:
            return _supplied(_shown(name))
        task, _, key = output.partition(".")
        why = f'has no value: there is no output "{key}" of a task "{task}" to read'
        raise Unresolved(_shown(name), why)


def _supplied(text: str) -> list[Fragment]:
    return [Fragment(text, supplied=True)]


def _as_text(value: Setting) -> str:
    """The value as Airflow's templates write it."""
    if isinstance(value, Mapping | tuple):
        return json.dumps(value, default=str)
    return str(value)


def _shown(name: str) -> str:
    return f"{{{{ {name} }}}}"
