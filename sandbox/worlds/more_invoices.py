"""Further kinds of invoices, so that every check has its case; for the firm in full (contracts/avidxchange.md §3, d365-fo.md §5)."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

from sandbox.avid import Code
from sandbox.worlds.drafts import Draft
from sandbox.worlds.firm import Firm
from sandbox.worlds.firm_invoices import Kind, bad_account, given_to, parked
from sandbox.worlds.firm_setup import CLOSED_COMPANY, COMPANIES
from sandbox.worlds.model import WRITE, Fate

HALF_A_CHARACTER = "\ud83c"
"""Half of an emoji, as a database leaves it that cuts texts by units."""
IMAGE, IMAGE_GONE, IMAGE_NO_PICTURE = "/scans/1.pdf", "/scans/gone.pdf", "/scans/page.html"


def _no_vendor(_: Firm, draft: Draft) -> None:
    draft.vendor_ref = "|LOCKBOX"


def _part_of_a_cent(_: Firm, draft: Draft) -> None:
    draft.lines[0].amount += Decimal("0.005")


def _unreadable(_: Firm, draft: Draft) -> None:
    draft.memo = f"Thank you {HALF_A_CHARACTER}"


def _code_without_group(_: Firm, draft: Draft) -> None:
    draft.lines[0].extra = (Code("", "7"),)


def _group_not_mapped(_: Firm, draft: Draft) -> None:
    draft.lines[0].extra = (Code("Project Phase", "P1"),)


def _account_not_coded(_: Firm, draft: Draft) -> None:
    draft.lines[0].account = ""


def _account_coded_twice(firm: Firm, draft: Draft) -> None:
    draft.lines[0].extra = (Code("GL Account", next(each for each in firm.ledger.accounts if each != draft.lines[0].account)),)


def _period_closed(firm: Firm, draft: Draft) -> None:
    given_to(firm, draft, firm.vendor(CLOSED_COMPANY))
    draft.posting_date = firm.first_open_day - timedelta(days=1)


def _currency_unknown_to_d365(firm: Firm, draft: Draft) -> None:
    """The vendor's own currency, which D365 does not know: our checks let it pass, D365 refuses the header."""
    given_to(firm, draft, firm.vendor(COMPANIES[0], "plain"))
    key = {"dataAreaId": draft.company.area, "VendorAccountNumber": draft.vendor.account}
    firm.d365.change("VendorsV3", key, CurrencyCode="MXN")
    draft.currency = "MXN"
    firm.vendors.remove(draft.vendor)


def _purchase_order_of_another(firm: Firm, draft: Draft) -> None:
    """Under the policy `park` it does not matter whose it is."""
    draft.po = f"PO-{draft.id}"
    other = firm.vendor(draft.company)
    firm.d365.add(
        "PurchaseOrderHeadersV2",
        dataAreaId=draft.company.area,
        PurchaseOrderNumber=draft.po,
        OrderVendorAccountNumber=other.account,
        InvoiceVendorAccountNumber=other.account,
        PurchaseOrderStatus="Received",
        CurrencyCode=draft.company.currency,
    )


def _with_image(image: str, *reported: str) -> Kind:
    def kind(_: Firm, draft: Draft) -> None:
        draft.image, draft.fate = image, replace(WRITE, reported=reported)

    return kind


def _parked_with_image(_: Firm, draft: Draft) -> None:
    """Its image is kept for the day on which it is written."""
    draft.image, draft.gross_off, draft.fate = IMAGE, Decimal("0.02"), Fate("park", "sum-differs")


MORE_INVOICE_KINDS: dict[str, Kind] = {
    "vendor-none": parked("field-missing", _no_vendor),
    "part-of-a-cent": parked("field-invalid", _part_of_a_cent),
    "unreadable": parked("field-invalid", _unreadable),
    "code-without-group": parked("field-invalid", _code_without_group),
    "group-not-mapped": parked("not-mapped", _group_not_mapped),
    "account-none": parked("code-missing", _account_not_coded),
    "account-twice": parked("code-twice", _account_coded_twice),
    "period-closed": parked("period-closed", _period_closed),
    "account-future": parked("account-not-usable", bad_account("future")),
    "account-reporting": parked("account-not-usable", bad_account("reporting")),
    "account-no-manual-here": parked("account-not-usable", bad_account("no-manual-here")),
    "refused": parked("refused", _currency_unknown_to_d365),
    "purchase-order-of-another": parked("purchase-order", _purchase_order_of_another),
    "image": _with_image(IMAGE),
    "image-gone": _with_image(IMAGE_GONE, "attachment"),
    "image-no-picture": _with_image(IMAGE_NO_PICTURE, "attachment"),
    "image-elsewhere": _with_image("https://elsewhere.example/scans/1.pdf", "attachment"),
    "image-of-a-parked-one": _parked_with_image,
}
