"""
A whole store as a file of JSON lines, and back, between back ends. (docs/operations.md, "Moving to Cassandra, and back".)

The first line is a header. Then comes a line for each thing: what is stored of tenants, and each group with all that belongs to
it after it. The last line has the counts of all things, and the SHA-256 digest of all lines before it. The same things are the
same lines, whichever back end they come from; so what was written is read back, made lines again, and compared.
"""

import json
import os
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import IO, Protocol

from otter.domain.errors import OtterError
from otter.store.disk import keep
from otter.store.lines import (
    EXECUTION,
    HEADER,
    Line,
    Tally,
    Tenants,
    Whole,
    group_lines,
    groups_of,
    tenant_lines,
    tenants_of,
    whole_of,
)

FORMAT = 2
NEWER = "{source} has format {found}, and this otter knows formats up to {known}; take the newer otter's otter-store"
FOREIGN = "{source} is nothing that otter-store export has made"
CUT = "{source} is not what otter-store export has made: it was cut, or altered"
Clock = Callable[[], float]
"""Epoch seconds."""


class CannotMove(Exception):
    """A sentence that says why nothing was done."""


class Unfinished(Exception):
    """A sentence that says what went wrong when something was done already."""


class IMoving(Protocol):
    """What a back end does so that all of it can be moved. Whoever opens it for this does not count as an opening of the store."""

    async def last_epoch(self) -> int:
        """The number of the last opening."""

    async def tenants(self) -> Tenants:
        """What is stored of them."""

    def wholes(self) -> AsyncIterator[Whole]:
        """Every group, also those that are being deleted, ordered by tenant and id. Each is as it was at one moment."""

    async def hold_everything(self) -> None:
        """It survives our death, and is so for all who work on the store."""

    async def begin(self, epoch: int, tenants: Tenants) -> None:
        """Openings will have higher numbers than ``epoch``, and what is said of ``tenants`` is stored."""

    async def put(self, whole: Whole, now: float) -> None:
        """Store a group that is not there. :param now: epoch seconds."""

    async def end(self) -> None:
        """What was put survives our death."""


# Out


async def export(store: IMoving, target: Path, clock: Clock) -> str:
    """
    All that is stored, in a new file that only its owner may read: complete, or not at all. What was done, in a sentence.

    :raises CannotMove:
    """
    draft = target.with_name(f".{target.name}.{os.getpid()}")
    try:
        with private(draft) as file:
            tally = await write(store, file, clock())
            file.flush()
            os.fsync(file.fileno())
        os.link(draft, target)  # which replaces nothing
        keep(target.absolute().parent)
    except FileExistsError as error:
        raise CannotMove(f"{error.filename2 or error.filename} exists already") from None
    except OSError as error:
        raise CannotMove(f"{target} could not be written: {error}") from error
    finally:
        draft.unlink(missing_ok=True)
    return f"{target} has all that is stored: {tally.words}; SHA-256 {tally.digest.hexdigest()}."


async def write(store: IMoving, file: IO[str], now: float) -> Tally:
    tally = Tally()
    file.write(tally.add({"kind": HEADER, "format": FORMAT, "epoch": await store.last_epoch()}))
    for line in tenant_lines(await store.tenants()):
        file.write(tally.add(line))
    async for whole in store.wholes():
        for line in group_lines(whole.at(now)):
            file.write(tally.add(line))
    file.write(json.dumps(tally.last) + "\n")
    return tally


def private(path: Path) -> IO[str]:
    """A new file; launch configurations may hold secrets. :raises FileExistsError:"""
    return open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w")


# In


async def import_(source: Path, store: IMoving, clock: Clock) -> str:
    """
    All that is in a file, in a store that has been empty. Everything is held there before anything else is. What was done, in a
    sentence.

    :raises CannotMove, Unfinished:
    """
    await require_empty(store)
    await store.hold_everything()
    try:
        await put_all(source, store, clock())
        there, wanted = await compared(source, store, clock)
    except Exception as error:
        raise Unfinished(f"the import has failed, and everything is held in what is there of it: {error}") from error
    if there.last != wanted.last:
        raise Unfinished(
            f"what was read back is not what is in {source}: {there.words} in place of {wanted.words}; SHA-256"
            f" {there.digest.hexdigest()} in place of {wanted.digest.hexdigest()}. Everything is held; do not use this store"
        )
    return (
        f"All that is in {source} was stored, read back and compared: {there.words}; SHA-256 {there.digest.hexdigest()}."
        " Everything is held: an otter on this store changes nothing in the cloud until you release it (otter-store release)."
    )


async def require_empty(store: IMoving) -> None:
    """Everything may be held already. :raises CannotMove:"""
    tenants = await store.tenants()
    for tenant in sorted(tenants.suspended | tenants.held.tenants):
        raise CannotMove(f"the store is not empty: tenant {tenant} is suspended or held in it")
    async for whole in store.wholes():
        id = whole.group.id
        raise CannotMove(f"the store is not empty: group {id.group} of tenant {id.tenant} is in it")


async def put_all(source: Path, store: IMoving, now: float) -> None:
    groups = groups_of(things_in(source))
    await store.begin(epoch_in(source), tenants_of(next(groups)).all_held())
    for group in groups:
        await store.put(whole_of(group).at(now), now)
    await store.end()


async def compared(source: Path, store: IMoving, clock: Clock) -> tuple[Tally, Tally]:
    """What is in the store, and what is to be there. What is forgotten while we compare is in neither."""
    there, wanted = Tally(), Tally()
    groups = groups_of(things_in(source))
    add_all(there, tenant_lines(await store.tenants()))
    add_all(wanted, tenant_lines(tenants_of(next(groups)).all_held()))
    async for whole in store.wholes():
        now = clock()
        add_all(there, group_lines(whole.at(now)))
        add_all(wanted, (line for line in next(groups, []) if lasts(line, now)))
    for group in groups:
        add_all(wanted, group)
    return there, wanted


def add_all(tally: Tally, lines: Iterable[Line]) -> None:
    for line in lines:
        tally.add(line)


def lasts(line: Line, now: float) -> bool:
    return line["kind"] != EXECUTION or line["expires"] > now


# Files


def require_good(source: Path) -> None:
    """
    All of it is read, so that nothing is begun that cannot be ended.

    :raises CannotMove: it is nothing that ``export`` has made, or not all of it, or something else than it was.
    """
    try:
        with open(source, "rb") as file:
            require_known(source, file.readline())
        if last_line(source) != json.dumps(tally_of(source).last).encode() + b"\n":
            raise CannotMove(CUT.format(source=source))
        groups = groups_of(things_in(source))
        tenants_of(next(groups))
        for group in groups:
            whole_of(group)
    except OSError as error:
        raise CannotMove(f"{source} cannot be read: {error.strerror}") from error
    except (ValueError, LookupError, TypeError, AttributeError, OtterError) as error:
        raise CannotMove(CUT.format(source=source)) from error


def require_known(source: Path, first: bytes) -> None:
    """:raises CannotMove: the file does not begin with a header, or its format is a newer one."""
    try:
        header = json.loads(first)
        found = header["format"] if header["kind"] == HEADER else None
    except (ValueError, LookupError, TypeError):
        found = None
    if not isinstance(found, int):
        raise CannotMove(FOREIGN.format(source=source))
    if found > FORMAT:
        raise CannotMove(NEWER.format(source=source, found=found, known=FORMAT))


def tally_of(source: Path) -> Tally:
    """Of all lines but the last, as they are in the file."""
    tally = Tally()
    for text in texts_in(source):
        tally.digest.update(text)
        tally.counts[json.loads(text)["kind"]] += 1
    return tally


def texts_in(source: Path) -> Iterator[bytes]:
    """All lines but the last."""
    with open(source, "rb") as file:
        before = file.readline()
        for text in file:
            yield before
            before = text


def last_line(source: Path) -> bytes:
    last = b""
    with open(source, "rb") as file:
        for last in file:
            pass
    return last


def epoch_in(source: Path) -> int:
    return json.loads(next(texts_in(source)))["epoch"]


def things_in(source: Path) -> Iterator[Line]:
    """All lines but the first and the last."""
    return map(json.loads, islice(texts_in(source), 1, None))
