"""A host of invoice images on the firm's network."""

from dataclasses import replace

from sandbox.images import PDF, ImageHost
from sandbox.worlds.model import ExpectedInvoice
from tests.support.deliveries import Firm

__all__ = ["HOST", "PDF", "ImageHost", "give_image", "mounted"]

HOST = "images.avid.example"


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
