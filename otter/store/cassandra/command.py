"""What ``otter-schema`` does. Everything here blocks."""

import json
from collections.abc import Callable, Mapping
from typing import Any

from attrs import evolve

from otter.store.cassandra.client import CannotConnect, Place
from otter.store.cassandra.schema import Migration

PATIENCE = 30.0
"""Seconds for one statement; changes of the schema take longer than what otter asks otherwise."""


def bring_up_to_date(place: Place, replication: str, dry_run: bool, say: Callable[[str], None]) -> None:
    """
    Make the tables that are missing, and the keyspace, if it is said how it is to be replicated; or say what would be made.

    :param replication: a JSON object, or "". :raises CannotConnect:
    """
    from otter.store.cassandra.driver import connect, plainly

    options = replication_in(replication) if replication else ""
    cluster, session = connect(evolve(place, timeout=PATIENCE))
    try:
        migration = Migration(cluster, session, place.keyspace, say, options)
        if dry_run:
            for statement in migration.plan() or ["-- nothing is missing"]:
                say(statement if statement.startswith("--") else f"{statement};")
        else:
            migration.run()
    except CannotConnect:
        raise
    except Exception as error:
        raise CannotConnect(f"Cassandra at {', '.join(place.hosts)} refuses: {plainly(error)}") from error
    finally:
        cluster.shutdown()


def replication_in(text: str) -> str:
    """As CQL has it. :raises CannotConnect: it is no JSON object of strings and numbers with a ``class``."""
    try:
        options: Mapping[str, Any] = json.loads(text)
    except ValueError:
        options = {}
    if not isinstance(options, dict) or not isinstance(options.get("class"), str):
        raise CannotConnect(f"--replication: must be a JSON object with a class, not {text}")
    if not all(isinstance(value, str | int) for value in options.values()):
        raise CannotConnect(f"--replication: must say strings and numbers, not {text}")
    return "{" + ", ".join(f"{quoted(name)}: {quoted(value)}" for name, value in options.items()) + "}"


def quoted(value: Any) -> str:
    return "'" + str(value).replace("'", "''") + "'"
