"""The images of invoices: fetched from allowed hosts alone, checked, attached once, and never in the way of the invoice."""

import base64
from collections.abc import Callable
from datetime import timedelta

import pytest

from sandbox.d365.table import Row
from sandbox.faults import Fault
from sandbox.web import Response
from sandbox.worlds.model import ExpectedInvoice
from sync.ledger.model import State
from tests.stages.test_invoices import refusal
from tests.support.deliveries import Firm
from tests.support.images import HOST, PDF, give_image, mounted

ATTACHMENTS = "VendorInvoiceDocumentAttachments"
POST = r"^/data/VendorInvoiceDocumentAttachments\b"
URL = f"https://{HOST}/scans/1?sig=a%2Bb"


def attachments(firm: Firm) -> list[Row]:
    return firm.world.d365.rows(ATTACHMENTS)


def codes(firm: Firm, item: ExpectedInvoice) -> list[str]:
    return [cause.code for cause in firm.record(item).causes]


def parked(firm: Firm) -> ExpectedInvoice:
    return next(item for item in firm.world.expected.invoices.values() if item.fate.why == "sum-differs")


def test_an_image_is_attached_under_the_invoices_marker_and_nothing_but_its_address_goes_to_its_host() -> None:
    firm = Firm.build()
    host, item = mounted(firm), firm.to_write()
    host.serve("/scans/1", PDF)
    give_image(firm, item, URL)
    firm.cycle()
    [row] = attachments(firm)
    header = firm.world.d365.one("VendorInvoiceHeaders", InvoiceNumber=item.number)
    assert row["HeaderReference"] == header["HeaderReference"]
    assert header.text("Comment").startswith(row.text("Name"))
    assert row["FileType"] == "pdf"
    assert base64.b64decode(row.text("FileContents")) == PDF
    assert codes(firm, item) == []
    [request] = host.requests
    assert request.target == "/scans/1?sig=a%2Bb"
    assert set(request.headers) <= {"accept", "host", "user-agent", "content-length", "accept-encoding", "connection"}
    firm.cycle(minutes=20)
    assert len(attachments(firm)) == 1
    assert len(host.requests) == 1, "a finished image is not fetched again"


@pytest.mark.parametrize(
    ("data", "kind"), [(b"\x89PNG\r\n\x1a\n..", "png"), (b"\xff\xd8\xff\xe0..", "jpg"), (b"II*\x00..", "tif"), (b"MM\x00*..", "tif")]
)
def test_the_type_is_told_by_content(data: bytes, kind: str) -> None:
    firm = Firm.build()
    mounted(firm).serve("/scans/1", data)
    give_image(firm, firm.to_write(), URL)
    firm.cycle()
    assert [row["FileType"] for row in attachments(firm)] == [kind]


@pytest.mark.parametrize(
    "url",
    [
        "https://elsewhere.example/scans/1",
        f"http://{HOST}/scans/1",
        f"https://{HOST}@elsewhere.example/scans/1",
        f"https://user:word@{HOST}/scans/1",
        f"https://{HOST}:8443/scans/1",
        f"https://{HOST}:port/scans/1",
        f"https://{HOST}.elsewhere.example/scans/1",
        "file:///etc/hosts",
        "//elsewhere.example/scans/1",
        "not an address",
    ],
)
def test_an_address_that_is_not_allowed_gets_no_request(url: str) -> None:
    firm = Firm.build()
    host, item = mounted(firm), firm.to_write()
    host.serve("/scans/1", PDF)
    give_image(firm, item, url)
    firm.cycle()
    assert firm.record(item).state is State.WRITTEN
    assert codes(firm, item) == ["attachment"]
    assert "avidxchange.image_hosts" in firm.record(item).causes[0].sentence
    assert host.requests == []
    assert firm.deployment.network.refused == []
    assert attachments(firm) == []


def test_without_allowed_hosts_images_are_left_alone() -> None:
    firm = Firm.build()
    give_image(firm, firm.to_write(), URL)
    firm.cycle()
    assert codes(firm, firm.to_write()) == []
    assert firm.deployment.network.refused == []


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (Response(200, {}, b"<html>sign in</html>"), "no PDF, PNG, JPEG or TIFF"),
        (Response(200, {}, PDF + bytes(1024 * 1024)), "more than 1 MB (policies.image_megabytes)"),
        (Response(302, {"location": "https://elsewhere.example/"}), "answers 302"),
        (Response(403, {}, b"expired"), "answers 403"),
        (Response(500, {}, b""), "500"),
    ],
)
def test_an_image_that_cannot_be_had_is_shown_and_the_invoice_goes_on(answer: Response, words: str) -> None:
    firm = Firm.build(image_megabytes=1)
    host, item = mounted(firm), firm.to_write()
    host.answers["/scans/1"] = answer
    give_image(firm, item, URL)
    firm.cycle()
    assert firm.record(item).state is State.WRITTEN
    assert codes(firm, item) == ["attachment"]
    assert words in firm.record(item).causes[0].sentence
    assert firm.record(item).causes[0].kind.rank == 4
    assert len(firm.world.avid.acknowledgements) == len(firm.world.avid.batches) - not_let_in(firm), "it holds up no batch"


def not_let_in(firm: Firm) -> int:
    start = firm.world.connection["start_from"]
    return sum(batch.date_closed is None or batch.date_closed.date() < start for batch in firm.world.avid.batches.values())


def test_a_failed_attachment_is_tried_again_at_longer_and_longer_intervals() -> None:
    firm = Firm.build()
    host, item = mounted(firm), firm.to_write()
    give_image(firm, item, URL)
    firm.cycle()
    tries = [len(host.requests)]
    for _ in range(8):
        firm.cycle(minutes=16)
        tries.append(len(host.requests))
    assert tries == [1, 2, 2, 3, 3, 3, 3, 4, 4]
    host.serve("/scans/1", PDF)
    firm.cycle(minutes=8 * 60)
    assert codes(firm, item) == []
    assert len(attachments(firm)) == 1
    assert firm.steps(item)[-2:] == ["sending", "completed"]


FAULTS: dict[str, Callable[[], Fault]] = {
    "the reply is lost": lambda: Fault("drop_reply", method="POST", path=POST),
    "the request is lost": lambda: Fault("drop_request", method="POST", path=POST),
    "stored behind a refusal": lambda: Fault("status_after_effect", method="POST", path=POST, reply=refusal("An unhandled exception")),
    "it takes effect late": lambda: Fault("late_effect", method="POST", path=POST, delay=timedelta(minutes=40)),
}


@pytest.mark.parametrize("name", FAULTS)
def test_an_attachment_in_doubt_is_looked_for_and_never_sent_twice(name: str) -> None:
    firm = Firm.build(unknown_settle_minutes=45)
    host, item = mounted(firm), firm.to_write()
    host.serve("/scans/1", PDF)
    give_image(firm, item, URL)
    firm.deployment.network.faults.add(FAULTS[name]())
    firm.cycle()
    assert codes(firm, item) == ["attachment"]
    assert firm.record(item).state is State.WRITTEN
    for _ in range(9):
        firm.cycle(minutes=16)
    assert len(attachments(firm)) == 1
    assert len([write for write in firm.world.d365.writes if write.set_name == ATTACHMENTS]) == 1
    assert codes(firm, item) == []


def test_a_refused_attachment_names_what_d365_says() -> None:
    firm = Firm.build()
    mounted(firm).serve("/scans/1", PDF)
    give_image(firm, firm.to_write(), URL)
    firm.deployment.network.faults.add(Fault("status", method="POST", path=POST, times=9, reply=refusal("The file type is not allowed")))
    firm.cycle()
    assert codes(firm, firm.to_write()) == ["attachment"]
    assert "The file type is not allowed" in firm.record(firm.to_write()).causes[0].sentence


def test_a_parked_invoice_keeps_its_image_when_its_batch_is_acknowledged() -> None:
    firm = Firm.build()
    host, item = mounted(firm), parked(firm)
    host.serve("/scans/1", PDF)
    give_image(firm, item, URL)
    firm.cycle()
    assert kept(firm) == [PDF]
    firm.cycle(minutes=20)
    assert len(host.requests) == 1


def test_a_batch_waits_a_day_for_the_image_of_a_parked_invoice() -> None:
    firm = Firm.build()
    item = parked(firm)
    host = mounted(firm)
    host.answers["/scans/1"] = Response(503, {})
    give_image(firm, item, URL)
    guid = next(batch.guid for batch in firm.world.avid.batches.values() for held in batch.invoices if held.id == item.id)
    firm.close_again(item, firm.batch_of(item))

    def acknowledged() -> bool:
        return guid in {ack.batch_guid for ack in firm.world.avid.acknowledgements}

    firm.cycle()
    firm.cycle(minutes=60)
    assert not acknowledged()
    firm.cycle(minutes=24 * 60)
    assert acknowledged()


def kept(firm: Firm) -> list[bytes]:
    blobs = firm.deployment.storage.blobs
    return [blob.data for name in blobs.names("payloads", "image-") if (blob := blobs.read("payloads", name)) is not None]
