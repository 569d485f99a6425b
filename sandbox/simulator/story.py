"""What happened in a simulation, line by line, and the digest that tells whether two of them were the same."""

import hashlib
from dataclasses import dataclass, field
from datetime import datetime


@dataclass
class Story:
    """`told`: the lines are kept. Without that only the digest is, which is quick."""

    told: bool = False
    lines: list[str] = field(default_factory=list)
    _digest: "hashlib._Hash" = field(default_factory=hashlib.sha256)

    def tell(self, now: datetime, process: int, text: str) -> None:
        """One more line: the time, the process (0: none), and the step or event."""
        self._digest.update(f"{now.timestamp()} {process} {text}".encode())
        if self.told:
            self.lines.append(f"{now:%m-%d %H:%M:%S}.{now.microsecond // 1000:03d}  {process or '-'}  {text}")

    @property
    def digest(self) -> str:
        """The same for the same steps at the same times in the same order."""
        return self._digest.hexdigest()[:16]
