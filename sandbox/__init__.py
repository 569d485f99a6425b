"""A local stand-in for the systems around the connector: Entra ID, Key Vault, D365 F&O and AvidXchange, on their production names."""
