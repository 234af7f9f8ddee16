"""Tests of the drafting page: it tells what is in the warehouse, and strangers' words do nothing on it."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from curation.drafting.judges.judging import JudgeAgreement, Judgement, JudgeVerdict
from curation.drafting.money.spending import spending
from curation.drafting.report import DraftReport, Standing, draft_report
from curation.errors import Reason
from curation.records import Outcome, VerdictState
from flows.drafting.report import marked, write_draft_page, write_draft_report
from flows.settings import Settings
from tests.samples import accepted, make_item
from tests.unit.draft_reports import CHECKS, LEAK, call, counted, draft
from tests.unit.galleries import Page
from tests.unit.test_markup import HOSTILE
from warehouse.store import Event, open_store, outcome_event, record_event

POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"
SHOWN = {"svg", "g", "path", "defs", "clippath", "rect", "text", "use", "style", "title", "tspan", "metadata"}


def agreement(**changes: Any) -> JudgeAgreement:
    values: dict[str, Any] = {
        "judge": "gpt-4.1",
        "items": 12,
        "unscored": 2,
        "table": ((7, 1), (2, 2)),
        "kappa": None,
        "is_fit": False,
        "said": "do not use this judge",
    }
    return JudgeAgreement(**(values | changes))


def page(tmp_path: Path, report: DraftReport, calls: Any = ()) -> tuple[str, Page]:
    out = tmp_path / "drafting.html"
    write_draft_page(out, report, calls)
    html = out.read_text()
    return html, Page(html)


def hostile(text: str) -> DraftReport:
    """Return a report that holds a stranger's text wherever one can stand."""
    finding = LEAK.model_copy(update={"span": text, "detail": text, "check": text})
    item = make_item(1)
    probes = [
        item.probes[0].model_copy(update={"question": text, "probe_id": "I-Rel-1"}),
        *item.probes[1:],
    ]
    changed = {"subject_name": text, "original_text": text, "edited_text": f"a {text} b", "probes": probes}
    made = draft(1, 0, finding, item=item.model_copy(update=changed), category=text, detail=text)
    standing = Standing("subject-1", text, Outcome.REJECTED, text, text)
    asked = call(1, model=text, step=text, prompt_id=text, category=text, detail=text, drafter=text)
    judge = agreement(judge=text, said=text)
    return draft_report(counted(name_leaked=1), [standing], [made], [asked], CHECKS, None, [judge])


@pytest.mark.parametrize("text", [*HOSTILE, "\u202egpj.exe\x1b[31m\0", "$x$ %(a)s {} \\n", "\ud800"])
def test_strangers_words_do_nothing(tmp_path: Path, text: str) -> None:
    report = hostile(text)
    html, read = page(tmp_path, report, [call(1, step="a", seconds=1.0), call(2, step="b", seconds=2.0)])
    assert POLICY in html and not read.handlers and not read.links and not read.pictures
    assert not read.tags & {"script", "iframe", "img", "a", "object", "form", "base"}
    assert "\x1b" not in html and "\u202e" not in html and "\0" not in html


def test_the_numbers_are_on_the_page(tmp_path: Path) -> None:
    stand = [
        Standing("subject-1", "building", Outcome.KEPT),
        Standing("subject-2", "building", Outcome.REJECTED, "name_leaked"),
        Standing("subject-3", "building", Outcome.PENDING),
    ]
    calls = [call(1), call(2)]
    judge = agreement(kappa=0.41)
    lost = spending([("f" * 64, None, [Decimal("0.25")])])
    report = draft_report(
        counted(1, 1, name_leaked=1), stand, [draft(1), draft(2, 0, LEAK)], calls, CHECKS, lost, [judge]
    )
    html, read = page(tmp_path, report, calls)
    assert "3 subjects = 1 kept + 1 rejected (name_leaked 1) + 1 pending." in read.text
    assert "It is in <mark>Norway</mark>. It dates" in html
    for words in ("$0.02", "2.00", "50.0", "name_leaked", "0.41", "f" * 64, "at most $0.25", "questions_vis"):
        assert words in read.text
    assert read.text.count("<svg") == 0 and html.count("<svg") == 2


def test_the_same_report_gives_the_same_bytes(tmp_path: Path) -> None:
    calls = [call(1), call(2, seconds=5.0)]
    report = draft_report(
        counted(1), [Standing("subject-1", "a", Outcome.KEPT)], [draft(2, 0, LEAK)], calls, CHECKS
    )
    assert page(tmp_path, report, calls)[0] == page(tmp_path, report, calls)[0]


def test_an_empty_report_is_a_page(tmp_path: Path) -> None:
    _, read = page(tmp_path, draft_report(counted(), [], [], [], CHECKS))
    assert "Nothing was turned down." in read.text and "nothing was asked yet" in read.text


def judged(number: int) -> list[Event]:
    """Return verdicts of people and a judge who says the same, and a try that is no judgement."""
    events = [Event("judgement", "try", {"task_key": "x", "probe_ids": ["I-Rel"]})]
    for place in range(number):
        is_good = place % 2 == 0
        item = make_item(place)
        words = accepted(item, VerdictState.APPROVED if is_good else VerdictState.REJECTED)
        said = Judgement(
            item_id=item.item_id,
            task_key=item.task_key,
            matter="judge_edit",
            judge="gpt-4.1",
            verdict=JudgeVerdict.SOUND if is_good else JudgeVerdict.FLAGGED,
            reason=None,
            choices=("sound", "sound"),
        )
        events += [record_event("verdict", item.item_id, words), record_event("judgement", str(place), said)]
    return events


def test_the_page_of_a_warehouse(tmp_path: Path) -> None:
    made = draft(2, 0, LEAK)
    with open_store(tmp_path) as store:
        events = [
            outcome_event("draft", "subject-1", Outcome.KEPT, unit="subjects", category="building"),
            outcome_event(
                "draft",
                "subject-2",
                Outcome.REJECTED,
                unit="subjects",
                category="building",
                reason=Reason.NAME_LEAKED,
                detail="x",
            ),
        ]
        store.append([*events, record_event("draft", made.key, made)])
        store.append([record_event("draft_call", "a", call(1))])
        store.append(judged(20))
    written = write_draft_report(Settings(home=tmp_path))
    first = written.read_bytes()
    text = Page(first.decode()).text
    assert "2 subjects = 1 kept + 1 rejected (name_leaked 1) + 0 pending." in text
    assert "I-Rel-1 names it" in text and "kappa 1.00 over 20 items" in text
    assert write_draft_report(Settings(home=tmp_path)).read_bytes() == first


@pytest.mark.parametrize(
    ("text", "span", "shown"),
    [
        ("It is in Norway.", "Norway", "It is in <mark>Norway</mark>."),
        ("norway, Norway", "Norway", "norway, <mark>Norway</mark>"),
        ("norway", "Norway", "<mark>norway</mark>"),
        ("a<b>c", "<b>", "a<mark>&lt;b&gt;</mark>c"),
        ("İİ x", "X", "İİ x"),
        ("abc", "", "abc"),
        ("abc", "z", "abc"),
    ],
)
def test_spans_are_marked(text: str, span: str, shown: str) -> None:
    assert str(marked(text, span)) == shown


@given(st.text(max_size=60), st.text(max_size=5))
def test_marking_adds_marks_and_nothing_else(text: str, span: str) -> None:
    html = str(marked(text, span))
    read = Page(html)
    assert read.tags <= {"mark"}
    assert read.text == Page(str(marked(text, ""))).text
