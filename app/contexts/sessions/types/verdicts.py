"""Verdicts on the results of checks, from exit codes and test summaries."""

import re
from typing import NamedTuple

import msgspec

from app.contexts.sessions.types.definition import Handled, StepContext
from app.schemas.sessions import ResultInput, ResultStatus

OUTPUT_CHARACTERS = 4000
"""How much of the end of each stream the next prompt shows."""

_COLOUR = re.compile(r"\x1b\[[0-9;]*m")
_PYTEST = re.compile(r"^=*\s*((?:\d+ [a-z]+(?:, )?)+|no tests ran) in [\d.]+s\b", re.MULTILINE)
_PYTEST_NONE_COLLECTED = 5
_PYTEST_NOT_LOADED = re.compile(r"\d+ errors? during collection")
_EXUNIT = re.compile(
    r"^\s*((?:\d+ (?:doctests?|tests?|property|properties|features?), )+)(\d+) failures?(.*)$",
    re.MULTILINE,
)
_COUNTED = re.compile(r"(\d+) ([a-z]+)")
_RAN = frozenset({"passed", "failed", "error", "errors", "xfailed", "xpassed"})
_NOT_RUN = frozenset({"excluded", "skipped", "invalid"})


class Counts(NamedTuple):
    """`tests` counts those that ran; None when only the failures are known."""

    tests: int | None
    failures: int


def judge_exit(_: StepContext, result: ResultInput) -> Handled:
    """Judge by the exit code, or by the client's own status when there is none."""
    if result.code is None:
        return _judged(result, result.status, result.error_message)
    if result.code == 0:
        return _judged(result, "ok", result.error_message)
    message = result.error_message or f"the command exited with {result.code}"
    return _judged(result, "error", message)


def judge_passing(context: StepContext, result: ResultInput) -> Handled:
    """Judge tests that must pass."""
    counts = count_tests(result)
    if counts is None:
        return judge_exit(context, result)
    if counts.failures:
        return _judged(result, "error", f"{_of(counts)} failed", counts)
    if result.code:
        message = f"no test failed, but the command exited with {result.code}"
        return _judged(result, "error", message, counts)
    if counts.tests == 0:
        return _judged(result, "warning", "no test has run", counts)
    return _judged(result, "ok", None, counts)


def judge_failing(_: StepContext, result: ResultInput) -> Handled:
    """Judge tests written before the code, which must all fail."""
    counts = count_tests(result)
    nothing_tested = "the tests do not test anything yet: they all pass"
    if counts is None:
        if result.code is None:
            return _judged(result, result.status, result.error_message)
        not_loaded = "the tests could not be loaded"
        return _judged(result, "error", not_loaded if result.code else nothing_tested)
    if counts.tests == 0:
        found_none = result.code in {None, 0, _PYTEST_NONE_COLLECTED}
        status: ResultStatus = "warning" if found_none else "error"
        return _judged(result, status, "no test has run", counts)
    if counts.failures == 0:
        return _judged(result, "error", nothing_tested, counts)
    if counts.tests is not None and counts.failures < counts.tests:
        passing = counts.tests - counts.failures
        message = f"{passing} of {counts.tests} tests pass although the code is not written yet"
        return _judged(result, "warning", message, counts)
    return _judged(result, "ok", None, counts)


def count_tests(result: ResultInput) -> Counts | None:
    """Read `data = {tests, failures}`, else the summary of pytest or ExUnit. None when neither is
    there, or when the tests could not even be loaded."""
    tests, failures = result.data.get("tests"), result.data.get("failures")
    if type(failures) is int and failures >= 0:
        return Counts(tests if type(tests) is int and tests >= 0 else None, failures)
    output = _COLOUR.sub("", result.stdout or "")
    if _PYTEST_NOT_LOADED.search(output):
        return None
    if summaries := _PYTEST.findall(output):
        counted = {word: int(number) for number, word in _COUNTED.findall(summaries[-1])}
        ran = sum(number for word, number in counted.items() if word in _RAN)
        failed = sum(counted.get(word, 0) for word in ("failed", "error", "errors"))
        return Counts(ran, failed)
    if suites := _EXUNIT.findall(output):  # an umbrella project has one for each application
        found = sum(int(number) for suite in suites for number, _ in _COUNTED.findall(suite[0]))
        left_out = sum(
            int(number)
            for suite in suites
            for number, word in _COUNTED.findall(suite[2])
            if word in _NOT_RUN
        )
        return Counts(max(found - left_out, 0), sum(int(suite[1]) for suite in suites))
    return None


def _judged(
    result: ResultInput, status: ResultStatus, message: str | None, counts: Counts | None = None
) -> Handled:
    """Store the failure in the session's state, for the prompt of the repair step."""
    data = result.data
    if counts is not None:
        data = {**data, "failures": counts.failures}
        if counts.tests is not None:
            data["tests"] = counts.tests
    judged = msgspec.structs.replace(result, status=status, error_message=message, data=data)
    if status == "ok":
        return {"failure": None}, judged
    streams = (result.stdout, result.stderr)
    output = "\n".join(text[-OUTPUT_CHARACTERS:].strip() for text in streams if text)
    return {"failure": {"message": message or "", "output": output}}, judged


def _of(counts: Counts) -> str:
    return str(counts.failures) if counts.tests is None else f"{counts.failures} of {counts.tests}"
