"""Which causes the list of failures must show of each document, and nothing else."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping

from sandbox.worlds.model import ExpectedInvoice, ExpectedPayment, World

Shown = Mapping[tuple[str, str], frozenset[str]]
"""(stage, AvidXchange id) to the codes of the open causes."""


def cause_differences(world: World, shown: Shown) -> list[str]:
    """Every document that shows other causes than it must, in a sentence."""
    differences = [
        f"{' and '.join(labels)}: shown {_listed(found)}, expected {_listed(wanted)}."
        for labels, wanted, found in _compared(world, shown)
        if found != wanted
    ]
    known = {("invoices", str(item.id)) for item in world.expected.invoices.values()}
    known |= {("payments", str(item.id)) for item in world.expected.payments.values()}
    others = {key: codes for key, codes in shown.items() if codes and key not in known}
    return differences + [f"{stage} {number}: shown {_listed(codes)}, expected nothing." for (stage, number), codes in others.items()]


def _compared(world: World, shown: Shown) -> Iterator[tuple[list[str], frozenset[str], frozenset[str]]]:
    """What belongs together, with the causes that it must show and shows. Of two twins either may be the one that is parked."""
    for group in twins(world.expected.invoices.values()):
        found = (shown.get(("invoices", str(item.id)), frozenset()) for item in group)
        wanted = frozenset[str]().union(*(item.fate.causes for item in group))
        yield [f"invoice {item.number} ({item.id})" for item in group], wanted, frozenset[str]().union(*found)
    for payment in world.expected.payments.values():
        yield [f"payment {payment.id}"], payment.fate.causes, shown.get(("payments", str(payment.id)), frozenset())


def twins(invoices: Iterable[ExpectedInvoice]) -> Iterator[list[ExpectedInvoice]]:
    """The invoices, those of one vendor and number together where one of them must be parked for it."""
    groups: dict[object, list[ExpectedInvoice]] = defaultdict(list)
    for item in invoices:
        groups[item.company, item.invoice_account, item.number.casefold() or item.id].append(item)
    for group in groups.values():
        if any(item.fate.why == "duplicate-number" for item in group):
            yield group
        else:
            yield from ([item] for item in group)


def causes_of(documents: Iterable[ExpectedInvoice | ExpectedPayment]) -> frozenset[str]:
    """All causes that the documents must show."""
    return frozenset[str]().union(*(item.fate.causes for item in documents))


def _listed(codes: frozenset[str]) -> str:
    return ", ".join(sorted(codes)) or "nothing"
