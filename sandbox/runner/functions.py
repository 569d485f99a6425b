"""The functions of an app as the Functions SDK indexes them, and the call of one with a real trigger object."""

import importlib
import inspect
import json
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from azure.functions import FunctionRegister
from azure.functions.http import HttpRequestConverter, HttpResponseConverter
from azure.functions.meta import Datum
from azure.functions.queue import QueueMessageInConverter
from azure.functions.timer import TimerRequestConverter

from sandbox.runner.host import HostError

TIMER: Final = "timerTrigger"
QUEUE: Final = "queueTrigger"
HTTP: Final = "httpTrigger"
CONVERTERS: Final = {TIMER: TimerRequestConverter, QUEUE: QueueMessageInConverter, HTTP: HttpRequestConverter}


@dataclass(frozen=True)
class Function:
    """One function: its trigger binding as the host sees it, and the Python function behind it."""

    name: str
    trigger: Mapping[str, object]
    call: Callable[..., object]

    @property
    def kind(self) -> str:
        """The type of its trigger."""
        return self.text("type")

    def text(self, name: str) -> str:
        """An entry of the trigger binding as text, "" when it has none."""
        return str(self.trigger.get(name) or "")

    def invoke(self, datum: Datum, metadata: Mapping[str, Datum]) -> object:
        """Call it with what the host's data becomes; returns what it returns, raises what it raises."""
        argument = CONVERTERS[self.kind].decode(datum, trigger_metadata=metadata)
        result = self.call(**{self.text("name"): argument})
        if result is not None and self.kind != HTTP:
            raise RuntimeError(f"function {self.name} has no $return binding but returned a value")
        return result


def load_functions(root: Path, module_name: str = "function_app") -> list[Function]:
    """All functions of the app in `root`, in the order in which they are declared. HostError when it is no such app."""
    if str(root) not in sys.path:
        sys.path.insert(0, str(root))
    module = importlib.import_module(module_name)
    apps = [value for value in vars(module).values() if isinstance(value, FunctionRegister)]
    if len(apps) != 1:
        raise HostError(f"{module_name}.py must define one FunctionApp; it defines {len(apps)}")
    functions = []
    for indexed in apps[0].get_functions():
        bindings = [json.loads(binding) for binding in indexed.get_raw_bindings()]
        functions.append(_function(str(indexed.get_function_name()), bindings, indexed.get_user_function()))
    return functions


def _function(name: str, bindings: list[dict[str, object]], call: Callable[..., object]) -> Function:
    triggers = [binding for binding in bindings if binding.get("type") in CONVERTERS]
    others = [binding for binding in bindings if binding not in triggers and binding.get("name") != "$return"]
    if len(triggers) != 1 or others:
        raise HostError(f"function {name}: this runner knows functions with one timer, queue or HTTP trigger and no other binding")
    parameters = set(inspect.signature(call).parameters)
    if parameters != {triggers[0]["name"]}:
        raise HostError(f"function {name}: its parameters {sorted(parameters)} are not its bindings [{triggers[0]['name']!r}]")
    return Function(name, triggers[0], call)


@dataclass(frozen=True)
class HttpAnswer:
    """What an HTTP function answered."""

    status: int
    headers: Mapping[str, str]
    body: bytes


def http_answer(result: object) -> HttpAnswer:
    """The answer behind what an HTTP function returned: an HttpResponse, or text."""
    datum = HttpResponseConverter.encode(result, expected_type=None)
    if datum.type == "string":
        return HttpAnswer(200, {"content-type": "text/plain; charset=utf-8"}, str(datum.value).encode())
    parts = datum.value
    headers = {name: str(value.value) for name, value in parts["headers"].items()}
    return HttpAnswer(int(parts["status_code"].value), headers, bytes(parts["body"].value))
