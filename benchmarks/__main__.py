"""``python -m benchmarks [name ...]``"""

import argparse
import signal
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks import (
    cassandra,
    creates,
    growth,
    hints,
    memory,
    passes,
    planning,
    reaction,
    rest,
    scale_out,
    schedules,
    webhooks,
)
from benchmarks.figures import Figure, table

MEASURES = {
    "webhooks": webhooks.measure,
    "rest": rest.measure,
    "reaction": reaction.measure,
    "planning": planning.measure,
    "scale_out": scale_out.measure,
    "creates": creates.measure,
    "passes": passes.measure,
    "memory": memory.measure,
    "schedules": schedules.measure,
    "cassandra": cassandra.measure,
}
ON_SERVERS = {"hints": hints.measure, "growth": growth.measure}
"""They start a real Cassandra and a real ZooKeeper (docs/services.md), and are measured only if they are named."""


def main() -> None:
    parser = argparse.ArgumentParser("python -m benchmarks", description="Measures the figures of docs/figures.md.")
    known = MEASURES | ON_SERVERS
    words = f"of {', '.join(known)}; all but {' and '.join(ON_SERVERS)} if none is given"
    parser.add_argument("names", nargs="*", metavar="name", help=words)
    names = parser.parse_args().names or list(MEASURES)
    if unknown := set(names) - known.keys():
        parser.error(f"no such figure: {', '.join(sorted(unknown))}")

    signal.signal(signal.SIGTERM, signal.default_int_handler)  # so that what was started is ended, too
    figures: list[Figure] = []
    with TemporaryDirectory(prefix="otter-benchmarks-") as folder:
        for name in names:
            figures += known[name](Path(folder) / name)
            print()
    print(table(figures))


if __name__ == "__main__":
    main()
