"""Tags of documents: a client that names one says which document it means to change."""

import hashlib
import json
from collections.abc import Mapping

from attrs import frozen
from pyrsistent import PSet

from otter.domain.errors import PreconditionFailed


def tag_of(document: Mapping) -> str:
    """What tells ``document`` from others, in quotes as in HTTP; equal documents have equal tags, wherever they are made."""
    canonical = json.dumps(document, sort_keys=True, separators=(",", ":"))
    return f'"{hashlib.sha256(canonical.encode()).hexdigest()[:32]}"'


@frozen
class Expected:
    """:ivar tags: those that the document may have before it is changed; None if it may be any."""

    tags: PSet[str] | None = None

    def require(self, document: Mapping) -> None:
        """:raises PreconditionFailed: ``document`` is another one."""
        if self.tags is not None and tag_of(document) not in self.tags:
            raise PreconditionFailed()


ANYTHING = Expected()
