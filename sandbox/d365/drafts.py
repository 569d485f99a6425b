"""A row on its way into a set: what the client sent, what the rules make of it, and the checks that many rules share."""

from dataclasses import dataclass, field

from sandbox.d365 import dimensions
from sandbox.d365.errors import mandatory, not_found_value
from sandbox.d365.schema import EntitySet, Value
from sandbox.d365.table import Row
from sandbox.d365.world import D365World


@dataclass
class Draft:
    """A new row before it is stored. `values` holds stored forms in the order in which they were sent; rules add to it.

    `lost` marks a row that is answered 201 and never stored.
    """

    world: D365World
    entity_set: EntitySet
    company: str
    values: dict[str, Value]
    sent: frozenset[str] = field(default_factory=frozenset)
    lost: bool = False

    def text(self, name: str) -> str:
        """A text field, empty when it is not there."""
        value = self.values.get(name)
        return value if isinstance(value, str) else ""

    def default(self, name: str, value: Value) -> None:
        """Give a field a value unless the client sent one (an empty text that was sent stays empty)."""
        if name not in self.sent:
            self.values[name] = value

    def require(self, *names: str) -> None:
        """Refuse the row when one of these is missing or empty."""
        for name in names:
            if self.values.get(name) in (None, ""):
                raise mandatory(self.entity_set, name)

    def related(self, name: str, set_name: str, related_field: str, label: str) -> Row | None:
        """The row of the company that a non-empty field points to. Raises Refusal when it is not there."""
        value = self.text(name)
        if not value:
            return None
        table = self.world.table(set_name)
        fields: dict[str, Value] = {related_field: value}
        if table.entity_set.has_company:
            fields["dataAreaId"] = self.company
        found = table.matching(fields)
        if not found:
            raise not_found_value(self.entity_set, name, value, label)
        return found[0]

    def check_dimensions(self, *names: str) -> None:
        """Replace dimension strings by what is stored of them."""
        for name in names:
            if name in self.values:
                self.values[name] = dimensions.checked(self.world, self.entity_set, name, self.company, self.text(name))
