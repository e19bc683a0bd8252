"""
Real Cassandra and ZooKeeper on loopback: one node of each, or three.

  up [--nodes 1|3] [--only KIND]   fetch the jars if needed, start, wait until usable; may be repeated
  status                           each node's state, process, memory and role
  kill NODE...                     SIGKILL
  pause NODE...                    SIGSTOP: connections stay open, and nobody answers
  resume NODE...                   SIGCONT
  stop NODE...                     SIGTERM, and wait
  start NODE...                    start it again, or resume it, and wait until it answers
  env                              where they are, as shell exports
  down [--wipe]                    stop all; --wipe: at once, and forget their data and logs
  install                          fetch the jars if needed, and print their folder
  missing                          print the Debian packages that are needed and not here

A NODE is cassandra-1 to cassandra-3, or zookeeper-1 to zookeeper-3. Settings: OTTER_SERVICES_..., see docs/services.md.
"""

import argparse
import os
import signal
import sys
from collections.abc import Callable, Sequence

from scripts.services.cluster import KINDS, Cluster
from scripts.services.jars import install, missing_packages
from scripts.services.settings import Problem, settings_of

Arguments = argparse.Namespace


def parser() -> argparse.ArgumentParser:
    top = argparse.ArgumentParser(
        prog="services", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = top.add_subparsers(dest="command", required=True, metavar="COMMAND", help=argparse.SUPPRESS)
    up = commands.add_parser("up")
    up.add_argument("--nodes", type=int, choices=(1, 3), default=1)
    up.add_argument("--only", choices=tuple(KINDS))
    commands.add_parser("down").add_argument("--wipe", action="store_true")
    for name in ("kill", "pause", "resume", "stop", "start"):
        commands.add_parser(name).add_argument("node", nargs="+")
    for name in ("status", "env", "install", "missing"):
        commands.add_parser(name)
    return top


def up(cluster: Cluster, arguments: Arguments) -> None:
    cluster.up(arguments.nodes, (arguments.only,) if arguments.only else tuple(KINDS))


def down(cluster: Cluster, arguments: Arguments) -> None:
    cluster.down(arguments.wipe)


def start(cluster: Cluster, arguments: Arguments) -> None:
    cluster.start(arguments.node)


def ending(number: signal.Signals) -> Callable[[Cluster, Arguments], None]:
    def end(cluster: Cluster, arguments: Arguments) -> None:
        for node in cluster.named(arguments.node):
            node.process.end(number)

    return end


def sending(number: signal.Signals) -> Callable[[Cluster, Arguments], None]:
    def send(cluster: Cluster, arguments: Arguments) -> None:
        for node in cluster.named(arguments.node):
            node.process.send(number)

    return send


def status(cluster: Cluster, arguments: Arguments) -> None:
    print(*laid_out(cluster).status(), sep="\n")


def env(cluster: Cluster, arguments: Arguments) -> None:
    print(*(f"export {name}={value}" for name, value in laid_out(cluster).environment().items()), sep="\n")


def laid_out(cluster: Cluster) -> Cluster:
    """:raises Problem: there are no nodes."""
    if not cluster.nodes:
        raise Problem(f"there is nothing in {cluster.settings.data}; `up` first")
    return cluster


def fetch(cluster: Cluster, arguments: Arguments) -> None:
    print(install(cluster.settings))


def missing(cluster: Cluster, arguments: Arguments) -> None:
    print(*missing_packages(cluster.settings))


COMMANDS: dict[str, Callable[[Cluster, Arguments], None]] = {
    "up": up,
    "down": down,
    "start": start,
    "kill": ending(signal.SIGKILL),
    "stop": ending(signal.SIGTERM),
    "pause": sending(signal.SIGSTOP),
    "resume": sending(signal.SIGCONT),
    "status": status,
    "env": env,
    "install": fetch,
    "missing": missing,
}


def main(words: Sequence[str]) -> int:
    arguments = parser().parse_args(words)
    try:
        COMMANDS[arguments.command](Cluster(settings_of(os.environ)), arguments)
    except Problem as problem:
        print(f"services: {problem}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
