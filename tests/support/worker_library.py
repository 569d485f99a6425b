"""Plays the host for Microsoft's worker library, in a process of its own: `python worker_library.py ROOT < calls.json`.

Reads the calls from stdin and writes one line of JSON: the bindings of the indexed functions by name, and an answer per call.
"""

import asyncio
import importlib
import json
import os
import sys
from types import SimpleNamespace
from typing import Any

# By name: the library exists for Python 3.13 and newer only, and has no types.
LIBRARY = importlib.import_module("azure_functions_runtime")
INVOCATION = importlib.import_module("azure_functions_runtime.native_invocation")
DATUM = importlib.import_module("azure_functions_runtime.bindings.datumdef").Datum


class BindingInfo(SimpleNamespace):
    """Stands in for the protobuf message and the numbers of its directions and data types."""

    out, inout, undefined = 1, 2, 0


class StatusResult(SimpleNamespace):
    """Stands in for the protobuf message and the numbers of its values."""

    Failure, Success = 0, 1


MESSAGES = ("WorkerInitResponse", "FunctionMetadataResponse", "RpcFunctionMetadata", "RpcException", "WorkerMetadata", "RpcRetryOptions")
PROTOS = SimpleNamespace(BindingInfo=BindingInfo, StatusResult=StatusResult, **dict.fromkeys(MESSAGES, SimpleNamespace))


def index(root: str) -> dict[str, tuple[str, list[dict[str, Any]]]]:
    """Function ids and bindings by name. Exits when the library refuses the app."""
    init = SimpleNamespace(capabilities={}, function_app_directory=root)
    request = SimpleNamespace(request=SimpleNamespace(worker_init_request=init), properties={"host": "127.0.0.1", "protos": PROTOS})
    answer = asyncio.run(LIBRARY.worker_init_request(request))
    if answer.result.status != StatusResult.Success:
        sys.exit(f"not indexed: {answer.result.exception}")
    metadata = asyncio.run(LIBRARY.functions_metadata_request(request))
    return {
        found.name: (found.function_id, [json.loads(binding) for binding in found.raw_bindings])
        for found in metadata.function_metadata_results
    }


def datum_of(call: dict[str, str]) -> Any:
    """What the host would send for the call."""
    if call["type"] != "http":
        return DATUM(call["value"], call["type"])
    parts = {"method": DATUM("GET", "string"), "url": DATUM(f"https://app/api/{call['value']}", "string")}
    return DATUM({**parts, "headers": {}, "params": {}, "query": {}, "body": DATUM(b"", "bytes")}, "http")


def answer_of(function_id: str, number: int, call: dict[str, str]) -> dict[str, Any]:
    """Invoke a function as the host does."""
    metadata = {"Id": DATUM(json.dumps("m1"), "json"), "DequeueCount": DATUM("1", "json")}
    handled, ok, returned, _, error, trace = INVOCATION.run_invocation_sync(
        f"invocation-{number}", function_id, [(call["parameter"], datum_of(call))], metadata
    )
    answer: dict[str, Any] = {"ok": handled and ok, "error": f"{error}\n{trace}"}
    if ok and returned is not None:
        answer |= {"status": returned.value["status_code"].value, "body": returned.value["body"].value.decode()}
    return answer


def main() -> None:
    """Index, invoke, print."""
    root = sys.argv[1]
    os.chdir(root)
    functions = index(root)
    LIBRARY.start_threadpool_executor()
    calls = json.load(sys.stdin)
    answers = [answer_of(functions[call["function"]][0], number, call) for number, call in enumerate(calls)]
    LIBRARY.stop_threadpool_executor()
    sys.stdout.write(json.dumps({"functions": {name: bindings for name, (_, bindings) in functions.items()}, "answers": answers}))


if __name__ == "__main__":
    main()
