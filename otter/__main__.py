"""``python -m otter``: run otter in the foreground, or check a configuration. ``otter-store``: look after the store."""

import argparse
import os
import sys
from pathlib import Path

from twisted.python.usage import UsageError

from otter.config import ConfigError, load_config, password_of
from otter.store.sqlite.database import CannotOpen
from otter.store.sqlite.database import back_up as back_up_file


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
    parser = argparse.ArgumentParser("otter-store", description="Looks after otter's SQLite store.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    backup = commands.add_parser("backup", help="copy the store, also while otter is running")
    backup.add_argument("store", type=Path, help="the store's file (store.path of the configuration)")
    backup.add_argument("target", type=Path, help="the new file; it must not exist")
    backup.set_defaults(do=back_up)
    arguments = parser.parse_args()
    arguments.do(arguments)


def back_up(arguments: argparse.Namespace) -> None:
    try:
        back_up_file(arguments.store, arguments.target)
    except CannotOpen as error:
        sys.exit(f"otter-store: {error}; nothing was done")
    print(f"{arguments.target} is a copy of {arguments.store}.")


if __name__ == "__main__":
    main()
