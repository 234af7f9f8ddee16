"""Batches against a loopback endpoint: every question is accounted for, and none is paid twice."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from curation.drafting.batches import folder as batch_folder
from curation.drafting.batches.folder import BatchFolder
from curation.drafting.batches.records import BatchTally, Limits
from curation.drafting.money.spending import spending
from curation.errors import LimitReachedError, PrerequisiteError
from tests.batch_runs import IMPATIENT, BatchRun, questions
from tests.batch_server import BatchServer, Plan, said
from tests.llm_replies import Asked, Reply, in_turn
from tests.llm_server import KEY

Lines = Callable[[list[bytes]], list[bytes]]


def run(server: BatchServer, home: Path, count: int = 3, limits: Limits = IMPATIENT) -> BatchRun:
    return BatchRun(server.base_url, home, questions(count), limits)


def balanced(tally: BatchTally) -> bool:
    return tally.wanted == tally.answered + tally.requeued + tally.failed + tally.waiting


def test_submitted_now_and_collected_later(tmp_path: Path) -> None:
    with BatchServer(plans=(Plan(polls=2),)) as server:
        first = run(server, tmp_path)
        assert first(wait=False) == BatchTally(waiting=3)
        assert first.answers == {}
        assert run(server, tmp_path)(wait=False) == BatchTally(waiting=3)
        later = run(server, tmp_path)
        while later(wait=False).waiting:
            pass
        assert len(later.answers) == 3
        assert all(answer.note and answer.note.in_batch for answer in later.answers.values())
        assert server.calls["create"] == 1
        assert server.paid_twice == []


def test_limits_part_what_is_wanted(tmp_path: Path) -> None:
    limits = Limits(requests=4, settle_seconds=0, patience_seconds=0)
    with BatchServer() as server:
        tally = run(server, tmp_path, 10, limits)()
        assert (tally.answered, tally.wanted, len(server.uploads)) == (10, 10, 3)
        size = max(map(len, server.uploads.values())) // 4
    limits = Limits(bytes=2 * size + 50, settle_seconds=0, patience_seconds=0)
    with BatchServer() as server:
        assert run(server, tmp_path / "b", 5, limits)().answered == 5
        assert len(server.uploads) == 3
        assert max(map(len, server.uploads.values())) <= limits.bytes


def test_a_question_larger_than_a_batch_fails_alone(tmp_path: Path) -> None:
    limits = Limits(bytes=200, settle_seconds=0, patience_seconds=0)
    with BatchServer() as server:
        asked = run(server, tmp_path, 2, limits)
        tally = asked()
    assert (tally.failed, tally.wanted, server.calls["upload"]) == (2, 2, 0)
    assert "larger than a batch" in next(iter(asked.wrong.values()))


def test_an_expired_batch_gives_what_it_has_and_the_rest_is_asked_again(tmp_path: Path) -> None:
    plans = (Plan(status="expired", done=2), Plan(status="cancelled", done=1), Plan())
    with BatchServer(plans=plans) as server:
        asked = run(server, tmp_path, 5)
        tally = asked()
        assert (tally.answered, tally.wanted) == (5, 5)
        assert tally.reasons == {"batch_expired": 3, "batch_cancelled": 2}
        assert [len(data.splitlines()) for data in server.uploads.values()] == [5, 3, 2]
        assert server.paid_twice == []
    assert not spending(asked.store.all()).twice


def test_errors_of_single_lines(tmp_path: Path) -> None:
    """A declined question has its answer, a bad one fails, what was too early is asked again."""
    faults = {"429": Reply(status=429, error="rate_limit_exceeded", charged=False)}
    faults["500"] = Reply(status=500, error="server_error", charged=False)
    faults["bad"] = Reply(status=400, error="invalid_image", charged=False)
    faults["declined"] = Reply(status=400, error="content_filter", charged=False)
    with BatchServer(in_turn(*faults.values(), then=said)) as server:
        asked = run(server, tmp_path, 6)
        tally = asked()
        assert (tally.answered, tally.failed, tally.wanted) == (5, 1, 6)
        assert tally.reasons == {"rate_limit_exceeded": 1, "server_error": 1, "invalid_image": 1}
        assert sorted(server.asked.values()) == [1, 1, 1, 1, 2, 2]
        assert [one.finish_reason for one in asked.answers.values()].count("content_filter") == 1
        assert run(server, tmp_path, 6)() == BatchTally(answered=5, failed=1)
        assert server.calls["create"] == 2


def test_what_never_gets_an_answer_fails_in_the_end(tmp_path: Path) -> None:
    with BatchServer(lambda _: Reply(status=500, error="server_error", charged=False)) as server:
        asked = run(server, tmp_path, 2)
        assert asked().failed == 2
        assert server.calls["create"] == 4
    assert "no answer in 4 batches" in next(iter(asked.wrong.values()))


def test_completed_without_an_output_file(tmp_path: Path) -> None:
    """All were refused: there is an error file alone. Or the output comes later: it is waited for."""
    with BatchServer(lambda _: Reply(status=400, error="bad_form", charged=False)) as server:
        refused = run(server, tmp_path)
        with pytest.raises(PrerequisiteError, match="refuses 3 questions of batch 1 "):
            refused()
        assert not any(refused.store.sent(one.request_sha256) for one in refused.requests)
    patient = Limits(settle_seconds=0, patience_seconds=60)
    with BatchServer(plans=(Plan(hidden=3, missing_file=2),)) as server:
        late = run(server, tmp_path / "late", limits=patient)
        assert late() == BatchTally(answered=3)
        assert server.calls["create"] == 1
    assert any("not whole" in line for line in late.lines)


def test_a_file_cut_short_is_fetched_again(tmp_path: Path) -> None:
    patient = Limits(settle_seconds=0, patience_seconds=60)
    with BatchServer(plans=(Plan(cut=700),)) as server:
        assert run(server, tmp_path, limits=patient)() == BatchTally(answered=3)
        assert (server.calls["create"], server.calls["content"]) == (1, 2)


def test_a_file_that_never_comes_is_lost_and_asked_again(tmp_path: Path) -> None:
    with BatchServer(plans=(Plan(hidden=10**6), Plan())) as server:
        asked = run(server, tmp_path)
        tally = asked()
        assert (tally.answered, tally.lost) == (3, 3)
    assert all(len(asked.store.tries(one.request_sha256)) == 2 for one in asked.requests)


def hostile(lines: list[bytes]) -> list[bytes]:
    answer = json.loads(lines[0])
    spoilt = dict(answer, custom_id="0" * 64)
    return [
        *(lines[0], lines[0]),
        json.dumps(spoilt).encode(),
        *(b"\xff\xfe", b"[" * 100_000, b"null", b'"x"', b"{}", b'{"custom_id": 3}', b"NaN", b"\x00"),
        b'{"custom_id": "../../etc/passwd", "response": {"status_code": 200}}',
        json.dumps(dict(answer, custom_id=json.loads(lines[1])["custom_id"], response=[])).encode(),
        lines[1],
        b"9" * 5000,
        b"x" * 17_000_000,
        *lines[2:],
    ]


def test_hostile_lines_are_counted_and_harm_nothing(tmp_path: Path) -> None:
    with BatchServer(plans=(Plan(output=hostile), Plan())) as server:
        asked = run(server, tmp_path, 4)
        tally = asked()
    assert (tally.answered, tally.wanted) == (4, 4)
    ended = next(BatchFolder.all(tmp_path / "batches")).ended
    assert ended is not None
    assert (ended.unknown, ended.repeated, ended.unreadable) == (2, 2, 10)
    assert len(list(tmp_path.rglob("passwd"))) == 0


@pytest.mark.parametrize("error", [{"code": "token_limit_exceeded", "line": None}])
def test_a_full_queue_makes_smaller_batches(tmp_path: Path, error: dict[str, object]) -> None:
    with BatchServer(plans=(Plan(errors=(error,)), Plan())) as server:
        tally = run(server, tmp_path, 6)()
        assert (tally.answered, tally.wanted) == (6, 6)
        assert [len(data.splitlines()) for data in server.uploads.values()] == [6, 3, 3]


def test_an_input_that_is_not_taken(tmp_path: Path) -> None:
    """A line that validation names fails; the others are asked again."""
    error = {"code": "invalid_json_line", "line": 2, "message": "x"}
    with BatchServer(plans=(Plan(errors=(error,)), Plan())) as server:
        asked = run(server, tmp_path)
        tally = asked()
    assert (tally.answered, tally.failed) == (2, 1)
    assert "invalid_json_line" in asked.wrong[asked.requests[1].request_sha256]


def test_lost_answers_of_the_endpoint_pay_nothing_twice(tmp_path: Path) -> None:
    """Each call is carried out and its answer breaks off: the batch is found again, not made again."""
    with BatchServer() as server:
        for name in ("upload", "create", "list", "retrieve", "content"):
            server.break_after[name] = 1
        asked = run(server, tmp_path)
        for _ in range(8):
            tally = asked()
            assert balanced(tally)
            if tally.answered == 3:
                break
        assert tally.answered == 3
        assert server.calls["create"] == 1
        assert server.paid_twice == []


@pytest.mark.parametrize(
    ("name", "status", "code", "kind"),
    [
        ("upload", 401, "invalid_api_key", PrerequisiteError),
        ("create", 404, "", PrerequisiteError),
        ("create", 400, "invalid_request", PrerequisiteError),
        ("create", 429, "insufficient_quota", LimitReachedError),
    ],
)
def test_a_refusal_stops_and_costs_nothing(
    tmp_path: Path, name: str, status: int, code: str, kind: type[Exception]
) -> None:
    with BatchServer() as server:
        server.refuse[name] = [(status, code)]
        asked = run(server, tmp_path)
        with pytest.raises(kind) as caught:
            asked()
        assert KEY not in repr(caught.getrepr(showlocals=True))
        assert caught.value.__context__ is None
        assert not any(asked.store.sent(one.request_sha256) for one in asked.requests)
        assert run(server, tmp_path)().answered == 3


def test_a_refused_model_stops_after_the_rest_is_kept(tmp_path: Path) -> None:
    def reply(asked: Asked) -> Reply:
        return said(asked) if asked.number else Reply(status=404, error="model_not_found", charged=False)

    with BatchServer(reply) as server:
        with pytest.raises(PrerequisiteError, match="model_not_found"):
            run(server, tmp_path)()
        assert run(server, tmp_path)() == BatchTally(answered=3)
        assert server.paid_twice == []


def test_the_endpoint_is_away_for_now(tmp_path: Path) -> None:
    with BatchServer() as server:
        server.refuse["upload"] = [(503, "server_error")]
        server.refuse["create"] = [(429, "rate_limit_exceeded")]
        server.refuse["retrieve"] = [(500, "server_error")]
        asked = run(server, tmp_path)
        assert asked() == BatchTally(answered=3)
        assert server.calls["upload"] == 2
    assert any("not submitted yet" in line for line in asked.lines)


def test_one_process_at_a_time(tmp_path: Path) -> None:
    with BatchServer() as server:
        asked = run(server, tmp_path)
        inner: list[str] = []

        async def meanwhile(_: object) -> None:
            with pytest.raises(PrerequisiteError, match="another process"):
                await run(server, tmp_path)._run(wait=False)
            inner.append("refused")

        asked._pass = meanwhile  # type: ignore[method-assign]
        asked(wait=False)
    assert inner == ["refused"]


def test_an_endless_result_file_ends(tmp_path: Path) -> None:
    """Nothing of it stays, and nothing else is asked for."""
    endless = Plan(output=lambda lines: [*lines, b"x" * 20_000_000])
    with BatchServer(plans=(endless,)) as server, pytest.raises(PrerequisiteError, match="larger than"):
        run(server, tmp_path)()
    assert max(path.stat().st_size for path in tmp_path.rglob("*") if path.is_file()) < 10_000


def test_an_endpoint_without_a_list_of_batches(tmp_path: Path) -> None:
    """Nobody can tell whether the batch was made: it is not made again."""
    with BatchServer() as server:
        server.break_after["create"] = 1
        server.refuse["list"] = [(404, "")]
        with pytest.raises(PrerequisiteError, match="does not list its batches"):
            run(server, tmp_path)()
        assert server.calls["create"] == 1
        assert run(server, tmp_path)().answered == 3
        assert server.calls["create"] == 1


def test_a_full_batch_that_went_through_lets_the_next_be_larger(tmp_path: Path) -> None:
    error = {"code": "token_limit_exceeded", "line": None}
    with BatchServer(plans=(Plan(errors=(error,)), Plan())) as server:
        assert run(server, tmp_path, 40)().answered == 40
        sizes = [len(data.splitlines()) for data in server.uploads.values()]
    assert sizes == [40, 20, 20]
    with BatchServer() as server:
        assert run(server, tmp_path, 80)().answered == 80
        sizes = [len(data.splitlines()) for data in server.uploads.values()]
    assert sizes == [25, 15]


def test_a_full_disk_is_said_and_nothing_is_lost(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written, full_at = batch_folder.write_atomic, set[str]()  # type: ignore[attr-defined]

    def full(path: Path, data: bytes) -> None:
        if path.name in full_at:
            raise OSError(28, "No space left on device")
        written(path, data)

    monkeypatch.setattr(batch_folder, "write_atomic", full)
    with BatchServer() as server:
        for name in ("intent", "uploaded", "submitting", "batch", "ended"):
            full_at.add(f"{name}.json")
            with pytest.raises(PrerequisiteError, match="free some disk space"):
                run(server, tmp_path)()
            full_at.clear()
        assert run(server, tmp_path)().answered == 3
        assert server.calls["create"] == 1
        assert server.paid_twice == []


def test_we_stay_away_as_long_as_we_are_told(tmp_path: Path) -> None:
    with BatchServer() as server:
        server.refuse["retrieve"] = [(429, "rate_limit_exceeded")]
        server.retry_after = "1"
        began = time.monotonic()
        assert run(server, tmp_path)().answered == 3
        assert time.monotonic() - began >= 1


def test_a_status_that_nobody_knows_is_waited_for(tmp_path: Path) -> None:
    with BatchServer(plans=(Plan(polls=2, before="\x1b[31mThinking <b>hard</b>"),)) as server:
        asked = run(server, tmp_path)
        assert asked().answered == 3
    assert not any("\x1b" in line or "<" in line for line in asked.lines)
    assert any("31mthinkingbhardb" in line for line in asked.lines)


def test_other_peoples_batches_in_the_list_do_no_harm(tmp_path: Path) -> None:
    odd = [{"id": "batch_x", "metadata": 3, "status": None}, {"id": "y", "metadata": {"mmke_batch": None}}]
    with BatchServer() as server:
        server.break_after["create"] = 1
        server.others = odd * 3
        assert run(server, tmp_path)().answered == 3
        assert server.calls["create"] == 1
        assert server.calls["list"] >= 2
