"""The six metrics as pure functions of token ids, in each dialect, and the scores of free answers.

Dialects differ in the positions read (encoding) and in how ids become numbers (here); see docs/metrics.md.
"""

from __future__ import annotations

import string
import unicodedata
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from operator import eq
from typing import NamedTuple, Protocol

from curation.ids import nfc
from curation.records import ProbeKind
from eval.records import Dialect, Unscored

_KINDS = tuple(ProbeKind)
LOCALITY = (ProbeKind.T_LOC, ProbeKind.I_LOC)
_ARTICLES = frozenset({"a", "an", "the"})
# SQuAD drops ASCII's; the others' are dropped here too, so that a typographic quote costs nothing.
_PUNCTUATION = dict.fromkeys(
    sign
    for sign in range(0x10000)
    if chr(sign) in string.punctuation or unicodedata.category(chr(sign))[0] == "P"
)


class ReadIds(Protocol):
    """What score asks of a probe; eval.records.ProbeReading and ProbeIds both have it."""

    @property
    def kind(self) -> ProbeKind:
        """Return which metric the probe belongs to."""

    @property
    def label_ids(self) -> Sequence[int]:
        """Return the ids of the answer, L of them."""

    @property
    def predicted_ids(self) -> Sequence[int]:
        """Return the edited model's first choice at each of the L positions that predict a label."""

    @property
    def base_top(self) -> Sequence[Sequence[int]]:
        """Return the base model's likeliest ids at each compared position, best first."""

    @property
    def edited_top(self) -> Sequence[Sequence[int]]:
        """Return the edited model's likeliest ids at each compared position, best first."""

    @property
    def unscored(self) -> Unscored | None:
        """Return why the probe has no ids, None when it has."""


@dataclass(frozen=True)
class ProbeIds:
    """One probe's ids, for a caller without evaluation records; the fields are those of ReadIds."""

    kind: ProbeKind
    label_ids: Sequence[int] = ()
    predicted_ids: Sequence[int] = ()
    base_top: Sequence[Sequence[int]] = ()
    edited_top: Sequence[Sequence[int]] = ()
    unscored: Unscored | None = None


class Count(NamedTuple):
    """So many comparisons of so many came out right."""

    correct: int
    total: int

    @property
    def share(self) -> float:
        """Return correct / total."""
        return self.correct / self.total


@dataclass(frozen=True)
class Scores:
    """The metrics of one case, shares in 0..1; None where no probe of the kind was scored.

    i_loc is i_loc_rank_wise in the reference's dialects and i_loc_overlap in ours; both are always given.
    t_loc_overlap: the order-insensitive top-k overlap of the T-Loc probes, None where only first choices are
    kept. counts: of each kind the comparisons made, summed over its probes: label tokens, positions of T-Loc,
    positions x k of I-Loc (rank-wise). KE's mean over cases is sum of correct / sum of total.
    """

    t_rel: float | None
    i_rel: float | None
    i_gen: float | None
    t_loc: float | None
    i_loc: float | None
    port: float | None
    i_loc_rank_wise: float | None
    i_loc_overlap: float | None
    t_loc_overlap: float | None
    counts: Mapping[ProbeKind, Count]

    def of(self, kind: ProbeKind) -> float | None:
        """Return the metric of a kind."""
        values = (self.t_rel, self.i_rel, self.i_gen, self.t_loc, self.i_loc, self.port)  # as in ProbeKind
        return values[_KINDS.index(ProbeKind(kind))]


def score(probes: Sequence[ReadIds], dialect: Dialect) -> Scores:
    """Return the six metrics of one case in a dialect (MMKE-Bench, section 4).

    With y the label ids, p the predicted ids, b and e the base's and the edited model's lists of the k
    likeliest ids at each of P compared positions:

    T-Rel, I-Rel, I-Gen, Port   sum_i [p_i = y_i] / L                 (losses.py, multiclass_log_probs)
    T-Loc                       sum_j [b_j0 = e_j0] / P               (MultimodalTrainer.py, edit_step)
    I-Loc, rank-wise            sum_j sum_r [b_jr = e_jr] / (P k)     (MultimodalTrainer.py, edit_step)
    I-Loc, overlap              sum_j |set(b_j) & set(e_j)| / (P k)   (ours)

    and of several probes of a kind their plain mean; in the KE dialect the sum of what is right by the sum of
    what was compared (KE's ke_eval_multihop.py counts over all records). I-Loc is the rank-wise number in the
    trainer's, IKE's and KE's dialects and the overlap in clean. Which positions are compared is
    the caller's: the whole sequence in the trainer's and KE's dialects, the L label positions in IKE's and
    clean. Probes with a reason in unscored are left out.

    Raises ValueError for a probe without labels or positions, with lists of different lengths, or, in a
    dialect of label positions, with other than one position a label.
    """
    dialect = Dialect(dialect)
    told = [(probe, ProbeKind(probe.kind)) for probe in probes if probe.unscored is None]
    by_kind = {kind: [probe for probe, its in told if its is kind] for kind in _KINDS}
    counts: dict[ProbeKind, list[Count]] = {}
    overlaps: dict[ProbeKind, list[Count]] = {}
    for kind, group in by_kind.items():
        if kind in LOCALITY:
            for probe in group:
                _check_positions(probe, dialect)
            compare = _first_choices if kind is ProbeKind.T_LOC else _ranks
            counts[kind] = [compare(probe.base_top, probe.edited_top) for probe in group]
            overlaps[kind] = [_shared(probe.base_top, probe.edited_top) for probe in group]
        else:
            counts[kind] = [_equal(probe.label_ids, probe.predicted_ids) for probe in group]
    micro = dialect is Dialect.KE
    values = {kind: _mean(counts[kind], micro=micro) for kind in _KINDS}
    overlap = _mean(overlaps[ProbeKind.I_LOC], micro=micro)
    wide = all(len(top) > 1 for probe in by_kind[ProbeKind.T_LOC] for top in probe.base_top)
    return Scores(
        t_rel=values[ProbeKind.T_REL],
        i_rel=values[ProbeKind.I_REL],
        i_gen=values[ProbeKind.I_GEN],
        t_loc=values[ProbeKind.T_LOC],
        i_loc=overlap if dialect is Dialect.CLEAN else values[ProbeKind.I_LOC],
        port=values[ProbeKind.PORT],
        i_loc_rank_wise=values[ProbeKind.I_LOC],
        i_loc_overlap=overlap,
        t_loc_overlap=_mean(overlaps[ProbeKind.T_LOC], micro=micro) if wide else None,
        counts={kind: _sum(each) for kind, each in counts.items() if each},
    )


def token_accuracy(predicted: Sequence[int], labels: Sequence[int]) -> float:
    """Return the share of label positions whose first choice is the label (MMKE-Bench, section 4).

    Teacher forced, no end-of-text label. Raises ValueError for different lengths or no label.
    """
    return _equal(labels, predicted).share


def top1_agreement(base: Sequence[Sequence[int]], edited: Sequence[Sequence[int]]) -> float:
    """Return the share of positions where both models have the same first choice: T-Loc.

    base, edited: [positions][k]. Raises ValueError for no position or different shapes.
    """
    return _first_choices(base, edited).share


def rank_agreement(base: Sequence[Sequence[int]], edited: Sequence[Sequence[int]]) -> float:
    """Return the share of (position, rank) where both models have the same id: the reference's I-Loc.

    base, edited: [positions][k]. Raises ValueError for no position or different shapes.
    """
    return _ranks(base, edited).share


def topk_overlap(base: Sequence[Sequence[int]], edited: Sequence[Sequence[int]]) -> float:
    """Return the mean share of the k likeliest ids that both models have, whatever their ranks.

    I-Loc of the clean protocol; never lower than rank_agreement. base, edited: [positions][k]. Raises
    ValueError for no position or different shapes.
    """
    return _shared(base, edited).share


def label_indices(offsets: Sequence[tuple[int, int]], start: int, stop: int) -> list[int]:
    """Return which tokens of a text belong to the answer at characters start..stop of it.

    offsets: (first, past the last) character of each token of the JOINT tokenisation of question and
    answer. A token counts when it covers at least one character of the answer, so the blank that a
    byte-level tokeniser glues to a word does not hide the word. (MMKE-Bench tokenises the answer alone,
    easyeditor/dataset/coco_caption.py, which for such tokenisers gives ids that are not in the sequence.)
    """
    return [index for index, (first, last) in enumerate(offsets) if last > start and first < stop]


def exact_match(generated: str, answer: str) -> float:
    """Return 1.0 when the greedy answer is the expected one, letter for letter after NFC, else 0.0."""
    return float(nfc(generated) == nfc(answer))


def token_f1(generated: str, answer: str) -> float:
    """Return the F1 of two bags of words: lower case, without punctuation and the words a, an, the.

    As SQuAD's evaluation normalises (Rajpurkar et al. 2016). Two texts of no word are equal.
    """
    said, gold = _words(generated), _words(answer)
    if not said or not gold:
        return float(said == gold)
    common = sum((Counter(said) & Counter(gold)).values())
    return 2 * common / (len(said) + len(gold))


def contained_answer(generated: str, answer: str) -> float:
    """Return 1.0 when the words of the answer stand in the generated text in a row, else 0.0.

    Words are as in token_f1, so 'us' is not in 'Russia'. An answer of no word is only in its equal.
    """
    said, gold = _words(generated), _words(answer)
    if not gold:
        return exact_match(generated, answer)
    starts = range(len(said) - len(gold) + 1)
    return float(any(said[start : start + len(gold)] == gold for start in starts))


def _words(text: str) -> list[str]:
    plain = unicodedata.normalize("NFC", text).casefold().translate(_PUNCTUATION)
    return [word for word in plain.split() if word not in _ARTICLES]


def _check_positions(probe: ReadIds, dialect: Dialect) -> None:
    at_labels = dialect in {Dialect.CLEAN, Dialect.IKE} and len(probe.label_ids) > 0
    if at_labels and len(probe.base_top) != len(probe.label_ids):
        raise ValueError(
            f"{dialect.value} compares label positions, but a {probe.kind} probe has "
            f"{len(probe.label_ids)} labels and {len(probe.base_top)} positions"
        )


def _equal(base: Sequence[int], edited: Sequence[int]) -> Count:
    if len(base) != len(edited):
        raise ValueError(f"cannot compare {len(base)} labels with {len(edited)} predictions")
    if not base:
        raise ValueError("cannot score a probe without labels")
    return Count(sum(one == other for one, other in zip(base, edited, strict=True)), len(base))


def _first_choices(base: Sequence[Sequence[int]], edited: Sequence[Sequence[int]]) -> Count:
    _check_shape(base, edited)
    same = sum(one[0] == other[0] for one, other in zip(base, edited, strict=True))
    return Count(same, len(base))


def _ranks(base: Sequence[Sequence[int]], edited: Sequence[Sequence[int]]) -> Count:
    width = _check_shape(base, edited)
    same = sum(sum(map(eq, one, other)) for one, other in zip(base, edited, strict=True))
    return Count(same, len(base) * width)


def _shared(base: Sequence[Sequence[int]], edited: Sequence[Sequence[int]]) -> Count:
    width = _check_shape(base, edited)
    return Count(sum(map(_in_both, base, edited)), len(base) * width)


def _in_both(one: Sequence[int], other: Sequence[int]) -> int:
    first = set(one)
    if len(first) == len(one) == len(set(other)):
        return len(first.intersection(other))
    # As bags: should an id be there twice, equal lists still share all of it.
    return sum((Counter(one) & Counter(other)).values())


def _check_shape(base: Sequence[Sequence[int]], edited: Sequence[Sequence[int]]) -> int:
    if len(base) != len(edited):
        raise ValueError(f"cannot compare {len(base)} with {len(edited)} positions")
    if not base:
        raise ValueError("cannot compare no positions")
    widths = {len(top) for side in (base, edited) for top in side}
    if len(widths) != 1 or 0 in widths:
        raise ValueError(f"positions must all have the same number of tokens, not {sorted(widths)}")
    return widths.pop()


def _sum(counts: Sequence[Count]) -> Count:
    return Count(sum(each.correct for each in counts), sum(each.total for each in counts))


def _mean(counts: Sequence[Count], *, micro: bool) -> float | None:
    if not counts:
        return None
    return _sum(counts).share if micro else sum(each.share for each in counts) / len(counts)
