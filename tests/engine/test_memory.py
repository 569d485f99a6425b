"""The packed memory of crawls: nothing is lost in the packing, nothing broken is believed, and it stays small."""

import sys
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sync.engine.memory import NO_HASH, Crawl, Entry, Flag, Memory
from sync.values import digest

digests = st.binary(min_size=16, max_size=16).map(bytes.hex)
entries = st.builds(Entry, hash=digests, seen=st.integers(0, 2**32 - 1), flags=st.integers(0, 15).map(Flag))
crawls = st.none() | st.builds(
    Crawl,
    number=st.integers(1, 2**31),
    started=st.just("2026-01-31T08:05:00.000000Z"),
    expected=st.integers(0, 10**6),
    cursor=st.text(),
    read=st.integers(0, 10**6),
    drifting=st.booleans(),
)


def memory_of(rows: dict[str, Entry], crawl: Crawl | None = None) -> Memory:
    memory = Memory(last=7, complete=5, crawl=crawl)
    for key, entry in rows.items():
        memory.put(key, entry)
    return memory


@given(st.dictionaries(digests, entries, max_size=20), crawls)
def test_what_is_packed_comes_back(rows: dict[str, Entry], crawl: Crawl | None) -> None:
    memory = memory_of(rows, crawl)
    again = Memory.unpack(memory.pack())
    assert again == memory
    assert again is not None
    assert {key: again.get(key) for key in rows} == rows


@given(st.dictionaries(digests, entries, min_size=1, max_size=5), st.data())
def test_one_changed_or_missing_byte_is_noticed(rows: dict[str, Entry], data: st.DataObject) -> None:
    packed = memory_of(rows).pack()
    at = data.draw(st.integers(0, len(packed) - 1))
    assert Memory.unpack(packed[:at]) is None
    assert Memory.unpack(packed[:at] + bytes([packed[at] ^ 1]) + packed[at + 1 :]) is None


def test_the_order_of_putting_does_not_show() -> None:
    rows = {digest(str(number)): Entry(NO_HASH, number, Flag.OURS) for number in range(50)}
    assert memory_of(rows).pack() == memory_of(dict(reversed(rows.items()))).pack()


def test_rows_that_later_crawls_did_not_see() -> None:
    rows = {digest(str(number)): Entry(NO_HASH, number, Flag.NONE) for number in range(5)}
    memory = memory_of(rows)
    assert {entry.seen for _, entry in memory.seen_before(3)} == {0, 1, 2}
    for key, _ in memory.seen_before(3):
        memory.drop(key)
    assert len(memory) == 2


def test_counting_without_flags() -> None:
    memory = memory_of({digest("a"): Entry(NO_HASH, 1, Flag.OURS), digest("b"): Entry(NO_HASH, 1, Flag.OURS | Flag.INACTIVE)})
    assert memory.count(without=Flag.INACTIVE) == 1
    assert memory.count(without=Flag.OURS) == 0
    assert memory.count(without=Flag.NONE) == 2


@pytest.mark.slow
def test_100_000_rows_stay_below_40_mb() -> None:
    tracemalloc.start()
    memory = Memory()
    for number in range(100_000):
        memory.put(digest(str(number)), Entry(digest("target", str(number)), 1, Flag.OURS))
    held, _ = tracemalloc.get_traced_memory()
    packed = memory.pack()
    tracemalloc.stop()
    assert held < 40_000_000
    assert len(packed) < 4_000_000
    assert sys.getsizeof(packed) < 4_000_000
