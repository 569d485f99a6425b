"""The connection document and the secrets that a world's customer would supply, as plain data."""

from typing import Any

from sandbox.worlds.model import ConnectionFacts


def secret_names(facts: ConnectionFacts) -> dict[str, str]:
    """The customer's secrets by the names under which Key Vault keeps them."""
    prefix = facts["id"]
    return {
        f"{prefix}-d365-client-secret": facts["client_secret"],
        f"{prefix}-avid-company-token": facts["company_token"],
        f"{prefix}-avid-user-token": facts["user_token"],
    }


def connection_document(facts: ConnectionFacts, **policies: object) -> dict[str, Any]:  # Any: JSON
    """The document as it is added with `python -m sync connections add`. Every stage is due at each tick of its timer."""
    prefix = facts["id"]
    return {
        "id": prefix,
        "name": facts["name"],
        "d365": {
            "environment_url": facts["environment_url"],
            "tenant": facts["tenant"],
            "client_id": facts["client_id"],
            "sign_in": {"method": "client_secret", "secret": f"{prefix}-d365-client-secret"},
        },
        "avidxchange": {
            "host": facts["avid_host"],
            "image_hosts": facts.get("image_hosts", []),
            "auth": {"company_token": f"{prefix}-avid-company-token", "user_token": f"{prefix}-avid-user-token"},
        },
        "companies": [{**company, "accounting_system": str(company["accounting_system"])} for company in facts["companies"]],
        "code_groups": facts["code_groups"],
        "null_placeholder": facts["null_placeholder"],
        "start_from": {stage: facts["start_from"].isoformat() for stage in ("invoices", "payments")},
        "sales_tax_code_group": facts.get("sales_tax_code_group", ""),
        "policies": {**facts.get("policies", {}), **policies},
        "schedules": {stage: {"every_minutes": 0} for stage in ("vendors", "gl_accounts", "dimensions", "invoices", "payments")},
    }
