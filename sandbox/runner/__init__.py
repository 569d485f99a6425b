"""The local runner: plays the Functions host for one app in one process. It knows the host's rules and nothing of the product.

`func start` is the way for who has the Functions Core Tools; this is for who has only Python. It loads `function_app.py` through the
Functions SDK, follows host.json, and gives the functions the same trigger objects that they get in Azure.
"""
