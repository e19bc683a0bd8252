"""``python -m otter``: run otter in the foreground, or check a configuration. ``otter-store``: look after the store."""

import argparse
import os
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from twisted.python.usage import UsageError

from otter.config import ConfigError, load_config, password_of
from otter.domain.hold import Hold
from otter.store.sqlite import files, holds
from otter.store.sqlite.database import CannotOpen


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
    except (CannotOpen, ConfigError) as error:
        sys.exit(f"otter-store: {error}; nothing was done")


def store_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("otter-store", description="Looks after otter's SQLite store.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    backup = commands.add_parser("backup", help="copy the store, also while otter is running")
    backup.add_argument("store", type=Path, help="the store's file (store.path of the configuration)")
    backup.add_argument("target", type=Path, help="the new file; it must not exist")
    backup.set_defaults(do=back_up)
    restore = commands.add_parser("restore", help="put a copy in the place of a store that is not there any more")
    restore.add_argument("backup", type=Path, help="what backup has made")
    restore.add_argument("store", type=Path, help="the store's file; it must not exist")
    restore.set_defaults(do=restore_backup)
    changes = {"hold": (holds.hold, "change nothing in the cloud"), "release": (holds.release, "end what hold began")}
    for name, (change, meaning) in changes.items():
        command = commands.add_parser(name, help=f"{meaning}, also while otter is running")
        command.add_argument("tenant", nargs="?", type=tenant_id, help="its id; without one, everything")
        command.set_defaults(do=partial(change_holds, change))
        add_place(command)
    held = commands.add_parser("held", help="say what is held")
    held.set_defaults(do=lambda arguments: said_of(files.what_is_held(place(arguments))))
    add_place(held)
    return parser


def add_place(command: argparse.ArgumentParser) -> None:
    where = command.add_mutually_exclusive_group()
    where.add_argument("--config", "-c", action="append", metavar="FILE", help="as otter is started with")
    where.add_argument("--store", type=Path, metavar="PATH", help="the store's file, in place of a configuration")


def place(arguments: argparse.Namespace) -> Path:
    """The store's file. :raises ConfigError:"""
    if arguments.store:
        return arguments.store
    return Path(load_config(arguments.config or ["config.json"], os.environ).store.path).absolute()


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


def change_holds(change: Callable[[Any, str | None], None], arguments: argparse.Namespace) -> str:
    return said_of(files.what_is_held(place(arguments), lambda execute: change(execute, arguments.tenant)))


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


if __name__ == "__main__":
    main()
