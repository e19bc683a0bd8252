import json
from io import StringIO

from twisted.logger import Logger

from otter.logs.json_lines import JsonLines


def lines_of(say):
    out = StringIO()
    say(Logger(observer=JsonLines(out), namespace="here"))
    return [json.loads(line) for line in out.getvalue().splitlines()]


def test_an_event_is_one_line_with_its_facts():
    [line] = lines_of(lambda log: log.info("pass", tenant="111", group="g1", reasons=("a", "b")))
    assert (line["level"], line["event"], line["where"]) == ("info", "pass", "here")
    assert (line["tenant"], line["group"], line["reasons"]) == ("111", "g1", ["a", "b"])
    assert line["time"].endswith("+00:00")


def test_a_failure_brings_its_traceback_and_stays_on_one_line():
    def fail(log):
        try:
            raise ValueError("two\nlines")
        except ValueError:
            log.failure("broke")

    [line] = lines_of(fail)
    assert "ValueError: two\nlines" in line["traceback"]


def test_what_looks_like_a_capability_is_blotted_out():
    [line] = lines_of(lambda log: log.info("{uri}", uri=f"/v1.0/execute/1/{'0a' * 32}/"))
    assert "0a0a" not in json.dumps(line)


def test_what_is_no_json_is_shown_as_text():
    [line] = lines_of(lambda log: log.info("odd", thing=object()))
    assert line["thing"].startswith("<object")
