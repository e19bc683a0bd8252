"""
The story of a group, told as it happens. PORT, CLOUD_PORT, STORE, PROCESSES, NODES: see the Makefile.

If an otter answers at PORT, it plays in that one and in the simulated cloud at CLOUD_PORT, for a tenant that is new each
time; otherwise in an otter and a cloud of its own. With PROCESSES above 1 those are so many otters on one port.
"""

import os
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from secrets import token_hex
from types import FrameType
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from scripts.backing import backing
from scripts.stores import store_section
from scripts.story import LONG_STEPS, Elsewhere, Missed, Scene, tell
from tests.rig.fleet import make_fleet
from tests.rig.mimic import Cloud, start_mimic
from tests.rig.otter import Otter
from tests.rig.processes import HERE, answers

OTTER = f"http://{HERE}:{os.environ['PORT']}"
CLOUD = f"http://{HERE}:{os.environ['CLOUD_PORT']}"
ALL_WITHIN = 170.0
"""Seconds, without stopping what was started."""

say = partial(print, flush=True)


def main() -> int:
    signal.signal(signal.SIGTERM, interrupt)
    began = time.monotonic()
    try:
        with stage() as (root, identity_url):
            scene = Scene(Elsewhere(root), Cloud(identity_url, f"demo-{token_hex(4)}"), say)
            tell(scene, LONG_STEPS, by=began + ALL_WITHIN)
    except KeyboardInterrupt:
        say("\nThe demo was broken off.")
        return 130
    except (Missed, AssertionError) as error:
        print(f"\nThe demo failed. {error}", file=sys.stderr)
        return 1
    say(f"\nThe demo is over: every step was reached, in {time.monotonic() - began:.1f} s.")
    return 0


@contextmanager
def stage() -> Iterator[tuple[str, str]]:
    """Where the story plays: the root of an otter, and the URL of the Identity of its cloud."""
    if not answers(f"{OTTER}/health"):
        with own_stage() as found:
            yield found
        return
    say(f"There is an otter at {OTTER}: it plays there, in the cloud at {CLOUD}.\n")
    if not answers(f"{CLOUD}/"):
        raise Missed(f"There is an otter at {OTTER}, but no simulated cloud at {CLOUD}; CLOUD_PORT says where it is.")
    yield f"{OTTER}/v1.0", f"{CLOUD}/identity/v2.0"


@contextmanager
def own_stage() -> Iterator[tuple[str, str]]:
    """An otter and a cloud that end with the story. Their logs are kept if it goes wrong."""
    folder = Path(tempfile.mkdtemp(prefix="otter-demo-"))
    say(f"There is no otter at {OTTER}: it plays in an otter and a cloud of its own.\n")
    try:
        cloud = start_mimic(folder)
        try:
            with own_otters(folder, cloud.identity_url) as root:
                yield root, cloud.identity_url
        finally:
            cloud.kill()
    except (Missed, AssertionError):
        print(f"The logs are in {folder}.", file=sys.stderr)
        raise
    except BaseException:
        shutil.rmtree(folder)
        raise
    shutil.rmtree(folder)


@contextmanager
def own_otters(folder: Path, identity_url: str) -> Iterator[str]:
    """Where they answer."""
    count = int(os.environ.get("PROCESSES") or 1)
    with ExitStack() as at_the_end:
        if count == 1:
            otters: list[Otter] = [Otter(folder / "otter", identity_url, **own_store())]
        else:
            sections = at_the_end.enter_context(backing(os.environ, "otter_demo"))
            otters = [*make_fleet(folder, identity_url, count, **sections)]
        for otter in otters:
            otter.start()
            at_the_end.callback(otter.stop, within=15)
        yield otters[0].root


def own_store() -> dict[str, Any]:
    """What is to be configured for the store that STORE names; nothing for a file of its own."""
    if os.environ.get("STORE", "sqlite") == "sqlite":
        return {}
    return {"store": store_section({**os.environ, "KEYSPACE": "otter_demo"})}


def interrupt(signal_number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
