"""The envelopes of AvidXchange's answers from the names of one dialect to those of another (contracts/avidxchange.md §2)."""

from collections.abc import Callable

from sandbox.avid.dialect_rows import RowTranslator
from sandbox.avid.dialects import Document
from sandbox.avid.wire import Json, Row


class EnvelopeTranslator:
    """Answers out of the dialect `given` into the dialect `wanted`. `link` translates the address of a link.

    Where a dialect names nothing, nothing is said: page numbers and ids of a page are left out.
    """

    def __init__(self, given: Document, wanted: Document, link: Callable[[str], str]) -> None:
        self._given = given["envelope"]
        self._wanted = wanted["envelope"]
        self._sign_in = given["sign_in"], wanted["sign_in"]
        self._rows = RowTranslator(given, wanted, self.links)
        self._link = link

    def page(self, section: str, value: Json) -> Json:
        """A page in any of its forms, or an error in disguise."""
        given, wanted = self._given, self._wanted
        if isinstance(value, list):
            return [self._rows.row(section, item) for item in value]
        if not isinstance(value, dict):
            return value
        if given["items"] in value or given["paging"] in value:
            page: Row = {}
            if given["items"] in value:
                items = value[given["items"]]
                page[wanted["items"]] = self.page(section, items) if isinstance(items, list) else self._rows.row(section, items)
            if given["paging"] in value:
                page[wanted["paging"]] = self._paging(value[given["paging"]])
            return page
        return self.refusal(value) if self._is_refusal(value) else self._rows.row(section, value)

    def links(self, links: Json) -> Json:
        """A list of links, or the one that stands for it."""
        if isinstance(links, list):
            return [self.links(link) for link in links]
        if not isinstance(links, dict):
            return links
        given, wanted = self._given, self._wanted
        relation, address = links.get(given["link_relation"]), links.get(given["link_address"])
        relations = {given[name]: wanted[name] for name in ("next", "details")}
        return {
            wanted["link_relation"]: relations.get(relation, relation) if isinstance(relation, str) else relation,
            wanted["link_address"]: self._link(address) if isinstance(address, str) else address,
        }

    def results(self, value: Json) -> Json:
        """What became of what was written, in any of its forms; the items themselves are not said again."""
        given, wanted = self._given, self._wanted
        if isinstance(value, list):
            return [self.results(item) for item in value]
        if not isinstance(value, dict) or self._is_refusal(value):
            return self.refusal(value)
        if given["results"] in value:
            return {wanted["results"]: self.results(value[given["results"]])}
        if given["successful"] not in value and given["errors"] not in value:
            return value
        result: Row = {wanted[name]: value[given[name]] for name in ("successful",) if given[name] in value}
        if given["errors"] in value:
            result[wanted["errors"]] = self._renamed(value[given["errors"]], {given["message"]: wanted["message"]})
        return result

    def refusal(self, value: Json) -> Json:
        """An error of the application or of its gateway; one with the results of a write keeps them."""
        if not isinstance(value, dict):
            return value
        given, wanted = self._given, self._wanted
        exception = dict(zip(given["exception_texts"], wanted["exception_texts"], strict=True))
        fault = dict(zip(given["fault_texts"], wanted["fault_texts"], strict=True)) | {given["fault_code"]: wanted["fault_code"]}
        others = dict(zip(given["other_texts"], wanted["other_texts"], strict=True))
        made: Row = {}
        for name, inner in value.items():
            if name == given["exception"]:
                made[wanted["exception"]] = self._renamed(inner, exception)
            elif name == given["fault"]:
                made[wanted["fault"]] = self._coded(self._renamed(inner, fault))
            else:
                made[others.get(name, name)] = inner
        return made

    def token(self, value: Json) -> Json:
        """The answer to a sign-in."""
        given, wanted = self._sign_in
        return self._renamed(value, {given[name]: wanted[name] for name in ("access_token", "expires_in")})

    def _paging(self, paging: Json) -> Json:
        if not isinstance(paging, dict):
            return paging
        given, wanted = self._given, self._wanted
        counts = zip(given["page_count"], wanted["page_count"], strict=True)
        made: Row = {there: paging[here] for here, there in counts if here in paging}
        if given["links"] in paging:
            made[wanted["links"]] = self.links(paging[given["links"]])
        return made

    def _is_refusal(self, value: Row) -> bool:
        return self._given["exception"] in value or self._given["fault"] in value

    def _coded(self, fault: Json) -> Json:
        code = self._wanted["fault_code"]
        if not isinstance(fault, dict) or code not in fault:
            return fault
        codes = dict(zip(self._given["fault_busy_codes"], self._wanted["fault_busy_codes"], strict=True))
        return {**fault, code: codes.get(str(fault[code]), fault[code])}

    def _renamed(self, value: Json, names: dict[str, str]) -> Json:
        """An object, or each object of a list, with other names; unlisted ones go."""
        if isinstance(value, list):
            return [self._renamed(item, names) for item in value]
        return {names[name]: item for name, item in value.items() if name in names} if isinstance(value, dict) else value
