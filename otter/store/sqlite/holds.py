"""What the table ``holds`` means."""

from collections.abc import Callable, Iterable
from typing import Any

from otter.domain.hold import Hold

Execute = Callable[..., Any]
Read = Callable[[str], Iterable[tuple]]


def hold(execute: Execute, tenant: str | None) -> None:
    execute("INSERT OR IGNORE INTO holds VALUES (?, ?)", row_of(tenant))


def release(execute: Execute, tenant: str | None) -> None:
    execute("DELETE FROM holds WHERE everything = ? AND tenant = ?", row_of(tenant))


def held(read: Read) -> Hold:
    rows = list(read("SELECT everything, tenant FROM holds"))
    tenants = frozenset(tenant for everything, tenant in rows if not everything)
    return Hold(any(everything for everything, _ in rows), tenants)


def row_of(tenant: str | None) -> tuple[bool, str]:
    """A column of its own says "everything": whatever a tenant is called, it is another row."""
    return (tenant is None, tenant or "")
