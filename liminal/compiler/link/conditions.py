"""``when``: a comparison -> Condition."""

import re

from liminal.compiler.link.context import Context
from liminal.compiler.nodes import Map
from liminal.compiler.variables import is_name, text
from liminal.model import Comparison, Condition, Deferred, Placeholder, Text

_OPERATOR = re.compile(r"(==|!=|<=|>=|<|>)")
_QUOTED = re.compile(r"""'([^']*)'|"([^"]*)\"""")


def condition(task: Map, context: Context) -> Condition | None:
    """The task's condition: two operands, each a placeholder, a dotted name, a number or text."""
    written = task.string("when")
    if written is None:
        return None
    sides = _OPERATOR.split(written.strip())
    if len(sides) != 3 or not sides[0].strip() or not sides[2].strip():
        context.error(
            "bad-condition",
            f'"when" of task "{task.text("task")}" is not a comparison: "{written}"',
            task.at("when"),
            "for example: {{ tasks.check.accuracy }} > 0.9",
        )
        return None
    left, right = _operand(sides[0]), _operand(sides[2])
    if isinstance(left, str) and isinstance(right, str):
        names = [name for name in (left, right) if name in context.variables]
        name = names[0] if names else left
        hint = f"a variable stands in braces: {{{{ {name} }}}}" if is_name(name) else None
        message = f'"{written}" compares two fixed texts, and is always the same'
        context.warning("constant-condition", message, task.at("when"), hint)
    return Condition(left=left, operator=Comparison(sides[1]), right=right)


def _operand(written: str) -> Text:
    written = written.strip()
    quoted = _QUOTED.fullmatch(written)
    if quoted:
        return text(quoted[1] if quoted[1] is not None else quoted[2])
    if "." in written and is_name(written):
        return Deferred((Placeholder(written),))
    return text(written)
