"""What a type asks of its keys beyond what a schema says: its attributes, as data.

A type of task or executor may have `one_of`, tuples of keys of which an entry has exactly one; a
type of task may have `files` and `source_files`, keys that name a file beside the liminal.yml and
in the source of the task's image.
"""

from liminal.compiler.link.context import Context
from liminal.compiler.link.files import check_file, check_source_file
from liminal.compiler.nodes import Map
from liminal.suggest import misspelt


def check_keys(entry: Map, what: str, type_: object, context: Context) -> None:
    """Adds a finding for each key, or choice of keys, that is not as the type wants it.

    Args:
        entry: complete with defaults.
        what: the entry in words, like ``task "train"``.
        type_: the plug-in.
        context: where findings go.
    """
    if context.is_full:
        return
    for choice in getattr(type_, "one_of", ()):
        _check_choice(entry, what, choice, context)
    for key in getattr(type_, "files", ()):
        check_file(entry, key, context)
    for key in getattr(type_, "source_files", ()):
        check_source_file(entry, key, context)


def _check_choice(entry: Map, what: str, choice: tuple[str, ...], context: Context) -> None:
    given = [key for key in choice if key in entry]
    if not given and any(misspelt(key, entry) for key in choice):
        return
    if not given:
        listed = " or ".join(f'"{key}"' for key in choice)
        context.error("missing-key", f"{what} has no {listed}", entry.origin, "add one of them")
    elif len(given) > 1:
        listed = " and ".join(f'"{key}"' for key in given)
        message = f"{what} has both {listed}"
        context.error("several-of-one", message, entry.at_key(given[1]), "keep one of them")
