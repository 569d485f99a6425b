"""The second natural key of a record: nobody's until a move gives it, and one record's at a time."""

import pytest

from sync.errors import StorageConflict
from tests.ledger.bench import NOTED, WENT_ON, local_bench, new


def test_a_new_record_holds_no_second_key() -> None:
    bench, _ = local_bench()
    [first, second] = bench.ledger.note(bench.place, [new("k1"), new("k2")], "run1", NOTED)
    assert (first.alias, second.alias) == ("", "")
    bench.ledger.move(first, WENT_ON, run="run1", alias="number 7")
    assert bench.ledger.holder(bench.place, "number 7") == "k1"
    with pytest.raises(StorageConflict) as caught:
        bench.ledger.move(second, WENT_ON, run="run1", alias="number 7")
    assert caught.value.exists
