"""The transport over `requests`: one session per thread, no retries, no redirects, no cookies kept, one clear split of the errors.

What fails before urllib3 begins to write the request (DNS, connect, proxy, TLS handshake, an unwritable header) is `NotSent`; whatever
fails afterwards is `Unclear`. So is a kept-alive connection that the server closed as we began to write.

The proxy and the certificate authorities come from the environment (HTTPS_PROXY, NO_PROXY, REQUESTS_CA_BUNDLE).
No error text is taken from the libraries, because some of them quote header values.
"""

import ssl
import threading
from collections.abc import Callable
from http.client import HTTPException
from http.cookiejar import DefaultCookiePolicy
from typing import Final
from urllib.parse import urlsplit

import requests
from requests.adapters import HTTPAdapter
from urllib3 import HTTPSConnectionPool, PoolManager, ProxyManager
from urllib3.connection import HTTPSConnection
from urllib3.exceptions import HTTPError

from sync.http.wire import HttpRequest, HttpResponse, NotSent, TooLarge, Unclear, at_any_time

CHUNK_BYTES: Final = 65_536
NO_BODY: Final = frozenset({204, 304})
LENGTH: Final = frozenset({"content-length", "transfer-encoding"})


class _Progress(threading.local):
    """The exchange of this thread: whether it has begun to write its request, and what is asked right before it does."""

    began = False
    may_begin: Callable[[], None] = staticmethod(at_any_time)


_PROGRESS: Final = _Progress()


class _Connection(HTTPSConnection):
    """A connection that notes when a request begins to be written; by then it is connected, through the proxy and with TLS."""

    def putrequest(self, method: str, url: str, skip_host: bool = False, skip_accept_encoding: bool = False) -> None:
        _PROGRESS.may_begin()
        _PROGRESS.began = True
        super().putrequest(method, url, skip_host, skip_accept_encoding)


class _Pool(HTTPSConnectionPool):
    ConnectionCls = _Connection


class _Adapter(HTTPAdapter):
    """An adapter whose connections, direct and through a proxy, are `_Connection`s."""

    poolmanager: PoolManager

    def init_poolmanager(self, connections: int, maxsize: int, block: bool = False, **options: object) -> None:
        super().init_poolmanager(connections, maxsize, block, **options)
        self.poolmanager.pool_classes_by_scheme = {"https": _Pool}

    def proxy_manager_for(self, proxy: str, **options: object) -> ProxyManager:
        manager: ProxyManager = super().proxy_manager_for(proxy, **options)
        manager.pool_classes_by_scheme = {"https": _Pool}
        return manager


class RequestsTransport:
    """See `sync.http.wire.Transport`. Only https."""

    def __init__(self) -> None:
        self._threads = threading.local()

    def send(self, request: HttpRequest) -> HttpResponse:
        """The answer, whatever its status. Raises NotSent, Unclear, and what the request's `may_begin` raises."""
        _PROGRESS.began = False
        _PROGRESS.may_begin = request.may_begin
        try:
            with self._session().request(
                request.method,
                request.url,
                data=request.body,
                headers=request.headers,
                auth=_as_it_is,
                timeout=(request.connect_seconds, request.read_seconds),
                allow_redirects=False,
                stream=True,
            ) as response:
                headers = _headers(response)
                return HttpResponse(response.status_code, headers, _body(response, headers, request.max_bytes))
        except (requests.RequestException, HTTPError, HTTPException, OSError, ValueError) as error:
            kind = Unclear if _PROGRESS.began else NotSent
            raise kind(f"{_host(request.url)}: {_reason(error)}") from None

    def _session(self) -> requests.Session:
        session: requests.Session | None = getattr(self._threads, "session", None)
        if session is None:
            session = self._threads.session = _new_session()
        return session


def _new_session() -> requests.Session:
    session = requests.Session()
    session.adapters.clear()
    session.mount("https://", _Adapter(max_retries=0))
    session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
    return session


def _as_it_is(request: requests.PreparedRequest) -> requests.PreparedRequest:
    """Keeps `requests` from replacing our Authorization header by what a .netrc file holds."""
    return request


def _headers(response: requests.Response) -> dict[str, str]:
    return {name.lower(): value for name, value in response.headers.items() if name.lower() != "set-cookie"}


def _body(response: requests.Response, headers: dict[str, str], max_bytes: int) -> bytes:
    if response.status_code < 400 and response.status_code not in NO_BODY and not headers.keys() & LENGTH:
        raise Unclear(f"{_host(response.url)}: the answer does not say its length, so it may be cut")
    said = headers.get("content-length", "")
    if said.isascii() and said.isdecimal() and len(said) < 20 and int(said) > max_bytes:
        raise TooLarge(f"{_host(response.url)}: the answer says that it is larger than {max_bytes} bytes")
    body = bytearray()
    for chunk in response.iter_content(CHUNK_BYTES):
        body += chunk
        if len(body) > max_bytes:
            raise TooLarge(f"{_host(response.url)}: the answer is larger than {max_bytes} bytes")
    return bytes(body)


def _host(url: str) -> str:
    return urlsplit(url).hostname or "?"


def _reason(error: BaseException) -> str:
    """The innermost error in words that hold nothing of the request: its class, and what the system or TLS says."""
    chain = [error]
    while (inner := _inner(chain[-1])) is not None and inner not in chain:
        chain.append(inner)
    for link in reversed(chain):
        if isinstance(link, ssl.SSLCertVerificationError):
            return f"the certificate is not accepted ({link.verify_message})"
        if isinstance(link, OSError) and link.strerror:
            return f"{type(link).__name__} ({link.strerror})"
    return type(chain[-1]).__name__


def _inner(error: BaseException) -> BaseException | None:
    candidates = (getattr(error, "reason", None), *error.args, error.__cause__, error.__context__)
    return next((item for item in candidates if isinstance(item, BaseException)), None)
