"""The lines of `ping`: what fits, what does not, and what a person should look at."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum

from sync.errors import SyncError


class Verdict(StrEnum):
    """What is thought of one thing."""

    OK = "ok"
    LOOK = "to look at"
    """It works, and a person should know it or decide it."""
    NOT_OK = "not ok"


@dataclass(frozen=True)
class Line:
    """One thing that was checked. `remedy` is what to do, empty when nothing is or when the sentence says it."""

    part: str
    verdict: Verdict
    sentence: str
    remedy: str = ""


def ok(part: str, sentence: str) -> Line:
    """It fits."""
    return Line(part, Verdict.OK, sentence)


def look(part: str, sentence: str, remedy: str = "") -> Line:
    """A person should know it or decide it."""
    return Line(part, Verdict.LOOK, sentence, remedy)


def not_ok(part: str, sentence: str, remedy: str = "") -> Line:
    """It does not fit."""
    return Line(part, Verdict.NOT_OK, sentence, remedy)


def guarded(part: str, check: Callable[[], Iterable[Line]]) -> Iterator[Line]:
    """The lines of a check; what ends it early is one more line, so that the checks after it go on."""
    try:
        yield from check()
    except SyncError as error:
        yield not_ok(part, error.sentence)
