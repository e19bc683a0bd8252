"""Which engine runs is told by the first log line, by /health and by a metric; a mistake about it refuses to start."""

import json

import pytest

from tests.process.lives import complaint, in_the_foreground
from tests.rig.processes import HERE, call, free_port

ENGINES = ("convergence", "cycle", "worker")


def told(lives, **environment):
    """What a started otter says of itself: in its first log line, at /health, and among its metrics."""
    port = free_port()
    otter = lives.otter(admin=f"tcp:{port}:interface={HERE}")
    usual = {"OTTER_ENGINE": "convergence", "OTTER_WORKER_TENANTS": "", "OTTER_HOLD": "0"}
    otter.environment = {**otter.environment, **usual, **environment}
    otter.start()
    first = json.loads(otter.log.read_text().splitlines()[0])
    _, health = call("GET", otter.url)
    _, answer = call("GET", f"http://{HERE}:{port}/metrics")
    metrics = {metric["id"].removeprefix("otter.metrics."): metric["value"] for metric in answer["metrics"]}
    otter.stop()
    return first, health, metrics


@pytest.mark.parametrize("engine", ENGINES)
def test_the_engine_is_told(lives, engine):
    first, health, metrics = told(lives, OTTER_ENGINE=engine)
    assert (first["event"], first["engine"], first["worker_tenants"], first["hold"]) == (
        "otter-made",
        engine,
        [],
        False,
    )
    assert (health["engine"], health["worker_tenants"]) == (engine, 0)
    assert [name for name in metrics if name.startswith("engine.")] == [f"engine.{engine}"]
    assert (metrics[f"engine.{engine}"], metrics["worker_tenants"]) == (1, 0)


def test_tenants_with_the_worker_are_told(lives):
    first, health, metrics = told(lives, OTTER_WORKER_TENANTS="a, b")
    assert (first["engine"], first["worker_tenants"]) == ("convergence", ["a", "b"])
    assert (health["engine"], health["worker_tenants"], metrics["worker_tenants"]) == ("convergence", 2, 2)


def test_a_hold_is_told(lives):
    first, health, metrics = told(lives, OTTER_HOLD="1")
    assert first["hold"] is True
    assert health["held"] == {"everything": True, "tenants": 0}
    assert (metrics["held"], metrics["held_tenants"]) == (1, 0)


@pytest.mark.parametrize(
    "wrong", [{"OTTER_ENGINE": "none"}, {"OTTER_ENGINE": ""}, {"OTTER_WORKER_TENANTS": "a,,b"}, {"OTTER_HOLD": "yes"}]
)
@pytest.mark.parametrize("start", ["twistd", "python -m otter"])
def test_any_other_value_refuses_to_start_and_names_the_variable(lives, start, wrong):
    otter = lives.otter()
    [variable] = wrong
    words = complaint(otter.command if start == "twistd" else in_the_foreground(otter), **wrong)
    assert f"{variable}: must be" in words
