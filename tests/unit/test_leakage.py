"""One photograph for two subjects, in two splits, or in an earlier release: each is found and told."""

from curation.deduplicating.leakage import Leak, Use, across_splits, across_subjects, against_releases
from curation.records import DuplicatePair, ImageRole, PairVerdict, Split, Transform


def pair(first: str, second: str, verdict: PairVerdict = PairVerdict.MERGE) -> DuplicatePair:
    return DuplicatePair(
        first=first, second=second, transform=Transform.CROPPED, verdict=verdict, measures={}, reason="why"
    )


def use(release: str, split: Split, item: str = "item-1") -> Use:
    return Use(release=release, split=split, item_id=item, role=ImageRole.EDIT)


def test_two_subjects_with_one_photograph() -> None:
    pairs = [pair("a", "b"), pair("a", "c"), pair("b", "d", PairVerdict.DISTINCT), pair("a", "z")]
    found = across_subjects(pairs, {"a": "rome", "b": "petra", "c": "rome", "d": "oslo"})
    assert [(one.leak, one.first, one.second) for one in found] == [(Leak.SUBJECTS, "a", "b")]
    assert (found[0].first_place, found[0].second_place) == ("rome", "petra")
    assert found[0].reason == "cropped: why"


def test_train_and_eval_of_one_release_with_one_photograph() -> None:
    uses = {
        "a": [use("0.1.0", Split.TRAIN)],
        "b": [use("0.1.0", Split.EVAL, "item-2")],
        "c": [use("0.2.0", Split.EVAL)],
    }
    found = across_splits([pair("a", "b", PairVerdict.REVIEW), pair("a", "c")], uses)
    assert [(one.first_place, one.second_place) for one in found] == [
        ("0.1.0 train: item-1 (edit)", "0.1.0 eval: item-2 (edit)")
    ]
    assert found[0].verdict is PairVerdict.REVIEW


def test_a_new_picture_that_an_earlier_release_has() -> None:
    uses = {"old": [use("0.1.0", Split.EVAL)], "kept": [use("0.1.0", Split.TRAIN)]}
    pairs = [pair("new", "old"), pair("old", "other"), pair("kept", "old")]
    found = against_releases(pairs, uses, {"new": "rome", "other": "oslo", "kept": "rome"})
    assert [(one.first, one.second, one.first_place) for one in found] == [
        ("new", "old", "rome"),
        ("other", "old", "oslo"),
    ]
