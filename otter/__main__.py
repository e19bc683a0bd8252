"""``python -m otter``: run otter in the foreground, or check a configuration. ``otter-store``, ``otter-schema``: look after the store."""

import argparse
import os
import sys
from collections.abc import Awaitable, Callable, Coroutine
from functools import partial
from pathlib import Path
from time import time
from typing import Any

from twisted.python.failure import Failure
from twisted.python.usage import UsageError

from otter.config import (
    ConfigError,
    StoreBackend,
    StoreConfig,
    laid_over,
    load_config,
    password_of,
    read,
    read_json,
    refuse_unusable_store,
)
from otter.domain.errors import StoreUnavailable
from otter.domain.hold import Hold
from otter.store import moving
from otter.store.cassandra.client import CannotConnect
from otter.store.cassandra.moving import CassandraMoving, to_move
from otter.store.sqlite import files, holds
from otter.store.sqlite.database import CannotOpen
from otter.store.sqlite.moving import to_export, to_import


def main() -> None:
    parser = argparse.ArgumentParser("python -m otter", description="An autoscaler for OpenStack-like clouds.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    run = commands.add_parser("run", help="run in the foreground, log on standard output, until SIGTERM")
    run.add_argument("--config", "-c", action="append", metavar="FILE", help="each is laid over the one before")
    run.set_defaults(do=run_otter)
    config = commands.add_parser("config", help="about configurations").add_subparsers(required=True, metavar="COMMAND")
    check = config.add_parser("check", help="say whether otter would start with these files, each laid over the last")
    check.add_argument("files", nargs="+", metavar="FILE")
    check.set_defaults(do=check_config)
    arguments = parser.parse_args()
    arguments.do(arguments)


def run_otter(arguments: argparse.Namespace) -> None:
    from twisted.internet import reactor
    from twisted.logger import globalLogBeginner

    from otter.daemon import Options
    from otter.logs.json_lines import observer

    globalLogBeginner.beginLoggingTo([observer()], redirectStandardIO=False)
    options = Options()
    options.paths = arguments.config or []
    try:
        service = options.make_service(reactor)
    except UsageError as error:
        sys.exit(f"otter: {error}")
    service.startService()
    reactor.addSystemEventTrigger("before", "shutdown", service.stopService)
    reactor.run()


def check_config(arguments: argparse.Namespace) -> None:
    try:
        password_of(load_config(arguments.files, os.environ).identity, os.environ)
    except ConfigError as error:
        sys.exit(f"otter: {error}")
    print("The configuration is good.")


def store() -> None:
    """What the command ``otter-store`` calls."""
    sys.stdout.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    arguments = store_parser().parse_args()
    try:
        print(arguments.do(arguments))
    except (CannotOpen, CannotConnect, ConfigError, moving.CannotMove) as error:
        sys.exit(f"otter-store: {error}; nothing was done")
    except (StoreUnavailable, moving.Unfinished) as error:
        sys.exit(f"otter-store: {error}")


def store_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("otter-store", description="Looks after otter's store.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    backup = commands.add_parser("backup", help="copy the store, also while otter is running")
    backup.add_argument("store", type=Path, help="the store's file (store.path of the configuration)")
    backup.add_argument("target", type=Path, help="the new file; it must not exist")
    backup.set_defaults(do=back_up)
    restore = commands.add_parser("restore", help="put a copy in the place of a store that is not there any more")
    restore.add_argument("backup", type=Path, help="what backup has made")
    restore.add_argument("store", type=Path, help="the store's file; it must not exist")
    restore.set_defaults(do=restore_backup)
    changes: dict[str, tuple[Callable, Callable, str]] = {
        "hold": (holds.hold, CassandraMoving.hold, "change nothing in the cloud"),
        "release": (holds.release, CassandraMoving.release, "end what hold began"),
    }
    for name, (change, cassandra_change, meaning) in changes.items():
        command = commands.add_parser(name, help=f"{meaning}, also while otter is running")
        command.add_argument("tenant", nargs="?", type=tenant_id, help="its id; without one, everything")
        command.set_defaults(do=partial(change_holds, change, cassandra_change))
        add_place(command)
    held = commands.add_parser("held", help="say what is held")
    held.set_defaults(do=say_holds)
    add_place(held)
    export = commands.add_parser("export", help="write all that is stored into a file that every back end can import")
    export.add_argument("target", type=Path, help="the new file; it must not exist")
    export.set_defaults(do=export_store)
    add_place(export)
    import_ = commands.add_parser("import", help="store all that export has written, in an empty store, and hold it")
    import_.add_argument("source", type=Path, help="what export has made")
    import_.set_defaults(do=import_store)
    add_place(import_)
    return parser


def add_place(command: argparse.ArgumentParser) -> None:
    where = command.add_mutually_exclusive_group()
    where.add_argument("--config", "-c", action="append", metavar="FILE", help="as otter is started with")
    where.add_argument("--store", type=Path, metavar="PATH", help="the store's file, in place of a configuration")


def place(arguments: argparse.Namespace) -> Path | StoreConfig:
    """The store's file, or where it is in Cassandra. :raises ConfigError:"""
    if arguments.store:
        return arguments.store
    config = load_config(arguments.config or ["config.json"], os.environ).store
    return Path(config.path).absolute() if config.backend is StoreBackend.SQLITE else config


def tenant_id(argument: str) -> str:
    """An empty one is a script's mistake, and does not mean everybody; what is no text cannot be stored."""
    if not argument.encode(errors="ignore").decode() == argument != "":
        sys.exit(f"otter-store: {argument!r} is no tenant's id; nothing was done")
    return argument


def back_up(arguments: argparse.Namespace) -> str:
    files.back_up(arguments.store, arguments.target)
    return f"{arguments.target} is a copy of {arguments.store}. In the copy, everything is held."


def restore_backup(arguments: argparse.Namespace) -> str:
    files.restore(arguments.backup, arguments.store)
    return (
        f"{arguments.store} is a copy of {arguments.backup}. In it, everything is held: an otter that is started on it"
        " changes nothing in the cloud until you release it (otter-store release)."
    )


def change_holds(
    change: Callable[[Any, str | None], None],
    cassandra_change: Callable[[CassandraMoving, str | None], Awaitable[None]],
    arguments: argparse.Namespace,
) -> str:
    tenant = arguments.tenant
    match place(arguments):
        case Path() as path:
            return said_of(files.what_is_held(path, lambda execute: change(execute, tenant)))
        case where:
            return in_cassandra(where, partial(cassandra_holds, lambda store: cassandra_change(store, tenant)))


def say_holds(arguments: argparse.Namespace) -> str:
    match place(arguments):
        case Path() as path:
            return said_of(files.what_is_held(path))
        case where:
            return in_cassandra(where, partial(cassandra_holds, None))


async def cassandra_holds(change: Callable[[CassandraMoving], Awaitable[None]] | None, store: CassandraMoving) -> str:
    if change:
        await change(store)
    return said_of(await store.held())


def export_store(arguments: argparse.Namespace) -> str:
    match place(arguments):
        case Path() as path:
            with to_export(path) as store:
                return in_reactor(lambda: moving.export(store, arguments.target, time))
        case where:
            return in_cassandra(where, lambda store: moving.export(store, arguments.target, time))


def import_store(arguments: argparse.Namespace) -> str:
    where = place(arguments)
    moving.require_good(arguments.source)
    match where:
        case Path() as path:
            with to_import(path) as store:
                return in_reactor(lambda: moving.import_(arguments.source, store, time))
        case _:
            return in_cassandra(where, lambda store: moving.import_(arguments.source, store, time))


def in_cassandra(config: StoreConfig, work: Callable[[CassandraMoving], Coroutine[Any, Any, str]]) -> str:
    from twisted.internet import reactor

    from otter.daemon import place_of

    with to_move(reactor, place_of(config), config.consistency.value) as store:
        return in_reactor(lambda: work(store))


def in_reactor(work: Callable[[], Coroutine[Any, Any, str]]) -> str:
    """What comes of ``work``, in a reactor that lives for just that long."""
    from twisted.internet import reactor
    from twisted.internet.defer import ensureDeferred

    found: list[str | Failure] = [Failure(KeyboardInterrupt())]

    def ended(what: str | Failure) -> None:
        found.append(what)
        reactor.callLater(0, reactor.stop)

    reactor.callWhenRunning(lambda: ensureDeferred(work()).addBoth(ended))
    reactor.run()
    match found[-1]:
        case Failure() as failure:
            failure.raiseException()
        case words:
            return words
    raise AssertionError("unreachable")


def said_of(hold: Hold) -> str:
    tenants = ", ".join(sorted(hold.tenants))
    match hold.everything, tenants:
        case True, "":
            return "Everything is held: nothing is changed in the cloud until it is released."
        case True, _:
            return f"Everything is held. These tenants are held by themselves too, and will be afterwards: {tenants}."
        case _, "":
            return "Nothing is held."
    return f"These tenants are held, and nobody else: {tenants}."


def schema() -> None:
    """What the command ``otter-schema`` calls."""
    from otter.daemon import place_of
    from otter.store.cassandra.client import CannotConnect
    from otter.store.cassandra.command import bring_up_to_date

    arguments = schema_parser().parse_args()
    try:
        place = place_of(store_config(arguments.config or ["config.json"]))
        bring_up_to_date(place, arguments.replication, arguments.dry_run, partial(print, flush=True))
    except (CannotConnect, ConfigError) as error:
        sys.exit(f"otter-schema: {error}")


def schema_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("otter-schema", description="Brings otter's keyspace in Cassandra up to date.")
    parser.add_argument("--config", "-c", action="append", metavar="FILE", help="as otter is started with")
    parser.add_argument("--replication", default="", metavar="JSON", help="of the keyspace, if it is not there yet")
    parser.add_argument("--dry-run", action="store_true", help="print what would be made, and change nothing")
    return parser


def store_config(paths: list[str]) -> StoreConfig:
    """What the files say of the store; whoever makes the tables need not know the rest. :raises ConfigError:"""
    document: dict[str, Any] = {}
    for path in paths:
        document = laid_over(document, read_json(path))
    config = read(StoreConfig, document.get("store", {}), "store")
    refuse_unusable_store(config)
    if config.backend is not StoreBackend.CASSANDRA:
        raise ConfigError("store.backend: is not cassandra; otter makes the tables of its file by itself")
    return config


if __name__ == "__main__":
    main()
