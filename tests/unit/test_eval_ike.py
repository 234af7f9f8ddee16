"""IKE: which demonstrations it finds, what it leaves out when they do not fit, and what it keeps on disk."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
import torch

from curation.errors import PrerequisiteError
from curation.records import EditType, Split
from eval.cases import edit_cases
from eval.editors.demonstrations import Pool, copy_demonstration, demonstrations, fact_of
from eval.editors.ike import Ike, InContext
from eval.editors.port import EditRequest
from eval.models.port import DoesNotFitError, Edit, Picture, Prompt, Question
from eval.records import Dialect, EditCase, Unscored
from tests.unit.eval_release import make_release

RELEASE = make_release(buildings=10, signs=8, tools=6)
TRAIN = list(edit_cases(RELEASE, Split.TRAIN))
EVAL = list(edit_cases(RELEASE, Split.EVAL))


class Words:
    """A model that counts blanks as tokens, ten for a picture, and takes so many."""

    name = "tiny-llava"

    def __init__(self, positions: int = 100_000) -> None:
        self.positions = positions

    def length(self, question: Question) -> int:
        return len(question.text.split(" ")) + (10 if question.picture else 0)

    def encode(self, question: Question, dialect: Dialect, **_: Any) -> Prompt:
        if self.length(question) > self.positions:
            raise DoesNotFitError(Unscored.TOO_LONG)
        return Prompt(question, tuple(range(self.length(question))))


class LetterCounts:
    """Embeds a text as its letter counts; remembers what it embedded."""

    def __init__(self) -> None:
        self.seen: list[str] = []

    def encode(self, texts: list[str], **_: Any) -> torch.Tensor:
        self.seen += texts
        vectors = torch.tensor([[float(text.count(chr(97 + i))) for i in range(26)] for text in texts])
        return vectors / vectors.norm(dim=1, keepdim=True)


def request_of(case: EditCase, model: Words) -> EditRequest:
    question = Question(case.request, case.target, Picture(case.image, b""))
    return EditRequest(case, model.encode(question, Dialect.IKE))


def edited(case: EditCase, model: Words, k: int = 2, dialect: Dialect = Dialect.IKE) -> Any:
    ike = Ike(Pool(TRAIN, LetterCounts()), InContext(k), dialect)
    return ike.edit(model, [request_of(case, model)], Edit())[0]  # type: ignore[arg-type]


def longest(model: Words, case: EditCase, context: str) -> int:
    return max(
        model.length(Question(p.question, p.answer, Picture("", b"") if p.image_role else None, context))
        for p in case.probes
    )


def cosine(one: str, other: str) -> float:
    first, second = ([text.count(chr(97 + i)) for i in range(26)] for text in (one, other))
    return sum(a * b for a, b in zip(first, second, strict=True)) / math.hypot(*first) / math.hypot(*second)


def test_retrieval_is_that_of_a_slow_loop() -> None:
    found = Pool(TRAIN, LetterCounts()).nearest(EVAL, 5)
    for case, shown in zip(EVAL, found, strict=True):
        query = copy_demonstration(case).search_text
        own = [one for other in TRAIN if other.edit_type is case.edit_type for one in demonstrations(other)]
        best = sorted(own, key=lambda one: -round(cosine(query, one.search_text), 5))[:5]
        assert [round(cosine(query, one.search_text), 4) for one in shown] == [
            round(cosine(query, one.search_text), 4) for one in best
        ]


def test_a_case_finds_the_same_alone_and_among_others() -> None:
    pool = Pool(TRAIN, LetterCounts())
    together = pool.nearest(EVAL, 4)
    assert [pool.nearest([case], 4)[0] for case in EVAL] == together


def test_demonstrations_are_of_the_cases_own_editing_type() -> None:
    facts = {fact_of(case): case.edit_type for case in TRAIN}
    for case, shown in zip(EVAL, Pool(TRAIN, LetterCounts()).nearest(EVAL, 50), strict=True):
        assert shown
        assert {facts[one.fact] for one in shown} == {case.edit_type}


def test_the_context_is_demonstrations_then_the_own_copy_then_the_fact() -> None:
    case = EVAL[0]
    near = TRAIN[0].model_copy(update={"request": case.request, "target": case.target})
    ike = Ike(Pool([*TRAIN, near], LetterCounts()), InContext(1), Dialect.IKE)
    edit = ike.edit(Words(), [request_of(case, Words())], Edit())[0]  # type: ignore[arg-type]
    own = copy_demonstration(case).search_text
    assert isinstance(edit, Edit)
    assert edit.context == own + own + f"New Fact: {fact_of(case)}\nPrompt: "
    assert (edit.dropped, edit.weights) == (0, {})


def test_an_own_copy_repeats_the_fact_as_the_reference_writes_it() -> None:
    fact = fact_of(EVAL[0])
    assert copy_demonstration(EVAL[0]).search_text == f"New Fact: {fact}\nPrompt: {fact}\n\n"


def test_demonstrations_are_copy_update_and_retain() -> None:
    case = TRAIN[0]
    copied, updated, retained = demonstrations(case)
    assert (copied.question, updated.question) == (case.request, case.rephrased_request)
    assert retained.answer != case.target
    assert {copied.fact, updated.fact, retained.fact} == {fact_of(case)}


@pytest.mark.parametrize("dialect", [Dialect.IKE, Dialect.CLEAN])
def test_the_farthest_are_dropped_until_every_prompt_fits_and_no_more(dialect: Dialect) -> None:
    case, whole = EVAL[0], edited(EVAL[0], Words(), k=6)
    pieces = whole.context.split("\n\n")
    for dropped in range(1, 8):
        kept = [*pieces[: max(0, 6 - dropped)], *pieces[6 : 7 - (dropped == 7)], pieces[-1]]
        context = "\n\n".join(kept)
        positions = longest(Words(), case, context)
        tight = edited(case, Words(positions), k=6, dialect=dialect)
        assert (tight.context, tight.dropped) == (context, dropped)


def test_a_fact_that_does_not_fit_alone_is_too_long() -> None:
    case = EVAL[0]
    alone = f"New Fact: {fact_of(case)}\nPrompt: "
    positions = longest(Words(), case, alone)
    assert edited(case, Words(positions)).context == alone
    assert edited(case, Words(positions - 1)) is Unscored.TOO_LONG


def test_without_a_train_split_the_fact_is_still_shown() -> None:
    ike = Ike(Pool([], LetterCounts()), InContext(2), Dialect.IKE)
    edit = ike.edit(Words(), [request_of(EVAL[0], Words())], Edit())[0]  # type: ignore[arg-type]
    assert isinstance(edit, Edit)
    assert fact_of(EVAL[0]) in edit.context


def test_a_second_run_embeds_the_queries_only(tmp_path: Path) -> None:
    first, second = LetterCounts(), LetterCounts()
    one, other = Pool(TRAIN, first, tmp_path), Pool(TRAIN, second, tmp_path)
    texts = {demonstration.search_text for case in TRAIN for demonstration in demonstrations(case)}
    assert texts <= set(first.seen)
    assert not texts & set(second.seen)
    assert one.nearest(EVAL, 3) == other.nearest(EVAL, 3)


def test_a_damaged_or_foreign_cache_file_is_made_again(tmp_path: Path) -> None:
    Pool(TRAIN, LetterCounts(), tmp_path)
    (file,) = (tmp_path / "embeddings").iterdir()
    whole = file.read_bytes()
    for damaged in (b"", whole[:100], whole[:-4]):
        file.write_bytes(damaged)
        pool = Pool(TRAIN, LetterCounts(), tmp_path)
        assert pool.nearest(EVAL, 3) == Pool(TRAIN, LetterCounts()).nearest(EVAL, 3)
        assert file.read_bytes() == whole


def test_another_train_split_has_another_digest_and_cache_file(tmp_path: Path) -> None:
    ikes = [
        Ike.prepared(cases, Dialect.CLEAN, Words(), tmp_path, LetterCounts())  # type: ignore[arg-type]
        for cases in (TRAIN, TRAIN[:-1])
    ]
    told = [ike.hyper_parameters() for ike in ikes]
    assert told[0]["pool_sha256"] != told[1]["pool_sha256"]
    assert told[0]["pool"] == 3 * len(TRAIN)
    assert len(list((tmp_path / "embeddings").iterdir())) == 2


def test_a_model_without_hyper_parameters_is_refused(tmp_path: Path) -> None:
    stranger = Words()
    stranger.name = "gpt-9"
    with pytest.raises(PrerequisiteError, match=r"ike\.toml knows"):
        Ike.prepared(TRAIN, Dialect.CLEAN, stranger, tmp_path, LetterCounts())  # type: ignore[arg-type]


def test_the_release_has_all_types() -> None:
    assert {case.edit_type for case in TRAIN} == set(EditType) == {case.edit_type for case in EVAL}
