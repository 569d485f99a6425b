"""Whoever can write the storage but has no key is found out, up to the last seal, and told by record or by day."""

import json
from collections.abc import Callable
from datetime import timedelta

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from sync.ledger.model import Place
from sync.ledger.rows import audit_key, day_key, head_key, record_key
from sync.storage.model import Change, Delete, Insert, Replace, Row, Upsert, Value
from tests.ledger.bench import Bench, edited, local_bench
from tests.ledger.sealing import Trail, day, lived
from tests.storage.support import START

Hand = Callable[[Trail], None]


def edit_a_step(trail: Trail) -> None:
    trail.write(trail.bench.place, Upsert(edited(trail.bench.row(audit_key("k1", 2)), Note="Another note.")))


def delete_a_step(trail: Trail) -> None:
    trail.write(trail.bench.place, Delete(audit_key("k1", 2)))


def delete_a_step_and_its_day_entry(trail: Trail) -> None:
    trail.write(trail.bench.place, Delete(audit_key("k1", 2)), Delete(day_key(START, "k1", 2)))


def cut_the_tail(trail: Trail, *, with_the_index: bool = True) -> None:
    """The last two steps of k1 are gone and its record ends before them."""
    bench = trail.bench
    before = bench.row(audit_key("k1", 3)).values
    gone = [Delete(audit_key("k1", number)) for number in (4, 5)]
    entries = [Delete(day_key(START + timedelta(days=3), "k1", number)) for number in (4, 5)] if with_the_index else []
    head = edited(bench.row(record_key("k1")), Seq=before["Seq"], Mac=before["Mac"])
    trail.write(bench.place, *gone, *entries, Upsert(head))


def cut_the_tail_but_not_the_index(trail: Trail) -> None:
    cut_the_tail(trail, with_the_index=False)


def forget_a_record(trail: Trail) -> None:
    trail.forget(trail.bench.place, "k2")


def forget_a_sent_vendor(trail: Trail) -> None:
    trail.forget(trail.vendors, "v2")


def forget_a_record_but_not_its_index(trail: Trail) -> None:
    place = trail.bench.place
    trail.write(place, *(Delete(row.key) for row in trail.rows(place) if "k2" in row.key and not row.key.startswith("d:")))


def forget_a_place(trail: Trail) -> None:
    trail.write(trail.vendors, *(Delete(row.key) for row in trail.rows(trail.vendors)))


def swap_two_steps(trail: Trail) -> None:
    two, three = trail.bench.row(audit_key("k1", 2)), trail.bench.row(audit_key("k1", 3))
    trail.write(
        trail.bench.place,
        Upsert(Row(two.partition, two.key, {**three.values, "Seq": 2})),
        Upsert(Row(three.partition, three.key, {**two.values, "Seq": 3})),
    )


def swap_two_records(trail: Trail) -> None:
    """Each has the whole life of the other: steps, index, and the end that its record names."""
    bench, place = trail.bench, trail.bench.place
    rows = trail.rows(place, "a:") + trail.rows(place, "d:")
    changes: list[Change] = []
    for mine, other in (("k1", "k2"), ("k2", "k1")):
        theirs = [row for row in rows if f":{other}:" in row.key]
        changes += [Upsert(Row(row.partition, row.key.replace(other, mine), {**row.values, "Key": mine})) for row in theirs]
        end = bench.row(record_key(other)).values
        changes.append(Upsert(edited(bench.row(record_key(mine)), Seq=end["Seq"], Mac=end["Mac"])))
    trail.write(place, *changes)


def swap_two_places(trail: Trail) -> None:
    """All of the invoices lies where the vendors' is."""
    invoices = trail.rows(trail.bench.place)
    forget_a_place(trail)
    trail.write(trail.vendors, *(Insert(edited(row, partition=trail.vendors.partition)) for row in invoices))


def add_a_step(trail: Trail) -> None:
    last = trail.bench.row(audit_key("k1", 5))
    trail.write(trail.bench.place, Upsert(Row(last.partition, audit_key("k1", 6), {**last.values, "Seq": 6})))


def move_a_step_on_by_its_key(trail: Trail) -> None:
    last = trail.bench.row(audit_key("k1", 5))
    trail.write(trail.bench.place, Delete(last.key), Upsert(Row(last.partition, audit_key("k1", 6), last.values)))


def delete_a_day_entry(trail: Trail) -> None:
    trail.write(trail.bench.place, Delete(day_key(START, "k1", 1)))


def add_a_day_entry(trail: Trail) -> None:
    row = trail.bench.row(day_key(START, "k1", 1))
    trail.write(trail.bench.place, Insert(Row(row.partition, day_key(START + timedelta(days=2), "k1", 1), row.values)))


def add_an_entry_of_no_day(trail: Trail) -> None:
    trail.write(trail.bench.place, Insert(Row(trail.bench.place.partition, "d:202603xx:k1:00000001", {"Key": "k1", "Seq": 1})))


def forget_the_record_only(trail: Trail) -> None:
    trail.write(trail.bench.place, Delete(record_key("k1")))


def give_a_chain_a_second_end(trail: Trail) -> None:
    values = {name: trail.bench.row(record_key("k1")).values[name] for name in ("Seq", "Mac")}
    trail.write(trail.bench.place, Insert(Row(trail.bench.place.partition, head_key("k1"), values)))


def forge_what_retention_leaves(trail: Trail) -> None:
    """The first three steps are gone as if retention had taken them."""
    bench = trail.bench
    third = bench.row(audit_key("k1", 3)).values
    values: dict[str, Value] = {"Key": "k1", "Seq": 3, "Mac": third["Mac"], "At": START, "KeyId": "one", "RemovedCode": "0" * 64}
    trail.write(
        bench.place,
        Upsert(Row(bench.place.partition, audit_key("k1", 1), values)),
        *(Delete(audit_key("k1", number)) for number in (2, 3)),
        *(Delete(row.key) for row in trail.rows(bench.place, "d:") if row.key.endswith(("k1:00000001", "k1:00000002", "k1:00000003"))),
    )


def delete_all_steps_of_a_record(trail: Trail) -> None:
    """They and their places in the index; the record itself is left."""
    trail.write(
        trail.bench.place, *(Delete(row.key) for prefix in ("a:", "d:") for row in trail.rows(trail.bench.place, prefix) if "k1" in row.key)
    )


def edit_a_seal(trail: Trail) -> None:
    trail.relog([line.replace(b'[8,"', b'[9,"').replace(b'"number":2', b'"number":7') for line in trail.lines()])


def cut_the_first_seal(trail: Trail) -> None:
    trail.relog(trail.lines()[1:])


def cut_a_seal_in_the_middle(trail: Trail) -> None:
    trail.relog([trail.lines()[0], trail.lines()[2]])


def cut_the_last_seal(trail: Trail) -> None:
    trail.relog(trail.lines()[:-1])


def delete_the_log(trail: Trail) -> None:
    trail.relog([])


def delete_the_head_of_the_seals(trail: Trail) -> None:
    trail.set_head(None)


def edit_the_head_of_the_seals(trail: Trail) -> None:
    trail.set_head(edited(trail.seal_head(), Through=day(0).isoformat()))


ONE = "k1: "
DAY_ZERO, DAY_THREE = "2026-03-05", "2026-03-08"
TAMPERING: dict[str, tuple[Hand, str]] = {
    "a step is edited": (edit_a_step, f"{ONE}Step 2 (step) was changed"),
    "a step is deleted": (delete_a_step, f"{ONE}After step 1 comes step 3: 1 missing."),
    "a step is deleted with its entry": (delete_a_step_and_its_day_entry, f"The seal of {DAY_ZERO} of"),
    "a tail is cut": (cut_the_tail, f"The seal of {DAY_THREE} of"),
    "a tail is cut, the index is not": (cut_the_tail_but_not_the_index, f"{ONE}Step 5 of {DAY_THREE} is gone."),
    "a record is gone with all its rows": (forget_a_record, f"The seal of {DAY_ZERO} of"),
    "a sent vendor is gone with all its rows": (forget_a_sent_vendor, f"The seal of {DAY_ZERO} of"),
    "a record is gone, its index is not": (forget_a_record_but_not_its_index, f"k2: Step 1 of {DAY_ZERO} is gone."),
    "a place is gone with all its rows": (forget_a_place, f"The seal of {DAY_ZERO} of contoso/vendors/usmf counts 3 steps, there are 0."),
    "two steps are swapped": (swap_two_steps, f"{ONE}Step 2 (step) was changed"),
    "two records are swapped": (swap_two_records, f"{ONE}Step 1 (found) was changed"),
    "two places are swapped": (swap_two_places, f"The seal of {DAY_ZERO} of contoso/vendors/usmf"),
    "a step is added": (add_a_step, f"{ONE}Step 6 (posted) was changed"),
    "a step lies under another number": (move_a_step_on_by_its_key, f"{ONE}The step in row a:k1:00000006 cannot be read"),
    "a day entry is deleted": (delete_a_day_entry, f"{ONE}Step 1 of {DAY_ZERO} is not in the index of that day."),
    "a day entry is added": (add_a_day_entry, "2026-03-07 of contoso/invoices/usmf has 1 steps that are in no seal"),
    "a day entry of no day is added": (add_an_entry_of_no_day, "202603xx of contoso/invoices/usmf"),
    "a record is gone, its steps are not": (forget_the_record_only, f"{ONE}The record itself is not there, its steps are still there."),
    "a chain has two ends": (give_a_chain_a_second_end, f"{ONE}Two rows name the last step of it."),
    "all steps of a record are deleted": (
        delete_all_steps_of_a_record,
        f"{ONE}The record's last step is 5, the last one there is 0: 5 missing.",
    ),
    "a removal is forged": (forge_what_retention_leaves, f"{ONE}What stands for the steps that retention removed was changed"),
    "a seal is edited": (edit_a_seal, "Seal 2 of contoso (before that of 2026-03-08) was taken away or changed"),
    "the first seal is cut": (cut_the_first_seal, "Seal 1 of contoso (before that of 2026-03-06) was taken away or changed"),
    "a seal in the middle is cut": (cut_a_seal_in_the_middle, "Seal 2 of contoso (before that of 2026-03-08) was taken away"),
    "the last seal is cut": (cut_the_last_seal, "Seal 3 of contoso (the last one) was taken away"),
    "the log is deleted": (delete_the_log, "Seal 1 of contoso was taken away"),
    "the head of the seals is deleted": (delete_the_head_of_the_seals, "The row that names the last seal of contoso was taken away"),
    "the head of the seals is edited": (edit_the_head_of_the_seals, "The row that names the last seal of contoso was changed"),
}
ON_THE_REAL_PROTOCOL = ("a step is edited", "a tail is cut", "a record is gone with all its rows", "the last seal is cut")


def test_a_place_without_a_step_on_a_day_is_no_problem_of_that_day(bench: Bench) -> None:
    trail = lived(bench)
    chain = bench.seals.chain(trail.connection)
    new_company = Place(trail.connection, "invoices", "USSI")
    assert [problem for number in range(5) for problem in bench.proof.seal(new_company, day(number), chain)] == []


@pytest.mark.parametrize("name", TAMPERING)
def test_it_is_found_and_told(bench: Bench, name: str) -> None:
    hand, told = TAMPERING[name]
    trail = lived(bench)
    hand(trail)
    problems = trail.problems()
    assert [problem for problem in problems if problem.startswith(told)], problems


@pytest.mark.parametrize("name", ON_THE_REAL_PROTOCOL)
def test_it_is_found_on_both_storages(either: Bench, name: str) -> None:
    hand, told = TAMPERING[name]
    trail = lived(either)
    hand(trail)
    told = told.replace("contoso", trail.connection)
    assert [problem for problem in trail.problems() if problem.startswith(told)]


def test_a_whole_deployment_set_back_to_an_earlier_day_shows_by_the_seals_that_are_left(bench: Bench) -> None:
    trail = lived(bench)
    earlier = trail.seal_head()
    [record] = [bench.ledger.get(bench.place, "k3")]
    assert record is not None
    for number in (6, 7, 8):
        trail.go_to(number)
        record = trail.step(record, "Later.")
    trail.go_to(10)
    assert len(trail.seal(9)) == 3
    trail.set_head(earlier)
    assert any("was set back to seal 3: there is seal 6" in problem for problem in trail.problems())


def test_a_head_set_back_by_one_seal_does_not_open_its_day(bench: Bench) -> None:
    trail = Trail(bench)
    trail.live()
    trail.seal(2)
    earlier = trail.seal_head()
    trail.seal(4)
    trail.set_head(earlier)
    assert trail.problems() == [], "its line holds, whether the head names it or not"
    cut_the_tail(trail)
    assert any(problem.startswith(f"The seal of {DAY_THREE} of") for problem in trail.problems())
    trail.seal(4)
    assert f"{DAY_THREE} of contoso was sealed before with other steps: the seals were set back." in trail.problems()


def test_another_life_on_a_sealed_day_shows(bench: Bench) -> None:
    """The record is set back, and the connector itself goes on with it by a clock that was set back too: only the seal can tell."""
    trail = Trail(bench)
    trail.live()
    now = bench.clock.now()
    trail.go_to(3)
    trail.seal(4)
    cut_the_tail(trail)
    for name in ("One", "Two"):
        record = bench.ledger.get(bench.place, "k1")
        assert record is not None
        trail.step(record, f"{name}, otherwise.")
    bench.clock.time = now
    assert trail.problems() == [f"Steps of {DAY_THREE} of contoso/invoices/usmf were changed, taken away or added since it was sealed."]


def test_seals_that_begin_anew_do_not_hide_the_old_ones(bench: Bench) -> None:
    trail = lived(bench)
    forget_a_record(trail)
    trail.set_head(None)
    assert len(trail.seal()) == 3
    assert [problem for problem in trail.problems() if "was sealed before with other steps" in problem]


def test_a_record_by_itself_tells_what_is_wrong_with_it(bench: Bench) -> None:
    trail = lived(bench)
    delete_a_day_entry(trail)
    trail.write(bench.place, Upsert(edited(bench.row(day_key(START, "k1", 2)), Mac="0" * 64)))
    assert [problem.sentence for problem in bench.proof.record(bench.place, "k1")] == [
        "Step 1 is not in the index of its day any more.",
        "Step 2 was changed in the index of its day.",
    ]
    assert bench.proof.record(bench.place, "k2") == []


OTHER: dict[type, Value] = {str: "0" * 64, int: 77, bool: True, bytes: b"x"}


def spoiled(row: Row, name: str, how: str) -> Row:
    """One property of the row is another, of another type, or gone."""
    value = row.values[name]
    if how == "gone":
        return Row(row.partition, row.key, {other: kept for other, kept in row.values.items() if other != name})
    other: Value = START + timedelta(days=77) if not isinstance(value, (str, int, bytes)) else OTHER[type(value)]
    typed: Value = 5 if isinstance(value, str) else "five"
    return Row(row.partition, row.key, {**row.values, name: other if how == "other" else typed})


@given(data=st.data())
@settings(max_examples=150, deadline=None)
def test_any_change_of_a_single_row_is_found(data: st.DataObject) -> None:
    trail = lived(local_bench()[0])
    places: list[Place] = [*trail.places]
    rows = [row for place in places for prefix in ("a:", "d:", "r:", "h:") for row in trail.rows(place, prefix)]
    row = data.draw(st.sampled_from([*rows, trail.seal_head()]))
    deleted = data.draw(st.booleans())
    heads = row.key.startswith(("r:", "h:"))
    names = ["Seq", "Mac"] if heads else sorted(row.values)
    name, how = data.draw(st.sampled_from(names)), data.draw(st.sampled_from(["other", "type", "gone"]))
    assume(row.values[name] != "{}" or how != "gone")  # no detail and an empty one say the same
    change = spoiled(row, name, how)
    trail.bench.tables.commit("ledger", row.partition, [Delete(row.key) if deleted else Upsert(change)])
    assert trail.problems()


@given(data=st.data())
@settings(max_examples=100, deadline=None)
def test_any_change_of_a_single_seal_is_found(data: st.DataObject) -> None:
    trail = lived(local_bench()[0])
    lines = trail.lines()
    number = data.draw(st.integers(0, len(lines) - 1))
    document = json.loads(lines[number])
    name = data.draw(st.sampled_from(sorted(document)))
    before = document[name]
    document[name] = data.draw(st.sampled_from([None, 0, 4, "x", "2026-03-09", [], {}, {"contoso/invoices/usmf": [1, "x"]}]))
    assume(document[name] != before)
    changed = json.dumps(document).encode() + b"\n"
    lines[number : number + 1] = data.draw(st.sampled_from([[changed], [], [b"damaged\n"]]))
    trail.relog(lines)
    assert trail.problems()


def test_the_whole_trail_in_order_has_no_problem(bench: Bench) -> None:
    trail = lived(bench)
    assert trail.problems() == []
    [row] = trail.rows(trail.bench.place, "r:k1")
    trail.write(trail.bench.place, Replace(row))
    assert trail.problems() == [], "a row written as it was is no change"
