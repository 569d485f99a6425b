"""Checkpoints under an etag, and the history of runs, newest first."""

import json
from dataclasses import replace

import pytest

from sync.errors import Bug, StorageConflict
from sync.ledger.runs import Progress, RunStore
from tests.ledger.bench import Bench
from tests.storage.support import START


def test_progress_comes_back_as_it_was_saved(either: Bench) -> None:
    store = RunStore(either.ports)
    name = either.place.connection
    empty = store.progress(name, "invoices", "USMF")
    assert empty == Progress(name, "invoices", "usmf")
    saved = store.save(
        replace(
            empty,
            checkpoint=json.dumps({"page": "x" * 29_000}),
            completed_at=START,
            last_started=START,
            last_finished=START,
            last_error="D365 was busy.",
            counts={"read": 12, "written": 3},
        )
    )
    assert store.progress(name, "invoices", "usmf") == saved
    other = store.save(Progress(name, "payments"))
    assert [*store.every_progress(name)] == [saved, other]
    assert store.save(replace(saved, completed_at=None)).completed_at is None
    assert store.progress(name, "invoices", "usmf").completed_at is None


def test_of_two_that_save_one_wins(either: Bench) -> None:
    store = RunStore(either.ports)
    empty = store.progress(either.place.connection, "invoices")
    first = store.save(replace(empty, checkpoint="1"))
    with pytest.raises(StorageConflict):
        store.save(replace(empty, checkpoint="2"))
    store.save(replace(first, checkpoint="3"))
    with pytest.raises(StorageConflict):
        store.save(replace(first, checkpoint="4"))
    assert store.progress(either.place.connection, "invoices").checkpoint == "3"


def test_a_checkpoint_that_is_too_long_is_a_bug(bench: Bench) -> None:
    with pytest.raises(Bug):
        RunStore(bench.ports).save(Progress("c", "invoices", checkpoint="x" * 40_000))


def test_the_history_is_newest_first_and_by_stage(either: Bench) -> None:
    store = RunStore(either.ports)
    name = either.place.connection
    runs = []
    for number in range(4):
        run = store.start(name, "invoices", f"run{number}")
        either.clock.forward(0.001)
        runs.append(store.finish(run, {"read": number}, "It failed." if number == 2 else ""))
    running = store.start(name, "invoices", "run4")
    other = store.start(name, "invoices_too", "x")
    assert store.latest(name, "invoices", 3) == [running, runs[3], runs[2]]
    assert store.latest(name, "invoices", 100) == [running, *reversed(runs)]
    assert store.latest(name, "invoices_too", 100) == [other]
    assert (runs[2].error, runs[3].counts, running.finished_at) == ("It failed.", {"read": 3}, None)
