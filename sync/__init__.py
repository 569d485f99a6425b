"""The connector between Dynamics 365 Finance & Operations and AvidXchange."""
