"""What the connection document says about reference data: which vendors go to AvidXchange, with what, and what counts as active."""

from typing import Annotated, Literal, Self

from pydantic import StringConstraints, model_validator

from sync.connections.strict import Name, Strict

Hold = Literal["Invoice", "All", "Payment", "Requisition", "Never", "PurchOrder"]
"""D365's OnHoldStatus but `No` (contracts/d365-fo.md §1)."""
VendorField = Literal["account_no", "is_1099", "email", "phone", "terms", "address"]
"""What need not be sent of a vendor. Account, name and whether it is active always are."""
Closed = Literal["total", "suspended", "out_of_date", "manual_entry_blocked"]
"""Why nothing can be coded to an account or a dimension value."""


class VendorSettings(Strict):
    """Which vendors go to AvidXchange and what is said of them."""

    remit_to_role: Annotated[str, StringConstraints(pattern=r"^[^*]*$", max_length=60, strip_whitespace=True)] = ""
    """The role, as D365 words it, of the addresses to remit to; empty: AvidXchange's remit-to addresses are left alone."""
    groups: tuple[Name, ...] = ()
    """Only vendors of these groups; empty: of all."""
    without_groups: tuple[Name, ...] = ()
    one_time_vendors: bool = True
    leave_out: tuple[VendorField, ...] = ()
    """Fields that are not sent, so that AvidXchange keeps its own."""
    inactive_holds: tuple[Hold, ...] = ("Invoice", "All", "Payment")
    """Holds that make a vendor inactive until they are released."""

    @model_validator(mode="after")
    def _groups_are_in_or_out(self) -> Self:
        both = sorted({*map(str.casefold, self.groups)} & {*map(str.casefold, self.without_groups)})
        if both:
            raise ValueError(f"{', '.join(both)} stands in groups and in without_groups; name it in one of them")
        return self


class CodeSettings(Strict):
    """When an account or a dimension value is inactive in AvidXchange."""

    inactive_when: tuple[Closed, ...] = ("total", "suspended", "out_of_date", "manual_entry_blocked")
