"""Lies about lists: a list of servers or nodes, changed. Documents that hold no such list stay as they are."""

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

LISTS = ("servers", "nodes")
NAMES = ("id", "name", "address")


def hidden(document: Any, entries: re.Pattern) -> Any:
    """Without the ``entries``."""
    return edited(document, lambda entry: [] if is_meant(entry, entries) else [entry])


def duplicated(document: Any, entries: re.Pattern) -> Any:
    """With the ``entries`` twice, one after the other."""
    return edited(document, lambda entry: [entry, entry] if is_meant(entry, entries) else [entry])


def relabelled(document: Any, entries: re.Pattern, added: Mapping[str, str], removed: Iterable[str]) -> Any:
    """With other metadata on the ``entries``."""

    def relabel(entry: dict) -> list[dict]:
        if not is_meant(entry, entries):
            return [entry]
        kept = {key: value for key, value in entry.get("metadata", {}).items() if key not in removed}
        return [{**entry, "metadata": {**kept, **added}}]

    return edited(document, relabel)


def edited(document: Any, replace: Callable[[dict], list[dict]]) -> Any:
    """Each entry gives way to what ``replace`` makes of it. Paging links stay."""
    if not isinstance(document, dict):
        return document
    return {
        key: [new for old in value for new in replace(old)] if key in LISTS and isinstance(value, list) else value
        for key, value in document.items()
    }


def is_meant(entry: Mapping[str, Any], entries: re.Pattern) -> bool:
    return any(entries.fullmatch(str(entry[name])) for name in NAMES if name in entry)
