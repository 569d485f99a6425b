"""Two runners on one storage, at once, over the same connection: every document is there once."""

from pathlib import Path

import pytest

from sandbox.place import Place
from tests.proof.place import LONGEST_RUN, SOON, add_customer, assert_truths_agree, firm, run_until_settled, start_logged, writes


@pytest.mark.slow
def test_two_runners_at_once_write_every_document_once(tmp_path: Path) -> None:
    with Place() as place:
        # Short slices: a run goes from runner to runner, whoever receives the continuation.
        place.environment |= {"SYNC_LEASE_SECONDS": "10", "SYNC_SLICE_SECONDS": "1"}
        add_customer(place, firm(), **SOON)
        logs = [tmp_path / "one.log", tmp_path / "two.log"]
        runners = [start_logged(place, log, "--until-idle", "--visibility", "5") for log in logs]
        assert [runner.wait(LONGEST_RUN) for runner in runners] == [0, 0]
        for log in logs:
            assert "run_stage" in log.read_text(), "both had a part in it"

        run_until_settled(place)
        assert_truths_agree(place)
        written = writes(place)
        runners = [start_logged(place, log, "--until-idle", "--visibility", "5") for log in logs]
        assert [runner.wait(LONGEST_RUN) for runner in runners] == [0, 0]
        assert writes(place) == written, "a second cycle of both writes nothing"
        assert_truths_agree(place)
