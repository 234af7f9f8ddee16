"""The page about verification: whole, the same every time, and deaf to what strangers wrote."""

from __future__ import annotations

from pathlib import Path

from curation.reviewing.verdicts import resolve
from flows.review import review_of
from flows.review_report import write_review_page
from tests.review_samples import PICTURES, item
from tests.unit.test_effect import vote

HOSTILE = "<script>alert(1)</script>\u202e<img src=x onerror=alert(2)>"


def page(folder: Path) -> str:
    items = [item("itm-1", subject_name=HOSTILE, category=HOSTILE), item("itm-2")]
    votes = [
        vote(one, who, 2 * n + m)
        for n, one in enumerate(items)
        for m, who in enumerate(("a@x.org", "b@x.org"))
    ]
    votes[1] = vote(items[0], "b@x.org", 9, "reject", HOSTILE).model_copy(update={"comment": HOSTILE})
    verdicts = [found for one in items if (found := resolve(one, votes))]
    write_review_page(folder / "review.html", review_of(items, votes, verdicts), PICTURES.__getitem__)
    return (folder / "review.html").read_text()


def test_nothing_of_a_stranger_is_active_and_nothing_comes_from_elsewhere(tmp_path: Path) -> None:
    text = page(tmp_path)
    assert "<script" not in text
    assert "onerror=alert(2)>" not in text
    assert "\u202e" not in text
    assert "default-src 'none'" in text
    assert "http://" not in text.replace("http://www.w3.org", "").replace("http://purl.org", "").replace(
        "http://creativecommons.org", ""
    )


def test_annotators_are_letters_and_the_page_repeats(tmp_path: Path) -> None:
    text = page(tmp_path)
    assert "a@x.org" not in text
    assert text.count("data:image/jpeg") == 2
    assert "2 items = 1 approved + 0 fixed + 0 rejected + 1 disputed + 0 waiting" in text
    assert page(tmp_path) == text
