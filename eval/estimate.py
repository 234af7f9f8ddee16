"""What a run will take, from shapes alone: prompts, tokens, arithmetic, time and memory."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from curation.errors import PrerequisiteError
from curation.records import Split
from eval.cases import edit_cases
from eval.editors.fine_tuning import FineTuning
from eval.editors.ike import InContext
from eval.editors.settings import settings_for
from eval.models.anatomy import TOP_LAYERS
from eval.models.network import Loaded, Network
from eval.models.packing import pack
from eval.models.port import Part, Prompt
from eval.models.precision import Precision
from eval.plan import Encoder, Options, PlannedCase, blocks_of, planned_cases
from eval.records import dialect_of
from warehouse.release import Release

# Weight, two moments of AdamW and gradient, in float32 (eval.editors.fine_tuning).
_STATE_BYTES = 16
# Bytes that one layer keeps of a position for a backward pass, in hidden states of the trunk's width:
# Korthikanti et al. 2022, Reducing activation recomputation in large transformer models, section 4.1.
_KEPT_STATES = 17
# A pass forward is 2 operations a weight and token; backward to the inputs alone as much again.
_FORWARD, _THROUGH = 2, 4
# What a kernel leaves of the greatest rate, over a whole run.
_EFFICIENCY = 0.5
_SPARE = 1.1


@dataclass(frozen=True)
class Device:
    """What a device has and does: memory in bytes, operations a second in trunk's and tail's type."""

    memory: int
    trunk_rate: float
    tail_rate: float


@dataclass(frozen=True)
class MethodCost:
    """What one method takes for all cases: prompts, their tokens, operations by rate, bytes at its peak."""

    method: str
    prompts: int
    tokens: int
    trunk_flops: float
    tail_flops: float
    memory: int

    def seconds(self, device: Device) -> float:
        """Return the time on a device, estimated."""
        return self.trunk_flops / device.trunk_rate + self.tail_flops / device.tail_rate


@dataclass(frozen=True)
class Estimate:
    """A run's cost: of each method; shared: vision, trunk and base readings, once for all methods."""

    cases: int
    blocks: int
    shared: MethodCost
    methods: tuple[MethodCost, ...]

    @property
    def memory(self) -> int:
        """Return the bytes at the peak."""
        return self.shared.memory + max((cost.memory for cost in self.methods), default=0)

    def seconds(self, device: Device) -> float:
        """Return the time of the whole run, estimated."""
        return sum(cost.seconds(device) for cost in (self.shared, *self.methods))


@dataclass(frozen=True)
class _Sizes:
    """Numbers of a model: parameters by place, width, and bytes a number of the trunk."""

    total: int
    vision: int
    layer: int
    head: int
    edited: int
    connector: int
    depth: int
    width: int
    bytes_each: int


@dataclass(frozen=True)
class _Habits:
    """How a method works: its steps of descent, and how many tokens it puts before each question."""

    steps: int = 0
    context: int = 0

    @classmethod
    def of(cls, method: str, release: Release, model: Network, cases: Sequence[PlannedCase]) -> _Habits:
        file = {"FT-LLM": "ft_llm", "FT-Alignment": "ft_alignment"}.get(method)
        if file is not None:
            return cls(steps=settings_for(FineTuning, file, model.name).steps)
        fact = _mean([len(one.request.ids) for one in cases if isinstance(one.request, Prompt)])
        if method == "SERAC":
            return cls(context=fact)
        if method == "IKE":
            texts = [f"{one.request} {one.target}" for one in edit_cases(release, Split.TRAIN)]
            shown = _mean([len(model.codec.encode(text)[0]) for text in texts])
            k = settings_for(InContext, "ike", model.name).k
            return cls(context=min((k + 1) * 2 * shown, model.layout.max_tokens))
        return cls()


def estimate(release: Release, loaded: Loaded, methods: Sequence[str], options: Options) -> Estimate:
    """Return what a run takes; loaded may have no weights (a module on the meta device).

    A token costs two operations a parameter that it passes, each of the edits made at once 16 bytes a
    parameter; prompts on one picture share its positions. IKE's context is taken as k demonstrations of the
    mean length.
    """
    model = Network(loaded)
    sizes = _sizes(model, options)
    planned = planned_cases(release, options.limit)
    mine = [case for block in blocks_of(planned, options) for case in block]
    costs, shared = [], None
    for method in methods:
        encoder = Encoder(release, model, dialect_of(options.protocol, method), options.tokens)
        cases = [encoder.case(case) for case in mine]
        shared = shared or _shared(cases, sizes, options)
        costs.append(_method(method, cases, sizes, options, _Habits.of(method, release, model, cases)))
    if shared is None:
        raise PrerequisiteError("name at least one method")
    return Estimate(len(mine), -(-len(mine) // options.block), shared, tuple(costs))


def refuse(
    release: Release, loaded: Loaded, methods: Sequence[str], options: Options, device: Device
) -> Estimate:
    """Return the estimate of a run that fits the device. Raises PrerequisiteError naming what would fit."""
    told = estimate(release, loaded, methods, options)
    if told.memory <= device.memory:
        return told
    ways = {
        "--edits-at-once 1": replace(options, edits_at_once=1),
        "--block 1": replace(options, block=1),
        "--edits-at-once 1 --block 1": replace(options, edits_at_once=1, block=1),
        "--precision default": replace(options, precision=Precision.DEFAULT),
        "--precision default --edits-at-once 1 --block 1": replace(
            options, precision=Precision.DEFAULT, edits_at_once=1, block=1
        ),
    }
    fits = [
        way for way, other in ways.items()
        if estimate(release, loaded, methods, other).memory <= device.memory
    ]  # fmt: skip
    fix = f"with {fits[0]} it would" if fits else f"take a device with {_gigabytes(told.memory)}"
    message = (
        f"this run needs about {_gigabytes(told.memory)}, {options.device} has {_gigabytes(device.memory)}"
    )
    raise PrerequisiteError(f"{message}; {fix}")


def measured(device: str, precision: Precision) -> Device:
    """Return what a device does: its memory, and the rate of a product of matrices, tried for a moment."""
    import torch

    if device == "cpu":
        memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    else:
        memory = torch.cuda.get_device_properties(device).total_memory
    torch.backends.cuda.matmul.allow_tf32 = precision is Precision.FAST
    trunk = torch.float32 if precision is Precision.EXACT else torch.bfloat16
    return Device(memory, _rate(device, trunk), _rate(device, torch.float32))


def _rate(device: str, kind: Any) -> float:  # noqa: ANN401 - a torch dtype
    import torch

    side = 512 if device == "cpu" else 4096
    one = torch.randn(side, side, device=device).to(kind)
    times = []
    for _ in range(4):
        start = time.perf_counter()
        product = one @ one
        float(product[0, 0])  # waits for the device
        times.append(time.perf_counter() - start)
    return _EFFICIENCY * 2 * side**3 / min(times)


def _sizes(model: Network, options: Options) -> _Sizes:
    decoder, module = model.decoder, model.module
    layer = sum(tensor.numel() for tensor in decoder.body.layers[0].parameters())
    text = sum(tensor.numel() for tensor in decoder.body.parameters())
    head = decoder.head.weight.numel()
    total = sum(tensor.numel() for tensor in module.parameters())
    return _Sizes(
        total=total,
        vision=max(0, total - text - head),
        layer=layer,
        head=head,
        edited=sum(tensor.numel() for tensor in model.tensors(Part.LAST_MLP).values()),
        connector=sum(tensor.numel() for tensor in model.tensors(Part.CONNECTOR).values()),
        depth=decoder.depth,
        width=decoder.width,
        bytes_each=4 if options.precision is Precision.EXACT else 2,
    )


def _shared(cases: Sequence[PlannedCase], sizes: _Sizes, options: Options) -> MethodCost:
    """Return the cost of pictures, trunks and base readings, and the memory of weights and one block."""
    packed = [_packed(case) for case in cases]
    edits = [len(case.request.ids) for case in cases if isinstance(case.request, Prompt)]
    pictures = sum(
        len({p.question.picture.sha256 for p in case.prompts if p.question.picture}) for case in cases
    )
    tokens = sum(packed) + sum(edits)
    seen = pictures * _picture_positions(cases) * _FORWARD * sizes.vision
    block = options.block * (max(packed, default=0) + max(edits, default=0))
    tail = min(TOP_LAYERS, sizes.depth) * sizes.layer + sizes.head
    weights = sizes.total * sizes.bytes_each + tail * (4 - sizes.bytes_each)
    # A trunk before the first cut, and a residual, an input and a gate before the last MLP.
    held = block * sizes.width * (sizes.bytes_each + 3 * 4)
    prompts = sum(len(case.prompts) for case in cases)
    trunk = _FORWARD * tokens * sizes.layer * sizes.depth + seen
    return MethodCost("shared", prompts, tokens, trunk, 0.0, int(_SPARE * (weights + held)))


def _method(
    method: str, cases: Sequence[PlannedCase], sizes: _Sizes, options: Options, habits: _Habits
) -> MethodCost:
    """Return the cost of a method's edits and readings, its memory beside what is shared."""
    prompts = sum(len(case.prompts) for case in cases)
    edits = [case.request for case in cases if isinstance(case.request, Prompt)]
    length = max((len(prompt.ids) for prompt in edits), default=0)
    labels = sum(len(prompt.label_ids) for prompt in edits)
    rows = sum(len(prompt.rows) for case in cases for prompt in case.prompts)
    tokens = sum(map(_packed, cases)) + prompts * habits.context
    top = min(TOP_LAYERS, sizes.depth) * sizes.layer
    at_once = options.edits_at_once
    trunk = float(
        _FORWARD * sum(len(case.asked) for case in cases) * options.tokens * sizes.layer * sizes.depth
    )
    tail = float(_FORWARD * rows * (sizes.edited + sizes.head))
    memory = float(max((len(prompt.rows) for c in cases for prompt in c.prompts), default=0) * sizes.head)
    memory = 4 * memory / max(1, sizes.width)
    if method == "FT-LLM":
        tail += habits.steps * 3 * _FORWARD * labels * (sizes.edited + sizes.head)
        memory += at_once * _STATE_BYTES * sizes.edited
    elif method == "FT-Alignment":
        passed = sizes.layer * sizes.depth
        trunk += (
            habits.steps * _THROUGH * sum(len(prompt.ids) for prompt in edits) * passed
            + _FORWARD * tokens * passed
        )
        kept = length * sizes.depth * _KEPT_STATES * sizes.width * sizes.bytes_each
        memory += at_once * (_STATE_BYTES * sizes.connector + kept)
    elif method in {"MEND", "KE"}:
        tail += 3 * _FORWARD * sum(len(prompt.ids) for prompt in edits) * top + _FORWARD * tokens * top
        memory += at_once * 4 * TOP_LAYERS * sizes.edited + 3 * 4 * TOP_LAYERS * sizes.edited
    elif method in {"IKE", "SERAC"}:
        trunk += _FORWARD * tokens * sizes.layer * sizes.depth
        memory += (habits.context + length) * sizes.width * 4 * 4
        memory += sizes.layer * 4 if method == "SERAC" else 0
    return MethodCost(method, prompts, tokens, trunk, tail, int(_SPARE * memory))


def _packed(case: PlannedCase) -> int:
    """Return the tokens of a case's probes when those on one picture share a row."""
    return sum(len(row.lead.ids) + len(row.branches) for row in pack(case.prompts))


def _picture_positions(cases: Sequence[PlannedCase]) -> int:
    """Return how many positions the vision tower has, about: those that a picture has in a prompt."""
    first = next((p for case in cases for p in case.prompts if p.question.picture is not None), None)
    if first is None:
        return 0
    most = max(set(first.ids), key=first.ids.count)
    return first.ids.count(most)


def _mean(numbers: Sequence[int]) -> int:
    return -(-sum(numbers) // len(numbers)) if numbers else 0


def _gigabytes(number: int) -> str:
    return f"{number / 1e9:.1f} GB"
