"""What every part of the connection document is built on."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, StringConstraints

Name = Annotated[str, StringConstraints(min_length=1, max_length=100)]


class Strict(BaseModel):
    """An unknown key is an error: a typing mistake never becomes a default."""

    model_config = ConfigDict(extra="forbid", frozen=True)
