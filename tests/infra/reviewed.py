"""infra/settings.json: the settings that the code does not name, or that a deployment leaves out, each with its reason."""

import json
from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Reviewed:
    """Setting names with one reason each: deployed for the platform; read by the code but not deployed; never to be deployed."""

    platform: Mapping[str, str]
    not_deployed: Mapping[str, str]
    refused: Mapping[str, str]


def parse_reviewed(text: str) -> Reviewed:
    """The list from JSON text. ValueError when a section is missing or unknown, or a setting has no reason."""
    document = json.loads(text)
    sections = {"platform", "not_deployed", "refused"}
    if set(document) != sections:
        raise ValueError(f"settings.json has the sections {sorted(sections)}, not {sorted(document)}")
    for section, settings in document.items():
        for name, reason in settings.items():
            if not isinstance(reason, str) or len(reason) < 20:
                raise ValueError(f"settings.json: {section}.{name} needs a reason, one sentence")
    return Reviewed(**document)
