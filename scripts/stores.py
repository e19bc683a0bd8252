"""
``python -m scripts.stores FILE``: sees to a store of the kind that STORE names, and writes to FILE what otter's configuration says of it.

STORE is "sqlite" (a file in DATA) or "cassandra" (one node on loopback, docs/services.md; KEYSPACE names the keyspace).
"""

import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from otter.store.cassandra.client import CannotConnect, Place
from otter.store.cassandra.schema import Migration
from scripts.services.cluster import Cluster
from scripts.services.settings import Problem, settings_of

ONE_REPLICA = "{'class': 'SimpleStrategy', 'replication_factor': 1}"


def store_section(environ: Mapping[str, str]) -> dict[str, Any]:
    """What is configured below ``store``. :raises Problem, CannotConnect:"""
    match environ.get("STORE", "sqlite"):
        case "sqlite":
            return {"backend": "sqlite", "path": f"{environ['DATA']}/otter.sqlite"}
        case "cassandra":
            return on_loopback(environ, environ.get("KEYSPACE", "otter"))
        case other:
            raise Problem(f"STORE must be sqlite or cassandra, not {other!r}")


def on_loopback(environ: Mapping[str, str], keyspace: str) -> dict[str, Any]:
    """A node, started if need be, and the keyspace, brought up to date."""
    from otter.store.cassandra.driver import connect

    cluster = Cluster(settings_of(environ))
    cluster.up(1, ("cassandra",))
    found = cluster.environment()
    place = Place(found["CASSANDRA_HOSTS"].split(","), int(found["CASSANDRA_PORT"]), keyspace, timeout=30.0)
    connection, session = connect(place)
    try:
        Migration(connection, session, keyspace, say, ONE_REPLICA).run()
    finally:
        connection.shutdown()
    return {"backend": "cassandra", "hosts": list(place.hosts), "port": place.port, "keyspace": keyspace}


def say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def main() -> int:
    try:
        section = store_section(os.environ)
    except (Problem, CannotConnect) as problem:
        print(f"store: {problem}", file=sys.stderr)
        return 1
    Path(sys.argv[1]).write_text(json.dumps({"store": section}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
