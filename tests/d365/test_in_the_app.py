"""What the composition root makes of the connection document: one token for all slices of a process, one pace for all its clients."""

from datetime import timedelta

from sandbox import hosts
from sandbox.simulator.deployment import Deployment, deploy
from sandbox.simulator.seams import START, VirtualClock
from sandbox.worlds import build_contoso
from sync.connections.document import Connection


def deployed() -> tuple[Deployment, Connection]:
    clock = VirtualClock()
    deployment = deploy(clock)
    return deployment, deployment.add(build_contoso(clock.now(), now=clock.now))


def test_the_slices_of_a_process_share_the_token() -> None:
    deployment, connection = deployed()
    one, two = deployment.worker(), deployment.worker()
    for app in (one, one, two, one):
        assert app.systems(connection).d365.count("VendorsV3") > 0
    assert len(deployment.network.requests(hosts.LOGIN, "POST")) == 2, "one for each process"


def test_the_courtesy_cap_of_the_document_paces_all_slices_of_a_process() -> None:
    deployment, connection = deployed()
    d365 = connection.d365.model_copy(update={"courtesy_requests_per_5_minutes": 100})
    capped = connection.model_copy(update={"d365": d365})
    app = deployment.worker()
    for _ in range(150):
        app.systems(capped).d365.count("VendorsV3")
    sent = [exchange.time for exchange in deployment.network.requests(d365.host)]
    assert len(sent) == 150
    assert max(sum(start <= moment < start + timedelta(minutes=5) for moment in sent) for start in sent) <= 100
    assert deployment.clock.now() > START + timedelta(minutes=5)
