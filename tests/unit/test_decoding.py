"""A decoder that hangs, crashes or eats memory is killed; its picture has a reason and the pool lives on."""

import asyncio
import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

from curation.decoding import DecodePool
from curation.errors import PrerequisiteError, Reason, Rejected, TransientError
from curation.images import Inspected, inspect
from tests.pictures import bomb, encoded, halves, noise

GIB = 1 << 30


@pytest.fixture(scope="module")
def pool() -> Iterator[DecodePool]:
    with DecodePool(workers=2, seconds=2, memory=GIB) as opened:
        yield opened


def alive(pool: DecodePool) -> bool:
    data = encoded(halves())
    return asyncio.run(pool.inspect("img-ok", data)) == inspect("img-ok", data)


def test_it_returns_what_inspect_returns_in_order(pool: DecodePool) -> None:
    files = [encoded(noise(seed=seed), kind) for seed in range(3) for kind in ("JPEG", "PNG", "WEBP", "AVIF")]
    files += [b"", b"<html>", encoded(halves(), "TIFF"), files[0][:500], bomb(12_000)]

    async def all_at_once() -> list[Inspected | Rejected]:
        return await asyncio.gather(*(pool.inspect(f"img-{n}", data) for n, data in enumerate(files)))

    assert asyncio.run(all_at_once()) == [inspect(f"img-{n}", data) for n, data in enumerate(files)]


def test_several_threads_with_loops_of_their_own_share_a_pool(pool: DecodePool) -> None:
    seen: list[bool] = []
    threads = [threading.Thread(target=lambda: seen.append(alive(pool))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert seen == [True] * 4


def test_a_bomb_under_the_pixel_limit_meets_the_memory_limit() -> None:
    # 49 megapixels in 14 KB: within what is read, but its colours need more than this worker may have.
    data = bomb(7_000)
    with DecodePool(workers=1, seconds=10, memory=128 << 20) as small:
        found = asyncio.run(small.inspect("img-bomb", data))
        assert isinstance(found, Rejected)
        assert (found.key, found.reason) == ("img-bomb", Reason.DECODE_TOO_COSTLY)
        assert "128 MiB" in found.detail
        assert alive(small)


def test_a_slow_picture_meets_the_time_limit() -> None:
    # 200 KB that say 90 times more how 49 megapixels of grey are to be refined.
    data = encoded(Image.new("L", (7_000, 7_000), "gray"), "JPEG", progressive=True)
    data = data[:-2] + data[data.rindex(b"\xff\xda") : -2] * 90 + data[-2:]
    with DecodePool(workers=1, seconds=1, memory=2 * GIB) as strict:
        found = asyncio.run(strict.inspect("img-slow", data))
        assert isinstance(found, Rejected)
        assert found.reason is Reason.DECODE_TOO_COSTLY
        assert alive(strict)


def spin() -> None:
    while True:
        pass


def hoard() -> int:
    return len(bytearray(16 * GIB))


def die_once(mark: Path) -> str:
    if not mark.exists():
        mark.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return "done"


@pytest.mark.parametrize(
    ("work", "arguments", "reason"),
    [
        (spin, (), Reason.DECODE_TOO_COSTLY),
        (hoard, (), Reason.DECODE_TOO_COSTLY),
        (os.abort, (), Reason.DECODE_CRASHED),
        (os._exit, (7,), Reason.DECODE_CRASHED),
        (signal.raise_signal, (signal.SIGKILL,), Reason.DECODE_CRASHED),
    ],
)
def test_what_ends_badly_is_rejected_and_the_pool_lives_on(
    pool: DecodePool, work: object, arguments: tuple[int, ...], reason: Reason
) -> None:
    found = asyncio.run(pool.run("img-bad", work, *arguments))  # type: ignore[arg-type]
    assert isinstance(found, Rejected)
    assert (found.key, found.reason) == ("img-bad", reason)
    assert alive(pool)


def test_one_that_sleeps_is_killed_while_others_go_on() -> None:
    async def beside(pool: DecodePool) -> tuple[object, bool]:
        asleep = asyncio.create_task(pool.run("img-asleep", time.sleep, 600))
        data = encoded(halves())
        awake = [await pool.inspect("img-ok", data) for _ in range(5)]
        return await asleep, set(awake) == {inspect("img-ok", data)}

    with DecodePool(workers=2, seconds=0.5, memory=GIB) as pool:
        found, others = asyncio.run(beside(pool))
    assert isinstance(found, Rejected)
    assert (found.reason, others) == (Reason.DECODE_TOO_COSTLY, True)


def test_one_death_may_come_from_elsewhere(pool: DecodePool, tmp_path: Path) -> None:
    assert asyncio.run(pool.run("img-1", die_once, tmp_path / "mark")) == "done"


def test_workers_killed_while_idle_are_replaced(pool: DecodePool) -> None:
    pids = {asyncio.run(pool.run("pid", os.getpid)) for _ in range(6)}
    for pid in pids:
        os.kill(pid, signal.SIGKILL)  # type: ignore[arg-type]
    assert alive(pool)
    assert not pids & {asyncio.run(pool.run("pid", os.getpid)) for _ in range(6)}


def test_a_cancelled_call_frees_its_worker(pool: DecodePool) -> None:
    async def given_up() -> None:
        await asyncio.wait_for(asyncio.gather(*(pool.run("x", time.sleep, 600) for _ in range(2))), 1)

    with pytest.raises(TimeoutError):
        asyncio.run(given_up())
    start = time.monotonic()
    assert alive(pool)
    assert time.monotonic() - start < 10


def test_what_the_work_raises_is_raised(pool: DecodePool) -> None:
    with pytest.raises(ZeroDivisionError):
        asyncio.run(pool.run("x", divmod, 1, 0))


def test_nothing_is_left_running_at_the_end() -> None:
    with DecodePool(workers=1, seconds=2, memory=GIB) as pool:
        pid = asyncio.run(pool.run("pid", os.getpid))
        assert isinstance(pid, int)
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_too_little_memory_to_take_a_picture_in_is_refused() -> None:
    with pytest.raises(ValueError, match="128 MiB"):
        DecodePool(memory=1000)


def opened_here(answers: "multiprocessing.Queue[str]") -> None:
    try:
        with DecodePool(workers=1):
            pass
    except PrerequisiteError as error:
        answers.put(str(error))


def test_a_daemonic_process_is_told_what_to_set() -> None:
    context = multiprocessing.get_context("spawn")
    answers = context.Queue()
    child = context.Process(target=opened_here, args=(answers,), daemon=True)
    child.start()
    assert "distributed.worker.daemon" in answers.get(timeout=60)
    child.join()


def unfit(_: int) -> None:
    raise OSError("no such limit")


def test_workers_that_never_start_are_a_transient_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("curation.decoding._prepare", unfit)
    with DecodePool(workers=1, memory=GIB) as pool, pytest.raises(TransientError):
        asyncio.run(pool.inspect("img-1", encoded(halves())))
