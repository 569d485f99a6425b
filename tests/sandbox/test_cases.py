"""Every check of invoices and every state of payments has a case in the demo's worlds, and each case ends with exactly its causes."""

import ast
from collections.abc import Iterator
from functools import cache
from itertools import product
from pathlib import Path

import pytest

import sync
from sandbox.simulator.deployment import Deployment, deploy
from sandbox.simulator.seams import VirtualClock
from sandbox.worlds.contoso_cases import build_contoso_cases, contoso_goes_on
from sandbox.worlds.cycle import third_cycle
from sandbox.worlds.firm_payments import FIRST_ID
from sandbox.worlds.firm_payments import KINDS as PLAIN_KINDS
from sandbox.worlds.firm_setup import ISSUE_COMPANY
from sandbox.worlds.model import ExpectedInvoice, ExpectedPayment, World
from sandbox.worlds.more_payments import MORE_PAYMENT_KINDS, every_state
from sandbox.worlds.property_firm import PropertyFirmSize, build_property_firm
from sandbox.worlds.truth import compare
from sandbox.worlds.truth_causes import cause_differences, twins
from sync.avid.models import PaymentKind
from sync.avid.profile import shipped_profile
from sync.cause_kinds import KINDS, RANKS
from sync.d365.reference import RULES, Reason
from sync.ledger.model import Record, State
from sync.stages.invoices.checks import said
from sync.verbs.failures import Group, failures
from sync.verbs.text import lines_of
from tests.proof.virtual import failures as open_causes
from tests.proof.virtual import records, run

SYNC = Path(sync.__file__).parent
EVERY_CASE = PropertyFirmSize(vendors=90, accounts=60, buildings=24, invoices=110, payments=230, cases=True)
"""As many documents as the cases need, and some plain ones."""
CHECKS = ("stages/invoices", "stages/payments", "engine/attempt.py", "d365/errors.py")
"""Where causes of invoices and payments come from."""
NO_CASE = {
    "outcome-unknown": "passes by itself; the demo's lost replies meet it, tests/stages/test_invoices.py looks at it",
    "dimension-segments": "D365's own formats would have to change between two requests: tests/stages/test_invoices_trouble.py",
}
"""Causes of documents that do not last to the end of a cycle."""


# --- the list of causes ----------------------------------------------------------------------------------------------------------


def codes_in(*places: str) -> set[str]:
    """The codes of causes that the product's modules name."""
    nodes = (node for path in files(*places) for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))))
    return {node.value for node in nodes if isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value in KINDS}


def files(*places: str) -> Iterator[Path]:
    for place in places:
        yield from [SYNC / place] if place.endswith(".py") else sorted((SYNC / place).glob("*.py"))


def test_every_cause_of_a_document_has_a_case() -> None:
    found = {code for world in worlds_at_the_end() for item in documents(world) for code in item.fate.causes}
    assert codes_in(*CHECKS) - found == set(NO_CASE)
    assert found <= codes_in(*CHECKS)


def test_every_cause_is_named_somewhere_in_the_product() -> None:
    assert codes_in("stages", "stages/invoices", "stages/payments", "engine", "d365") == set(KINDS)


@pytest.mark.parametrize("code", KINDS)
def test_every_cause_says_to_a_person_what_is_wrong_what_to_do_and_who_can(code: str) -> None:
    kind = KINDS[code]
    assert len(kind.title.split()) >= 4
    assert len(kind.remedy.split()) >= 6
    assert kind.remedy.endswith(".")
    assert not kind.title.endswith(".")
    assert not {"digest", "payload", "hash", "claim", "settlement row", "entity"} & {kind.title, *kind.remedy.split()}
    assert kind.who.value not in kind.remedy, "who does it stands on a line of its own"


# --- the worlds after their cycles -----------------------------------------------------------------------------------------------


@cache
def worlds_at_the_end() -> tuple[World, World]:
    """Both worlds after their third cycles."""
    return tuple(deployment_at_the_end().worlds.values())  # type: ignore[return-value]  # the two that were added


@cache
def deployment_at_the_end() -> Deployment:
    """The demo's three cycles in virtual time. The truths must agree, causes included, after each."""
    deployment = deploy(VirtualClock())
    now = deployment.clock.now
    firm = build_property_firm(7, now(), size=EVERY_CASE, now=now)
    contoso = build_contoso_cases(now(), now=now)
    for world in (firm, contoso):
        deployment.add(world)
    for _ in range(2):
        run(deployment)
        assert_as_expected(deployment)
        deployment.clock.advance(minutes=20)
    third_cycle(firm)
    contoso_goes_on(contoso)
    run(deployment)
    assert_as_expected(deployment)
    return deployment


def assert_as_expected(deployment: Deployment) -> None:
    for world in deployment.worlds.values():
        comparison = compare(world)
        assert comparison.agrees, comparison.differences
        shown = {key: frozenset(cause.code for cause in found.causes) for key, found in by_id(deployment, world).items()}
        assert cause_differences(world, shown) == []


def by_id(deployment: Deployment, world: World) -> dict[tuple[str, str], Record]:
    stages = ("invoices", "payments")
    found = [record for stage in stages for record in records(deployment, stage) if record.place.connection == world.connection["id"]]
    return {(record.place.stage, record.source_id): record for record in found}


def documents(world: World) -> list[ExpectedInvoice | ExpectedPayment]:
    return [*world.expected.invoices.values(), *world.expected.payments.values()]


def test_each_case_ends_with_exactly_its_causes_and_in_its_state() -> None:
    deployment = deployment_at_the_end()
    states: dict[str, set[State | None]] = {
        "write": {State.WRITTEN, State.POSTED},
        "adopt": {State.ADOPTED},
        "park": {State.PARKED},
        "leave": {None, State.PARKED, State.OUT_OF_SCOPE, State.WITHDRAWN, State.WRITTEN},
    }
    for world in deployment.worlds.values():
        found = by_id(deployment, world)
        pairs = [group for group in twins(world.expected.invoices.values()) if len(group) > 1]
        assert pairs or not any(item.fate.why == "duplicate-number" for item in documents(world))
        for pair in pairs:
            ended = [found["invoices", str(item.id)].state for item in pair]
            assert sum(state in states["write"] for state in ended) == 1, pair
            assert ended.count(State.PARKED) == len(pair) - 1, pair
        of_pairs = {id(item) for pair in pairs for item in pair}
        for item in documents(world):
            if id(item) not in of_pairs:
                record = found.get(("invoices" if isinstance(item, ExpectedInvoice) else "payments", str(item.id)))
                assert (record.state if record else None) in states[item.fate.action], item


def test_the_firm_in_full_has_every_case_and_a_size_without_them_none_of_their_settings() -> None:
    now = VirtualClock().now
    full, plain = build_property_firm(7, now(), size=PropertyFirmSize.full()), build_property_firm(7, now())
    with_cases = build_property_firm(7, now(), size=EVERY_CASE)
    assert codes(with_cases) <= codes(full)
    assert "first_open_day" not in str(plain.connection)
    assert "on_issue" not in str(plain.connection)
    assert not plain.cases


def codes(world: World) -> set[str]:
    return {code for item in documents(world) for code in item.fate.causes}


# --- the finer grain -------------------------------------------------------------------------------------------------------------


REASONS = [
    (what, reason) for what in ("main account", "Building") for reason in RULES if (what, reason) != ("main account", "other company")
]
"""A chart of accounts is the company's own."""


@pytest.mark.parametrize(("what", "reason"), REASONS)
def test_every_reason_why_a_code_cannot_be_used_has_a_case(what: str, reason: Reason) -> None:
    sentences = [failure.cause.sentence for failure in open_causes(deployment_at_the_end())]
    day = VirtualClock().now().date()
    words = said(reason, day).partition(" on ")[0]
    assert any(what in sentence and words in sentence for sentence in sentences), words


STATUSES = [text for text in shipped_profile().payment_statuses if not text.endswith("*")]
KINDS_OF_PAYMENT = [kind for kind in PaymentKind if kind is not PaymentKind.UNKNOWN]


@pytest.mark.parametrize("status", [*STATUSES, "Void", "Void Requested", "Voided", "Returned to Sender"])
def test_every_status_comes_with_every_method_under_both_policies(status: str) -> None:
    profile = shipped_profile()
    world = build_property_firm(7, VirtualClock().now(), size=EVERY_CASE)
    seen = set()
    for payment in world.avid.payments.values():
        company = world.company(world.expected.payments[payment.id].company)
        kind = profile.payment_kind(payment.method)
        if payment.status == status and kind in company["payment_methods"]:
            seen.add((kind, company["payment_methods"][kind]["policy"]))
    assert seen == {*product(KINDS_OF_PAYMENT, ("on_settled", "on_issue"))}


WAITS = frozenset({"not-settled", "issued-too-long"})
NOTHING = frozenset[str]()
FATES: dict[tuple[str, str], tuple[State | None, frozenset[str]]] = {
    **{(state, policy): (None, NOTHING) for state in ("pending", "in_flight") for policy in ("on_settled", "on_issue")},
    **{("voided", policy): (State.OUT_OF_SCOPE, NOTHING) for policy in ("on_settled", "on_issue")},
    **{("settled", policy): (State.WRITTEN, NOTHING) for policy in ("on_settled", "on_issue")},
    **{("error", policy): (State.PARKED, frozenset({"payment-error"})) for policy in ("on_settled", "on_issue")},
    **{("unknown", policy): (State.PARKED, frozenset({"payment-status"})) for policy in ("on_settled", "on_issue")},
    ("issued", "on_settled"): (State.PARKED, WAITS),
    ("issued", "on_issue"): (State.WRITTEN, NOTHING),
}
"""contracts/avidxchange.md §3, Payments, written down once more: the state in the ledger and the causes that are possible."""
MOVED = {"payment-reversed", "written-gone"}


@pytest.mark.parametrize(("state", "policy"), FATES)
def test_the_table_of_states_is_kept_under_every_policy(state: str, policy: str) -> None:
    firm, found = worlds_at_the_end()[0], by_id(deployment_at_the_end(), worlds_at_the_end()[0])
    wanted, causes = FATES[state, policy]
    checked = 0
    for payment_id in payments_in_every_state(firm):
        expected, payment = firm.expected.payments[payment_id], firm.avid.payments[payment_id]
        its_policy = "on_issue" if expected.company == ISSUE_COMPANY.area else "on_settled"
        its_state = shipped_profile().payment_state(payment.status).value
        if (its_state, its_policy) == (state, policy) and not MOVED & {*expected.fate.reported}:
            record = found.get(("payments", str(payment_id)))
            checked += 1
            assert (record.state if record else None) in ({wanted, State.POSTED} if wanted is State.WRITTEN else {wanted})
            assert {cause.code for cause in record.causes} <= causes if record else not causes
    assert checked >= len(KINDS_OF_PAYMENT)


def payments_in_every_state(world: World) -> list[int]:
    """The ids of the payments that `every_state` made."""
    begin = FIRST_ID + len(PLAIN_KINDS) + len(MORE_PAYMENT_KINDS)
    return [payment_id for payment_id in world.avid.payments if begin <= payment_id < begin + len(every_state())]


# --- the list that a person reads ------------------------------------------------------------------------------------------------


def list_of_failures() -> list[str]:
    return lines_of(failures(deployment_at_the_end().worker(), "thornquill"))


def test_what_is_in_d365_and_not_as_it_was_stands_first_and_says_whether_the_journal_is_posted() -> None:
    first, *_ = failures(deployment_at_the_end().worker(), "thornquill").groups
    assert first.code == "payment-reversed"
    lines = list_of_failures()
    assert lines[2] == "== Already in D365, and not as it was: look at these first"
    assert lines[4].startswith("A payment that is in D365 already was voided, failed or changed in AvidXchange: 7 cases, ")
    whole = failures(deployment_at_the_end().worker(), "thornquill", cause="payment-reversed", examples=None)
    sentences = [example.sentence for group in whole.groups for example in group.examples]
    assert sum(sentence.endswith(" is posted.") for sentence in sentences) >= 1
    assert sum(sentence.endswith(" is not posted.") for sentence in sentences) >= 5


def test_the_list_is_made_for_a_person() -> None:
    lines = list_of_failures()
    assert max(map(len, lines)) <= 118
    assert [line for line in lines if line.startswith("==")] == [f"== {heading}" for heading in RANKS.values()]
    text = "\n".join(lines)
    for word in ("None", "Decimal", "BuyerVendor", "GrossAmount", "payload", "digest"):
        assert word not in text, word
    assert text.count("  To do: ") == text.count("  Who:   ") == len({group.code for group in failures_of_all()})


def failures_of_all() -> tuple[Group, ...]:
    return failures(deployment_at_the_end().worker(), "thornquill").groups


def test_what_clears_by_itself_asks_nobody_to_act() -> None:
    groups = {group.code: group for group in failures_of_all()}
    assert groups["payment-error-clears"].rank == groups["not-settled"].rank == 4
    assert groups["payment-error-clears"].who == "nobody has to do anything"
    assert "Address is being verified (reason 4)" in groups["payment-error-clears"].examples[0].sentence
    assert groups["payment-error"].who == "accounts payable"
