"""The host from which the firm's invoice images come."""

from dataclasses import dataclass, field

from sandbox.web import Request, Response

PDF = b"%PDF-1.7\n1 0 obj\n<<>>\nendobj\n"


@dataclass
class ImageHost:
    """Answers by path; an unknown one is 404. Remembers what it was asked."""

    answers: dict[str, Response] = field(default_factory=dict)
    requests: list[Request] = field(default_factory=list)

    def handle(self, request: Request) -> Response:
        """See `sandbox.web.System`."""
        self.requests.append(request)
        return self.answers.get(request.path, Response(404, {"content-length": "0"}))

    def serve(self, path: str, data: bytes, status: int = 200) -> None:
        """What a path answers."""
        self.answers[path] = Response(status, {"content-type": "application/octet-stream"}, data)


def scans() -> ImageHost:
    """A host with one good image, and a page where an image should be."""
    host = ImageHost()
    host.serve("/scans/1.pdf", PDF)
    host.serve("/scans/page.html", b"<html><body>Please sign in</body></html>")
    return host
