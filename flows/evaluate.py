"""The evaluate stage: every editing method on the cases of a frozen release, alone and in sequence."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from prefect import flow

from curation.errors import IntegrityError, PrerequisiteError
from curation.ids import slug
from curation.records import ProbeKind, StageCount
from eval.estimate import measured, refuse
from eval.lags import PAPER_GAPS, VLKEB_GAPS, Sequential, summarise_lags, write_sequential
from eval.ledger import Ledger
from eval.methods import (
    METHODS,
    Bench,
    accumulating,
    check_device,
    check_methods,
    default_device,
    editors_for,
    fast_model,
    loaded_model,
    sketched_model,
)
from eval.models.precision import Precision
from eval.models.tiny import Family
from eval.orders import Lookback, Order, lookback
from eval.plan import Options, planned_cases
from eval.records import EvalRecord, Protocol, RunIdentity
from eval.runner import Job, open_run, opened, run_all
from eval.sequential import SequentialRun
from eval.storage import read_records
from eval.summary import Summary, percent, rescore, table
from eval.verify import replay
from flows.settings import Settings
from flows.terminal import progress, say_result, show_table
from warehouse.release import open_release

STAGE = "evaluate"
DEFAULT_MODEL = Family.LLAVA.value


@flow(name="evaluate", validate_parameters=False)
def evaluate(
    settings: Settings,
    version: str,
    model: str = DEFAULT_MODEL,
    methods: Sequence[str] = (),
    options: Options | None = None,
    workers: int = 1,
    ray: str | None = None,
) -> list[StageCount]:
    """Edit a model case by case with every method, and keep a record file a block and method.

    methods: none for those of the settings. workers: processes, one a GPU; with ray its actors, on the
    cluster at that address ('local' starts one on this machine). A tiny model is trained first unless the
    cache has it.
    """
    chosen = options or Options()
    folder = evaluation_folder(settings, version, model, chosen)
    job = Job(
        release=settings.releases / version,
        out=folder,
        cache=settings.model_cache,
        model=model,
        methods=tuple(methods or settings.methods),
        options=chosen,
    )
    with progress() as show:
        # Opened here first: whatever is trained is trained once, and found in the cache by the workers.
        run, quality = open_run(job, show)
        ledger = run.ledger
        if workers == 1 and ray is None:
            run_all(run, show)
        else:
            del run  # its model would lie on the first worker's GPU
            _scale_out(job, ledger, workers, ray, show)
    _show(ledger.summary(quality), version)
    return ledger.counts()


@flow(name="evaluate in sequence", validate_parameters=False)
def evaluate_in_sequence(
    settings: Settings,
    version: str,
    model: str = DEFAULT_MODEL,
    methods: Sequence[str] = (),
    options: Options | None = None,
    order: Order | None = None,
    back: Lookback | None = None,
) -> list[StageCount]:
    """Edit a model with one case on top of the other, and ask all earlier ones again at each look back.

    methods: none for all that accumulate. back: none for as many edits as the settings say, or all of a
    smaller release.
    """
    chosen, order = options or Options(tokens=0), order or Order()
    names = list(methods) or [name for name in settings.methods if name in accumulating()]
    wrong = [name for name in names if name in METHODS and name not in accumulating()]
    if wrong:
        message = f"{wrong[0]} makes single edits only; {', '.join(accumulating())} make sequences"
        raise PrerequisiteError(message)
    release = open_release(settings.releases / version)
    back = back or lookback(min(settings.sequential_edits, len(planned_cases(release, None))))
    folder = evaluation_folder(settings, version, model, replace(chosen, tokens=Options().tokens))
    cells = 0
    with progress() as show:
        loaded, _ = loaded_model(model, release, settings.model_cache, chosen, show)
        network = fast_model(loaded, chosen)
        bench = Bench(release, network, chosen.protocol, settings.model_cache, show)
        identities: dict[str, RunIdentity] = {}
        for editor in editors_for(names, bench):
            run = SequentialRun(release, network, editor, order, back, chosen, folder)
            run.run(show)
            identities[editor.name] = run.identity
            cells += len(run.keys())
    found = summarise_lags(of_sequences(read_records(folder), identities))
    if found is not None:
        write_sequential(folder, found)
        _show_lags(found, order.name)
    count = StageCount(stage="sequence", unit="cells", incoming=cells, kept=cells, rejected={}, pending=0)
    return [count]


def of_sequences(
    records: Iterable[EvalRecord], identities: Mapping[str, RunIdentity]
) -> Iterator[EvalRecord]:
    """Yield the records of sequences that may share a summary with the runs just made, by method.

    Other orders and methods that were run before on the same model and plan stay in it.
    """
    meanings = [_meaning(identity) for identity in identities.values()]
    for record in records:
        known = identities.get(record.run.method, record.run)
        if record.step is not None and record.run == known and _meaning(record.run) in meanings:
            yield record


def _scale_out(
    job: Job, ledger: Ledger, workers: int, ray: str | None, show: Callable[[str, int, int], None]
) -> None:
    from eval.workers import devices_for, run_processes, run_ray

    gpu = job.options.device != "cpu"
    if ray is not None:
        opener = partial(opened, job.on("cuda") if gpu else job)
        run_ray(opener, workers, ray, ledger, show, gpu=gpu)
        return
    devices = devices_for(job.options.device, workers)
    run_processes([partial(opened, job.on(device)) for device in devices], ledger, show)


def plan_evaluation(
    settings: Settings, version: str, model: str, methods: Sequence[str], options: Options
) -> None:
    """Show what a run would take, from shapes alone. Raises PrerequisiteError when it cannot fit."""
    names = tuple(methods or settings.methods)
    check_methods(names)
    check_device(options.device)
    release = open_release(settings.releases / version)
    device = measured(options.device, options.precision)
    told = refuse(release, sketched_model(model, release), names, options, device)
    rows = [
        [
            cost.method,
            str(cost.prompts),
            str(cost.tokens),
            f"{(cost.trunk_flops + cost.tail_flops) / 1e12:.3g}",
            f"{cost.seconds(device):.0f}",
            f"{cost.memory / 1e9:.2f}",
        ]
        for cost in (told.shared, *told.methods)
    ]
    title = f"Plan {options.digest[:16]}: {told.cases} cases in {told.blocks} blocks, estimated"
    show_table(title, ["", "prompts", "tokens", "TFLOP", "seconds", "GB"], rows)
    say_result(
        f"in all about {told.seconds(device):.0f} s and {told.memory / 1e9:.2f} GB; "
        f"{options.device} has {device.memory / 1e9:.1f} GB"
    )


def verify_evaluation(
    settings: Settings, version: str, model: str, methods: Sequence[str], options: Options, cases: int
) -> None:
    """Replay cases one by one through the plain full model, and show the ids that come out otherwise.

    Raises IntegrityError when, in float32, a first choice does.
    """
    names = tuple(methods or settings.methods)
    check_methods(names)
    release = open_release(settings.releases / version)
    found = []
    with progress() as show:
        loaded, _ = loaded_model(model, release, settings.model_cache, options, show)
        fast = fast_model(loaded, options)
        bench = Bench(release, fast, options.protocol, settings.model_cache, show)
        for editor in editors_for(names, bench):
            found.append(replay(release, loaded, fast, editor, options, cases, show))
    kinds = [kind for kind in ProbeKind if any(kind in one.top1 for one in found)]
    rows = [
        [
            one.method,
            *(str(one.top1[kind]) if kind in one.top1 else "-" for kind in kinds),
            str(one.top10),
            f"{one.largest:.1e}",
        ]
        for one in found
    ]
    show_table(
        f"Changed ids / ids, {cases} cases, {model}, {options.precision}; weights: greatest difference",
        ["method", *(kind.value for kind in kinds), "I-Loc top 10", "weights"],
        rows,
    )
    flipped = {one.method: one.flipped for one in found if one.flipped}
    if flipped and options.precision is Precision.EXACT:
        told = ", ".join(f"{number} of {method}" for method, number in flipped.items())
        raise IntegrityError(f"first choices differ from the plain model's: {told}; do not use these numbers")


def rescore_evaluation(settings: Settings, version: str, model: str, options: Options) -> None:
    """Sum up the records of an evaluation again, and show the table; needs no model."""
    _show(rescore(evaluation_folder(settings, version, model, options)), version)


def evaluation_folder(
    settings: Settings, version: str, model: str = DEFAULT_MODEL, options: Options | None = None
) -> Path:
    """Return where the records, the summary and the report of an evaluation of a release lie.

    What no table may mix lies apart: other models, protocols, precisions and plans have folders of their own.
    """
    options, usual = options or Options(), Options()
    folder = settings.home / "evaluation" / version
    plain = (model, options.protocol, options.precision, options.digest)
    if plain == (DEFAULT_MODEL, usual.protocol, usual.precision, usual.digest):
        return folder
    name = slug(Path(model).name if model not in set(Family) else model)
    return folder / f"{name}-{options.protocol}-{options.precision}-{options.digest[:8]}"


def options_for(
    model: str, protocol: str, precision: str | None, device: str | None, others: Options
) -> Options:
    """Return others with protocol, precision and device; a real model runs on a GPU where torch sees one.

    On a CPU everything is exact by default. Raises PrerequisiteError for a word that means nothing.
    """
    where = device or default_device(model)
    try:
        meaning = Protocol(protocol)
        exactness = Precision(precision or ("exact" if where == "cpu" else "default"))
    except ValueError as error:
        message = f"{error}; --protocol is clean or reference, --precision exact, default or fast"
        raise PrerequisiteError(message) from error
    return replace(others, protocol=meaning, precision=exactness, device=where)


def _meaning(run: RunIdentity) -> dict[str, object]:
    """Return what all methods of a run share."""
    return run.model_dump(exclude={"method", "hyper_parameters", "dialect"})


def _show(summary: Summary, version: str) -> None:
    headings, rows = table(summary)
    # The change against no edit goes below its figure: the table must fit on 80 columns.
    stacked = [[cell.replace(" (", "\n").rstrip(")") for cell in row] for row in rows]
    title = (
        f"Release {version}, {summary.model}, {summary.protocol} protocol, x100; below: change by the edit"
    )
    show_table(title, headings, stacked)


def _show_lags(found: Sequential, order: str) -> None:
    """Print the mean of each metric right after the edit, and at the papers' numbers of later edits."""
    lags = (0, *PAPER_GAPS, *VLKEB_GAPS)
    for method in found.methods:
        matrices = [m for m in found.matrices if (m.method, m.order) == (method, order)]
        if matrices:
            shown = sorted({mean.at for mean in matrices[0].decay if mean.at in lags})
            means = [{mean.at: mean.mean for mean in matrix.decay} for matrix in matrices]
            rows = [
                [matrix.kind.value, *(percent(mean[lag]) for lag in shown)]
                for matrix, mean in zip(matrices, means, strict=True)
            ]
            title = f"{method}, {matrices[0].edits} edits, order {order}, x100, by number of later edits"
            show_table(title, ["metric", *map(str, shown)], rows)
