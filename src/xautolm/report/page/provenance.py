"""Provenance: what is needed to make the run again, or to trust it."""

from __future__ import annotations

from xautolm.records import SystemProfile
from xautolm.report.page.blocks import Block, Cell, Code, Row, Section, Table
from xautolm.report.page.content import PageContent, spoken_metric
from xautolm.report.page.words import counted, in_bytes


def provenance_section(content: PageContent) -> Section:
    """Return where the run's numbers come from."""
    blocks: list[Block] = [_facts(content)]
    if content.options:
        blocks.append(
            Code(
                title="Options of the search",
                lines=content.options.strip(),
                note="As `xautolm fit --config` reads them; they lie in fit.yaml.",
            )
        )
    return Section(anchor="provenance", title="Provenance", blocks=blocks)


def _facts(content: PageContent) -> Table:
    """Return names and values."""
    info = content.info
    data = info.data
    splits = f"{data.train_examples:,} training and {data.validation_examples:,} validation rows"
    if data.classes:
        splits += f", {data.classes} classes"
    objectives = [_objective(name) for name in info.objectives]
    # The fingerprint stays the same when the file is renamed, and changes with a single cell.
    pairs = [
        ("data", f"{data.name}: {splits}"),
        ("data fingerprint", data.fingerprint),
        ("what was done to the data", "; ".join(info.notes) or "nothing"),
        ("task", info.task),
        ("objectives", ", ".join(objectives)),
        ("models in the space", ", ".join(info.models) or "not recorded"),
        ("sampler", str(info.settings.get("sampler", "not recorded"))),
        ("seed", str(info.seed)),
        ("run", f"{info.id}, begun {info.created}"),
        ("machine", machine(info.system)),
        ("versions", ", ".join(f"{name} {version}" for name, version in info.versions.items())),
    ]
    rows = [Row(cells=[name, Cell(text=value, is_long=True)]) for name, value in pairs]
    return Table(title="This run", headings=("what", "value"), rows=rows)


def _objective(name: str) -> str:
    """Return an objective in words."""
    return spoken_metric(name).replace("_", " ")


def machine(system: SystemProfile) -> str:
    """Return the machine in words."""
    text = f"{system.device}, {counted(system.physical_cores, 'core')}, {in_bytes(system.memory)} of memory"
    for gpu in system.gpus:
        text += f", {gpu.name} with {in_bytes(gpu.memory)}"
    return text
