"""The triggers of the function app. Decorators only: what they do is in `sync/triggers.py`."""

import azure.functions as func

from sync import triggers
from sync.storage.names import RECORD_RETRIES, REPLAYS, STAGE_RUNS

STORAGE = "AzureWebJobsStorage"

app = func.FunctionApp(http_auth_level=func.AuthLevel.FUNCTION)


@app.timer_trigger(arg_name="timer", schedule="%SYNC_TIMER_VENDORS%")
def tick_vendors(timer: func.TimerRequest) -> None:
    """Which connections are due: vendors."""
    triggers.tick("vendors", past_due=timer.past_due)


@app.timer_trigger(arg_name="timer", schedule="%SYNC_TIMER_GL_ACCOUNTS%")
def tick_gl_accounts(timer: func.TimerRequest) -> None:
    """Which connections are due: GL accounts."""
    triggers.tick("gl_accounts", past_due=timer.past_due)


@app.timer_trigger(arg_name="timer", schedule="%SYNC_TIMER_DIMENSIONS%")
def tick_dimensions(timer: func.TimerRequest) -> None:
    """Which connections are due: dimensions."""
    triggers.tick("dimensions", past_due=timer.past_due)


@app.timer_trigger(arg_name="timer", schedule="%SYNC_TIMER_INVOICES%")
def tick_invoices(timer: func.TimerRequest) -> None:
    """Which connections are due: invoices."""
    triggers.tick("invoices", past_due=timer.past_due)


@app.timer_trigger(arg_name="timer", schedule="%SYNC_TIMER_PAYMENTS%")
def tick_payments(timer: func.TimerRequest) -> None:
    """Which connections are due: payments."""
    triggers.tick("payments", past_due=timer.past_due)


@app.timer_trigger(arg_name="timer", schedule="%SYNC_TIMER_HOUSEKEEPING%")
def housekeeping(timer: func.TimerRequest) -> None:
    """Seals, dead runs, overdue stages."""
    triggers.keep_house(past_due=timer.past_due)


@app.queue_trigger(arg_name="message", queue_name=STAGE_RUNS, connection=STORAGE)
def run_stage(message: func.QueueMessage) -> None:
    """One slice of one stage of one connection."""
    triggers.run_stage(message.get_body().decode())


@app.queue_trigger(arg_name="message", queue_name=RECORD_RETRIES, connection=STORAGE)
def retry_record(message: func.QueueMessage) -> None:
    """A record whose waiting time is over."""
    triggers.retry_record(message.get_body().decode())


@app.queue_trigger(arg_name="message", queue_name=REPLAYS, connection=STORAGE)
def replay(message: func.QueueMessage) -> None:
    """Records that a person wants tried again."""
    triggers.replay(message.get_body().decode())


@app.queue_trigger(arg_name="message", queue_name=f"{STAGE_RUNS}-poison", connection=STORAGE)
def keep_poison_stage_run(message: func.QueueMessage) -> None:
    """A stage run that failed again and again."""
    triggers.keep_poison(STAGE_RUNS, message.get_body())


@app.queue_trigger(arg_name="message", queue_name=f"{RECORD_RETRIES}-poison", connection=STORAGE)
def keep_poison_record_retry(message: func.QueueMessage) -> None:
    """A record retry that failed again and again."""
    triggers.keep_poison(RECORD_RETRIES, message.get_body())


@app.queue_trigger(arg_name="message", queue_name=f"{REPLAYS}-poison", connection=STORAGE)
def keep_poison_replay(message: func.QueueMessage) -> None:
    """A replay that failed again and again."""
    triggers.keep_poison(REPLAYS, message.get_body())


@app.route(route="status", methods=["GET"])
def status(req: func.HttpRequest) -> func.HttpResponse:
    """The progress of every stage of every connection, for who has a function key."""
    del req
    code, body = triggers.status()
    return func.HttpResponse(body, status_code=code, mimetype="application/json")


@app.route(route="health", methods=["GET"], auth_level=func.AuthLevel.ANONYMOUS)
def health(req: func.HttpRequest) -> func.HttpResponse:
    """Whether the app answers."""
    del req
    return func.HttpResponse(triggers.health(), mimetype="text/plain")
