"""A small firm whose reference data has been sent, and short ways to ask what became of a document."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Self

from sandbox.avid import AvidSwitches, Batch, Invoice
from sandbox.d365.switches import D365Switches
from sandbox.simulator.deployment import Deployment, cycle, deploy
from sandbox.simulator.seams import VirtualClock
from sandbox.worlds.model import ExpectedInvoice, ExpectedPayment, World
from sandbox.worlds.property_firm import PropertyFirmSize, build_property_firm
from sync.app import App
from sync.ledger.model import NO_COMPANY, Failure, Place, Record
from sync.stages.invoices.discovery import invoice_key
from sync.stages.payments.discovery import payment_key


@dataclass
class Firm:
    """One customer in a deployment of its own."""

    deployment: Deployment
    world: World
    app: App

    @classmethod
    def build(
        cls,
        seed: int = 1,
        switches: D365Switches | None = None,
        *,
        avid: AvidSwitches | None = None,
        size: PropertyFirmSize | None = None,
        **policies: object,
    ) -> Self:
        """A small firm before its first cycle."""
        deployment = deploy(VirtualClock())
        now = deployment.clock.now
        small = size or PropertyFirmSize.small()
        world = build_property_firm(seed, now(), size=small, now=now, d365_switches=switches, avid_switches=avid)
        deployment.add(world, **policies)
        return cls(deployment, world, deployment.worker())

    def configure(
        self, *, companies: Mapping[str, object] | None = None, avidxchange: Mapping[str, object] | None = None, **entries: object
    ) -> None:
        """Change the connection document: entries of every company, of `avidxchange`, and of the document itself."""
        stored = self.app.connections.read(self.world.connection["id"])
        assert stored is not None
        document = json.loads(stored.text)
        for company in document["companies"]:
            company.update(companies or {})
        document["avidxchange"].update(avidxchange or {})
        document.update(entries)
        self.app.connections.put(json.dumps(document))

    def cycle(self, minutes: float = 0) -> None:
        """Let time pass, then run everything once."""
        self.deployment.clock.advance(minutes=minutes)
        cycle(self.deployment, self.app)

    def to_write(self) -> ExpectedInvoice:
        """An invoice that is to be written, with several lines where there is one."""
        found = [item for item in self.world.expected.invoices.values() if item.fate.action == "write"]
        return max(found, key=lambda item: len(item.lines))

    def to_pay(self) -> ExpectedPayment:
        """A payment that is to be written, of several invoices where there is one."""
        found = [item for item in self.world.expected.payments.values() if item.fate.action == "write"]
        return max(found, key=lambda item: len(item.settlements))

    def invoice_place(self, item: ExpectedInvoice) -> Place:
        """Where the ledger keeps it."""
        return Place(self.world.connection["id"], "invoices", item.company.lower())

    @property
    def payment_place(self) -> Place:
        """Where the ledger keeps payments."""
        return Place(self.world.connection["id"], "payments", NO_COMPANY)

    def record(self, item: ExpectedInvoice | ExpectedPayment) -> Record:
        """What the ledger says of the document."""
        if isinstance(item, ExpectedInvoice):
            found = self.app.ledger.get(self.invoice_place(item), invoice_key(str(item.accounting_system), str(item.id)))
        else:
            found = self.app.ledger.get(self.payment_place, payment_key(str(item.id)))
        assert found is not None, f"{item} was not noted"
        return found

    def steps(self, item: ExpectedInvoice | ExpectedPayment) -> list[str]:
        """The names of its audit steps, in order; the chain must hold."""
        record = self.record(item)
        assert self.app.ledger.verify(record.place, record.key) == []
        return [row.step.name for row in self.app.ledger.history(record.place, record.key)]

    def failures(self, place: Place) -> list[Failure]:
        """The open causes."""
        return list(self.app.ledger.failures(place))

    def headers(self, item: ExpectedInvoice) -> list[object]:
        """The pending invoices with its number."""
        return list(self.world.d365.find("VendorInvoiceHeaders", dataAreaId=item.company.lower(), InvoiceNumber=item.number))

    def lines(self, item: ExpectedPayment) -> list[object]:
        """The journal lines with its PaymentId."""
        return list(self.world.d365.find("VendorPaymentJournalLines", PaymentId=str(item.id)))

    def close_again(self, item: ExpectedInvoice, invoices: Sequence[Invoice]) -> None:
        """Reopen the invoice's batch and close it with other content."""
        guid = self.closed_batch(item).guid
        self.world.avid.reopen_batch(guid)
        self.deployment.clock.advance(minutes=1)
        self.world.avid.close_batch(guid, invoices)

    def batch_of(self, item: ExpectedInvoice) -> list[Invoice]:
        """What the invoice's batch holds."""
        return self.closed_batch(item).invoices

    def closed_batch(self, item: ExpectedInvoice) -> Batch:
        """The batch that holds the invoice."""
        return next(batch for batch in self.world.avid.batches.values() for held in batch.invoices if held.id == item.id)
