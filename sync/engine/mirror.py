"""The mirror engine: crawl D365, compare with what AvidXchange should hold, send what differs, deactivate what is gone (design §1, Mirror).

This is the stage around its companies: `mirror_crawl.py` works on one company, `mirror_gone.py` on its rows that are gone,
`mirror_drift.py` reads back, and `mirror_effects.py` does what others can see. A stage declares what `mirroring.py` asks for.
"""

import json
import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final, Generic, TypeVar

from sync.connections.document import Company
from sync.engine.mirror_crawl import CompanyCrawl
from sync.engine.mirroring import Mirroring
from sync.engine.model import End, Slice
from sync.errors import FixConfiguration
from sync.values import canonical

T = TypeVar("T")

ALWAYS_COUNTED: Final = ("read", "sent", "unchanged", "parked", "deactivated")
"""Counts that a report has even when they are 0: a run without a difference says that it sent nothing."""

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class _Checkpoint:
    """Which company the stage is at, and the first trouble of the companies before it. How far within it, its memory knows."""

    company: str = ""
    sentence: str = ""
    field: str = ""

    def after_trouble(self, error: FixConfiguration) -> "_Checkpoint":
        """The first trouble is kept."""
        return self if self.sentence else replace(self, sentence=error.sentence, field=error.field)


class Mirror(Generic[T]):
    """A mirror stage around its declaration."""

    def __init__(self, mirroring: Mirroring[T]) -> None:
        self._mirroring = mirroring
        self.name = mirroring.name
        self.after = mirroring.after

    def work(self, slice_: Slice) -> End:
        """See `sync.engine.model.Stage`. A company's FixConfiguration is raised when all others were worked on."""
        for name in ALWAYS_COUNTED:
            slice_.report.count(name, 0)
        checkpoint = self._read(slice_)
        for company in _from(slice_.connection.companies, checkpoint.company):
            checkpoint = replace(checkpoint, company=company.id)
            self._write(slice_, checkpoint)
            try:
                if CompanyCrawl(slice_, company, self._mirroring.open(slice_, company)).work() is End.MORE:
                    return End.MORE
            except FixConfiguration as error:
                if error.field == "credentials":
                    raise  # it is the same for every company, and AvidXchange must not be asked again and again
                log.warning("%s of %s: %s", self.name, company.id, error.sentence, extra={"run": slice_.run})
                checkpoint = checkpoint.after_trouble(error)
        self._write(slice_, _Checkpoint())
        if checkpoint.sentence:
            raise FixConfiguration(checkpoint.sentence, field=checkpoint.field)
        return End.DONE

    def _read(self, slice_: Slice) -> _Checkpoint:
        if slice_.dry_run:
            return _Checkpoint()
        text = slice_.progress.progress(slice_.connection.id, self.name).checkpoint
        return _Checkpoint(**json.loads(text)) if text else _Checkpoint()

    def _write(self, slice_: Slice, checkpoint: _Checkpoint) -> None:
        if slice_.dry_run:
            return
        progress = slice_.progress.progress(slice_.connection.id, self.name)
        text = canonical(vars(checkpoint)) if checkpoint.company else ""
        if text != progress.checkpoint:
            slice_.progress.save(replace(progress, checkpoint=text))


def _from(companies: Sequence[Company], current: str) -> Sequence[Company]:
    """The companies from the current one on; all when it is not in the document any more."""
    first = next((number for number, company in enumerate(companies) if company.id == current), 0)
    return companies[first:]
