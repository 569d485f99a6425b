"""Ways to break the product, as data: what is replaced where, and a simulation that shows the damage.

`python -m sandbox.simulator.sabotage` finds such a simulation; a test plays each one. So it is known that the simulator bites.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True)
class Sabotage:
    """`module` (dotted) with each text of `swaps` replaced by the other; each must stand there exactly once.

    `seed` is of a scenario that shows it, None for one that is not known yet; with `flow` its faults strike that stage.
    """

    name: str
    module: str
    swaps: tuple[tuple[str, str], ...]
    seed: int | None = None
    flow: str = ""


SABOTAGES: Final[Sequence[Sabotage]] = (
    Sabotage(
        "the look before a write is left out",
        "sync.engine.attempt",
        (("            seen = piece.look(self._view)\n", "            seen: Sight = Nothing()\n"),),
        seed=0,
        flow="invoices",
    ),
    Sabotage(
        "the watermark is moved before the documents are durable",
        "sync.engine.deliver",
        (
            (
                "in self._delivery.discover():\n            self._note(discovery)",
                "in [*self._delivery.discover(), self._delivery.discovered()][:-1]:\n            self._note(discovery)",
            ),
        ),
        seed=0,
    ),
    Sabotage(
        "another worker's claim is taken for our own",
        "sync.engine.attempt",
        (
            ("case State.CLAIMED if self.record.owner != self._owner:", "case State.CLAIMED if self.record.owner == self._owner:"),
            ("case State.FOUND | State.PARKED | State.RETRYING:", "case State.FOUND | State.PARKED | State.RETRYING | State.CLAIMED:"),
        ),
        seed=28,
    ),
    Sabotage(
        "a write without an answer is sent again",
        "sync.http.retry",
        (('    "unclear": (_R, _L),\n', '    "unclear": (_R, _R),\n'),),
        seed=18,
        flow="invoices",
    ),
    Sabotage(
        "a write answered 503 is sent again",
        "sync.http.retry",
        (('    "503": (_R, _L),\n', '    "503": (_R, _R),\n'),),
        seed=54,
        flow="payments",
    ),
    Sabotage(
        "Retry-After is clamped to a minute",
        "sync.http.retry",
        (("return _after(now, int(whole) +", "return _after(now, min(60, int(whole)) +"),),
        seed=5,
    ),
    Sabotage(
        "the gate is not made durable",
        "sync.http.client",
        (("        self._gates.close(self.host, moment)\n", ""),),
        seed=5,
    ),
    Sabotage(
        "the gate is not waited for",
        "sync.http.client",
        (("            self._wait_for_gate(deadline)\n            slot =", "            slot ="),),
        seed=2,
    ),
    Sabotage(
        "a company is forgotten",
        "sync.stages.invoices",
        (("company) for company in slice_.connection.companies]", "company) for company in slice_.connection.companies[1:]]"),),
        seed=0,
    ),
    Sabotage(
        "a payment's cents are rounded away",
        "sync.stages.payments.target",
        (('        "DebitAmount": plan.amount,\n', '        "DebitAmount": plan.amount.quantize(Decimal(1)),\n'),),
        seed=0,
    ),
    Sabotage(
        "a line's cents are rounded away",
        "sync.stages.invoices.target",
        (('        "Amount": line.amount,\n', '        "Amount": line.amount.quantize(line.amount.scaleb(2)),\n'),),
        seed=0,
    ),
    Sabotage(
        "a write that was not found is believed absent at once",
        "sync.engine.attempt",
        (("        if self._now() < sent_at + self._settle_time:\n            self._wait()\n            return False\n", ""),),
        seed=28,
    ),
    Sabotage(
        "one look is enough",
        "sync.engine.attempt",
        (("        if self.record.looks + 1 < 2:\n", "        if self.record.looks + 1 < 1:\n"),),
        seed=60,
    ),
    Sabotage(
        "what is unknown is examined anew without a look",
        "sync.engine.attempt",
        (
            (
                "            case State.UNKNOWN:\n                self._settle()\n",
                "            case State.UNKNOWN:\n                self._fresh()\n",
            ),
        ),
        seed=60,
    ),
    Sabotage(
        "the intent is not stored",
        "sync.engine.attempt",
        (
            ("        return self._claim(step, changes, reservation.extra)\n", "        return True\n"),
            ("if sent_at is None or self._now() - sent_at", "if sent_at is not None and self._now() - sent_at"),
        ),
        seed=0,
    ),
    Sabotage(
        "a batch is acknowledged whatever became of its invoices",
        "sync.stages.invoices.acknowledgement",
        ((" and batch_key(row.guid) not in blocked and", " and"),),
        seed=2,
        flow="invoices",
    ),
    Sabotage(
        "a written invoice takes a new version",
        "sync.engine.deliver",
        (("        if record.state in NOT_YET_WRITTEN and not record.progress:\n", "        if record.state is not State.POSTED:\n"),),
        seed=1,
    ),
    Sabotage(
        "the discount is forgotten",
        "sync.stages.payments.target",
        (("return (amount, item.discount) if policies", "return (amount, item.discount * 0) if policies"),),
        seed=49,
    ),
    Sabotage(
        "settlements have the other sign",
        "sync.stages.payments.target",
        (("policies.settlement_sign is SettlementSign.AS_PAYMENT else", "policies.settlement_sign is not SettlementSign.AS_PAYMENT else"),),
        seed=0,
    ),
    Sabotage(
        "a settlement row that D365 left away is not repaired",
        "sync.stages.payments",
        (("        if not settlements.missing(record):\n", "        if True:\n"),),
        seed=8,
    ),
    Sabotage(
        "line numbers are not taken with the claim",
        "sync.stages.payments.journals",
        (("str(number)}, (Replace(self._row(taken)),))", "str(number)}, ())"), ("            number += 1\n", "            break\n")),
        seed=17,
        flow="payments",
    ),
    Sabotage(
        "a lost journal is made anew",
        "sync.stages.payments.journals",
        (
            ("        if left > timedelta(0):\n", "        if left > timedelta(9):\n"),
            ("        if apart > timedelta(0):", "        if apart > timedelta(9):"),
        ),
        seed=84,
        flow="payments",
    ),
    Sabotage(
        "a record moves without its audit row",
        "sync.ledger.changes",
        (("    return [*own, *steps, *_work(before, now)", "    return [*own, *_work(before, now)"),),
        seed=0,
    ),
    Sabotage(
        "the audit chain forgets the row before",
        "sync.ledger.audit",
        (("    mac = mac_of(key, head.mac, numbered)\n", '    mac = mac_of(key, "", numbered)\n'),),
        seed=0,
    ),
    Sabotage(
        "credentials get into an error",
        "sync.http.client",
        (("{request.url.split('?')[0]}: {ending}\"", '{request.url} {dict(self._credentials())}: {ending}"'),),
        seed=4,
    ),
    Sabotage(
        "rows count as sent before they are",
        "sync.engine.mirror_crawl",
        (
            (
                "        self._send(sorted_)\n",
                (
                    "        for sending in sorted_.sendings:\n"
                    "            memory.put(sending.key, Entry(sending.version, crawl.number, Flag.OURS))\n"
                    "        self._ground.save()\n"
                    "        self._send(sorted_)\n"
                ),
            ),
        ),
        seed=21,
    ),
    Sabotage(
        "only the first page is read",
        "sync.d365.client",
        (("            url = page.next_link\n", '            url = ""\n'),),
        seed=8,
    ),
    Sabotage(
        "an unclear upsert counts as sent",
        "sync.engine.mirror_crawl",
        (
            (
                "replace(there, flags=there.flags | Flag.OURS | Flag.UNCLEAR)",
                "Entry(sending.version, before.seen, Flag.OURS)",
            ),
        ),
        seed=7,
        flow="vendors",
    ),
    Sabotage(
        "what others entered in AvidXchange is deactivated",
        "sync.engine.mirror_gone",
        (("            if Flag.OURS not in known.flags:\n", "            if Flag.OURS in Flag.NONE:\n"),),
        seed=0,
    ),
    Sabotage(
        "dimension values stand in another order",
        "sync.d365.dimensions",
        (("self.delimiter) for name in names)", "self.delimiter) for name in reversed(names))"),),
        seed=0,
    ),
)
