"""docs/deployment.md: what it says of the template is true, and the lines that make audit keys make keys that the app takes."""

import re
import subprocess
import sys
from typing import Final

from sync.secrets import VaultAuditKeys
from tests.infra import checks
from tests.infra.bicep import parse
from tests.infra.code_side import ROOT, read_triggers

PAGE: Final = (ROOT / "docs/deployment.md").read_text(encoding="utf-8")
TEMPLATE: Final = parse((ROOT / "infra/main.bicep").read_text(encoding="utf-8"))


class OneSecret:
    """Secrets that hold one text under every name."""

    def __init__(self, text: str) -> None:
        self._text = text

    def get(self, name: str) -> str:
        return self._text

    def forget(self, name: str) -> None:
        pass


def made_key(line: str) -> str:
    """What a line of the page that makes an audit key prints."""
    code = line.split('"')[1]
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout


def test_the_lines_for_audit_keys_make_usable_ones() -> None:
    lines = [line for line in PAGE.splitlines() if line.startswith("python3 -c") and line.endswith("> audit-keys.txt")]
    assert len(lines) == 2
    first, rotated = made_key(lines[0]), made_key(lines[1]).replace("key-", "newer-", 1)
    key_id, key = VaultAuditKeys(OneSecret(first), "audit-keys").current()
    keys = VaultAuditKeys(OneSecret(rotated + first), "audit-keys")
    assert keys.current()[0].startswith("newer-")
    assert keys.of(key_id) == key


def test_the_outputs_are_the_template_s() -> None:
    table = re.findall(r"^\| `(\w+)` \|", PAGE, re.MULTILINE)
    assert sorted(table) == sorted(TEMPLATE.of("outputs"))
    assert set(re.findall(r"\boutput (\w+)\)", PAGE)) <= set(TEMPLATE.of("outputs"))


def test_the_command_line_gets_all_it_needs_by_identity() -> None:
    exported = set(re.findall(r"^export (\w+)=", PAGE, re.MULTILINE))
    assert exported == {"AzureWebJobsStorage__accountName", "KEY_VAULT_URL", "AUDIT_KEY_SECRET"}
    assert exported <= set(checks.app_settings(TEMPLATE))


def test_the_functions_are_counted_right() -> None:
    kinds = [trigger["type"] for trigger in read_triggers(ROOT / "function_app.py")]
    assert (kinds.count("timerTrigger"), kinds.count("queueTrigger"), kinds.count("httpTrigger")) == (6, 6, 2)
    assert "six timers, six queue triggers, `status` and `health`" in PAGE.replace("\n", " ")


def test_what_the_zip_takes_is_there() -> None:
    packed = re.search(r"git archive .* HEAD (.*)", PAGE)
    assert packed is not None
    assert all((ROOT / name).exists() for name in packed[1].split())
