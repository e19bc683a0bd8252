"""
Lies about lists: a list of servers, nodes or pools, changed. Documents that hold no such list stay as they are.

Nova and CLB have their lists in an object, RackConnect answers with the bare list.
"""

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

    def edited_list(entries: list) -> list:
        return [new for old in entries for new in (replace(old) if isinstance(old, dict) else [old])]

    match document:
        case list():
            return edited_list(document)
        case dict():
            lists = {key: value for key, value in document.items() if key in LISTS and isinstance(value, list)}
            return document | {key: edited_list(value) for key, value in lists.items()}
        case _:
            return document


def is_meant(entry: Mapping[str, Any], entries: re.Pattern) -> bool:
    return any(entries.fullmatch(name) for name in names_of(entry))


def names_of(entry: Mapping[str, Any]) -> list[str]:
    """What it may be meant by. A node of a pool has the id of its server instead of an address."""
    server = entry.get("cloud_server")
    inner = [server["id"]] if isinstance(server, dict) and "id" in server else []
    return [str(name) for name in [*(entry[key] for key in NAMES if key in entry), *inner]]
