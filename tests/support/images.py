"""A host that serves invoice images, and remembers what it was asked with."""

from dataclasses import dataclass, field, replace

from sandbox.web import Request, Response
from sandbox.worlds.model import ExpectedInvoice
from tests.support.deliveries import Firm

HOST = "images.avid.example"
PDF = b"%PDF-1.7\n1 0 obj\n<<>>\nendobj\n"


@dataclass
class ImageHost:
    """Answers by path; an unknown one is 404."""

    answers: dict[str, Response] = field(default_factory=dict)
    requests: list[Request] = field(default_factory=list)

    def handle(self, request: Request) -> Response:
        """See `sandbox.web.System`."""
        self.requests.append(request)
        return self.answers.get(request.path, Response(404, {"content-length": "0"}))

    def serve(self, path: str, data: bytes, status: int = 200) -> None:
        """What a path answers."""
        self.answers[path] = Response(status, {"content-type": "application/octet-stream"}, data)


def mounted(firm: Firm) -> ImageHost:
    """The host on the firm's network, allowed by its document."""
    host = ImageHost()
    firm.deployment.network.mount(HOST, host)
    firm.configure(avidxchange={"image_hosts": [HOST]})
    return host


def give_image(firm: Firm, item: ExpectedInvoice, url: str) -> None:
    """Let AvidXchange name this image for the invoice."""
    held = firm.batch_of(item)
    held[:] = [replace(each, image_url=url) if each.id == item.id else each for each in held]
