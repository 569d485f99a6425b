"""Thornquill Property Partners, a made-up property-management firm: three companies on one shared chart, some sixty buildings."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from random import Random
from typing import Self

from sandbox.avid import AvidSwitches, AvidWorld
from sandbox.d365.switches import D365Switches
from sandbox.d365.world import D365World
from sandbox.web import Now
from sandbox.worlds.drafts import IMAGE_HOST
from sandbox.worlds.firm import Firm
from sandbox.worlds.firm_invoices import KINDS as INVOICE_KINDS
from sandbox.worlds.firm_invoices import add_invoices
from sandbox.worlds.firm_ledger import Ledger, add_ledger
from sandbox.worlds.firm_payments import KINDS as PAYMENT_KINDS
from sandbox.worlds.firm_payments import add_payments
from sandbox.worlds.firm_setup import CODE_GROUPS, COMPANIES, LEDGER_FORMAT, PLACEHOLDER, company_facts, set_up_avid, set_up_d365
from sandbox.worlds.firm_vendors import add_known_to_avid, add_vendors
from sandbox.worlds.model import ConnectionFacts, World, beginning_of
from sandbox.worlds.more_invoices import MORE_INVOICE_KINDS
from sandbox.worlds.more_payments import MORE_PAYMENT_KINDS, every_state

TENANT = "7d3f0a52-5c1e-4c0b-9a44-1f2b8e6d9a01"
CLIENT_ID = "2b9e6f7c-0d4a-4f6e-8a31-5c7d1e9b4f02"
ENVIRONMENT_URL = "https://thornquill.operations.dynamics.com"
AVID_HOST = "avidconnect.thornquill.example"


@dataclass(frozen=True)
class PropertyFirmSize:
    """How large the world is. The default is the firm in full."""

    vendors: int = 1_200
    accounts: int = 350
    buildings: int = 60
    invoices: int = 500
    payments: int = 300
    cases: bool = False
    """Whether there is a case of every cause that an invoice or a payment can be parked or reported for; some 60 and 200 of them."""

    @classmethod
    def full(cls) -> Self:
        """The firm in full, with every case: what the demo shows."""
        return cls(invoices=500, payments=400, cases=True)

    @classmethod
    def small(cls) -> Self:
        """The main kinds of everything, made in milliseconds."""
        return cls(vendors=30, accounts=40, buildings=18, invoices=12, payments=8)


def build_property_firm(
    seed: int,
    today: datetime,
    *,
    size: PropertyFirmSize | None = None,
    now: Now | None = None,
    d365_switches: D365Switches | None = None,
    avid_switches: AvidSwitches | None = None,
) -> World:
    """The firm as it stands on `today` (timezone-aware UTC). The same arguments give the same world; `now` is the systems' clock."""
    size, clock, rng = size or PropertyFirmSize(), now or (lambda: today), Random(seed)
    d365 = D365World(ENVIRONMENT_URL, TENANT, CLIENT_ID, clock, d365_switches)
    avid = AvidWorld(AVID_HOST, "thornquill-company-token", "thornquill-user-token", clock, avid_switches or AvidSwitches())
    day = today.date()
    set_up_d365(d365, day - timedelta(days=4_000))
    set_up_avid(avid)
    ledger = add_ledger(d365, rng, day, size.accounts, size.buildings)
    vendors = add_vendors(d365, rng, day, size.vendors)
    add_known_to_avid(avid, rng, vendors)
    _add_known_codes(avid, ledger)
    firm = Firm(d365, avid, rng, day, ledger, vendors, cases=size.cases)
    add_invoices(firm, size.invoices, {**INVOICE_KINDS, **MORE_INVOICE_KINDS} if size.cases else INVOICE_KINDS)
    add_payments(firm, size.payments, {**PAYMENT_KINDS, **MORE_PAYMENT_KINDS, **every_state()} if size.cases else PAYMENT_KINDS)
    return World(seed, today, d365, avid, _facts(firm), firm.expected, beginning_of(d365, avid), cases=size.cases)


def _add_known_codes(avid: AvidWorld, ledger: Ledger) -> None:
    """Codes that AvidXchange already has: some as in D365, one outdated, the placeholder, and one that D365 does not know."""
    for company in COMPANIES:
        for account in ledger.accounts[:5]:
            avid.add_code(company.accounting_system, CODE_GROUPS["MainAccount"], account, ledger.names["MainAccount", account])
        avid.add_code(company.accounting_system, CODE_GROUPS["MainAccount"], ledger.bad_accounts["suspended"], "Fax line rental")
        avid.add_code(company.accounting_system, CODE_GROUPS["MainAccount"], "000001", "Set up in AvidXchange alone")
        for dimension in ("CostCenter", "Department"):
            avid.add_code(company.accounting_system, CODE_GROUPS[dimension], PLACEHOLDER, "Not applicable")


def _facts(firm: Firm) -> ConnectionFacts:
    facts = _plain_facts(firm)
    if firm.cases:
        facts["image_hosts"] = [IMAGE_HOST]
    return facts


def _plain_facts(firm: Firm) -> ConnectionFacts:
    return {
        "id": "thornquill",
        "name": "Thornquill Property Partners",
        "tenant": TENANT,
        "environment_url": ENVIRONMENT_URL,
        "client_id": CLIENT_ID,
        "client_secret": "thornquill-client-secret",
        "avid_host": AVID_HOST,
        "company_token": firm.avid.company_token,
        "user_token": firm.avid.user_token,
        "companies": [company_facts(company, firm.first_open_day, cases=firm.cases) for company in COMPANIES],
        "code_groups": dict(CODE_GROUPS),
        "null_placeholder": PLACEHOLDER,
        "ledger_format": list(LEDGER_FORMAT),
        "start_from": firm.start,
    }
