"""What a mirror remembers of its crawls: one packed blob per (connection, stage, company) in the container `crawls` (design §1, Mirror).

Per row: the digest of its natural key, the hash of what the target should hold, the crawl that saw it last, and flags. The place that a
crawl has reached is in the same blob, so the two never disagree. A lost blob is rebuilt from what AvidXchange and the ledger hold.

    "AVXM" and a version | SHA-256 of the rest | length of the head | head (JSON) | 37 bytes a row, sorted by key
"""

import hashlib
import json
import struct
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from enum import IntFlag
from typing import Final

from sync.ledger.model import Place
from sync.storage.model import Blobs

CONTAINER: Final = "crawls"
NO_HASH: Final = "0" * 32
_MAGIC: Final = b"AVXM\x02"
_HEAD: Final = struct.Struct(">5s32s")
_LENGTH: Final = struct.Struct(">I")
_ROW: Final = struct.Struct(">16sIB")
_KEY_BYTES: Final = 16


class Flag(IntFlag):
    """What else is known of a row."""

    NONE = 0
    OURS = 1
    """Sent by us: it may be deactivated when it is gone from the source."""
    INACTIVE = 2
    """Gone from the source, and deactivated."""
    PARKED = 4
    """Stands in the ledger with its causes; the hash is the version of that record."""
    FOUND = 8
    """Was in AvidXchange when the memory was built: whether it is ours only the ledger knows."""
    SPELLED = 16
    """AvidXchange writes its key in other cases than D365: it is sent as AvidXchange writes it, or it would be there twice."""
    UNCLEAR = 32
    """Sent without a clear answer: it is looked for before it is sent again. The hash is that of before."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One row, unpacked. `hash` is a `sync.values.digest`, `seen` the number of a crawl (0: of none)."""

    hash: str
    seen: int
    flags: Flag


@dataclass
class Crawl:
    """The crawl under way: what it was promised, where it reads next, what it has read, and whether the source moved under it."""

    number: int
    started: str
    """UTC text."""
    expected: int
    cursor: str = ""
    """Empty at the start."""
    read: int = 0
    ended: bool = False
    """The last page was read; only the end of the crawl is left."""
    drifting: bool = False
    whole: bool = False
    """All was read and the source did not move: what is left is to clear up and to read back."""
    cleared: bool = False
    """What is gone was cleared up: only the reading back is left."""
    listing: str = ""
    """Where the listing of the target goes on, for clearing up or for reading back. Empty at the start."""
    drift: int = 0
    """Rows so far that the target shows otherwise than they were sent."""
    drifted: list[str] = field(default_factory=list)
    """The first of them, as a person reads them."""


@dataclass
class Rebuild:
    """A memory in the making: when it was begun, UTC text, and where the listing of the target goes on (empty at the start)."""

    started: str
    listing: str = ""


@dataclass
class Memory:
    """The rows of one company, and where its crawls stand. Keys are `sync.values.key_digest`s; a row takes about 150 bytes."""

    system: str = ""
    """The accounting system that the rows are in: a memory of another one says nothing."""
    rebuild: Rebuild | None = None
    """Not None until all that the target holds is in the memory: before that nothing may be sent."""
    last: int = 0
    """Number of the last crawl that began."""
    complete: int = 0
    """Number of the last complete crawl; 0 when there was none since the memory was built."""
    crawl: Crawl | None = None
    read_back: str = ""
    """When AvidXchange's rows were last compared with what was sent, UTC text; empty for never."""
    etag: str = ""
    """Version of the blob that this came from; empty when there is none yet."""
    _rows: dict[bytes, bytes] = field(default_factory=dict, repr=False)

    def __len__(self) -> int:
        return len(self._rows)

    def get(self, key: str) -> Entry | None:
        """The row of a key digest."""
        packed = self._rows.get(bytes.fromhex(key))
        return None if packed is None else _entry(packed)

    def put(self, key: str, entry: Entry) -> None:
        """Keep a row."""
        self._rows[bytes.fromhex(key)] = _ROW.pack(bytes.fromhex(entry.hash), entry.seen, entry.flags)

    def drop(self, key: str) -> None:
        """Forget a row; an unknown one is fine."""
        self._rows.pop(bytes.fromhex(key), None)

    def seen_before(self, crawl: int) -> Iterator[tuple[str, Entry]]:
        """The rows that no crawl from this number on has seen, in the order of their keys. Rows may be changed meanwhile."""
        chosen = [key for key, packed in self._rows.items() if int.from_bytes(packed[16:20]) < crawl]
        for key in sorted(chosen):
            yield key.hex(), _entry(self._rows[key])

    def count(self, *, without: Flag) -> int:
        """How many rows have none of these flags."""
        return sum(not packed[-1] & without for packed in self._rows.values())

    def begin(self, *, started: str, expected: int) -> Crawl:
        """Start the next crawl. `started` is UTC text, `expected` the number of rows that the source promises."""
        self.last += 1
        self.crawl = Crawl(self.last, started, expected)
        return self.crawl

    def pack(self) -> bytes:
        """The blob: equal memories give equal bytes, whatever their etags."""
        crawl = None if self.crawl is None else asdict(self.crawl)
        rebuild = None if self.rebuild is None else asdict(self.rebuild)
        state = {
            "system": self.system,
            "rebuild": rebuild,
            "last": self.last,
            "complete": self.complete,
            "crawl": crawl,
            "read_back": self.read_back,
        }
        head = json.dumps(state, sort_keys=True).encode()
        body = b"".join((_LENGTH.pack(len(head)), head, *(key + packed for key, packed in sorted(self._rows.items()))))
        return _HEAD.pack(_MAGIC, hashlib.sha256(body).digest()) + body

    @classmethod
    def unpack(cls, data: bytes, etag: str = "") -> "Memory | None":
        """The memory that `pack` wrote; None when the bytes are not whole or of another version."""
        if len(data) < _HEAD.size:
            return None
        magic, checksum = _HEAD.unpack_from(data)
        if magic != _MAGIC or hashlib.sha256(memoryview(data)[_HEAD.size :]).digest() != checksum:
            return None
        head = _HEAD.size + _LENGTH.size
        first, step = head + _LENGTH.unpack_from(data, _HEAD.size)[0], _KEY_BYTES + _ROW.size
        state = json.loads(data[head:first])
        packed = {data[at : at + _KEY_BYTES]: data[at + _KEY_BYTES : at + step] for at in range(first, len(data), step)}
        crawl = None if state["crawl"] is None else Crawl(**state["crawl"])
        rebuild = None if state["rebuild"] is None else Rebuild(**state["rebuild"])
        return cls(state["system"], rebuild, state["last"], state["complete"], crawl, state["read_back"], etag, packed)


def load(blobs: Blobs, place: Place) -> tuple[Memory | None, str]:
    """The memory of a place, None when it is missing or corrupt; and the etag to write over."""
    blob = blobs.read(CONTAINER, _name(place))
    return (None, "") if blob is None else (Memory.unpack(blob.data, blob.etag), blob.etag)


def save(blobs: Blobs, place: Place, memory: Memory) -> None:
    """Write the memory over the version it came from. StorageConflict when another worker was faster."""
    memory.etag = blobs.write(CONTAINER, _name(place), memory.pack(), etag=memory.etag)


def _name(place: Place) -> str:
    return f"{place.connection}/{place.stage}/{place.company.lower()}"


def _entry(packed: bytes) -> Entry:
    hashed, seen, flags = _ROW.unpack(packed)
    return Entry(hashed.hex(), seen, Flag(flags))
