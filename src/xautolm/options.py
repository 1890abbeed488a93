"""What a user can ask of a search: one model for the command line, Python and YAML."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, ValidationInfo, field_validator

from xautolm.errors import BudgetError, UnknownNameError, UsageError
from xautolm.importable import name_of_function
from xautolm.records import Budget
from xautolm.vocabulary import Export, Unlabelled

UNITS = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
DURATION = re.compile(r"(?:\d+(?:\.\d+)?[smhd])+")
SIZES = {"": 1.0, "kb": 1e3, "mb": 1e6, "gb": 1e9, "tb": 1e12, "kib": 2**10, "mib": 2**20, "gib": 2**30, "tib": 2**40}
SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([a-z]*)")
DEFAULT_BUDGET = 30 * 60.0
SMALLEST_TRIAL = 2**26
"""Bytes (64 MiB) without which no trial runs: Python and torch alone take more."""
LARGEST_SEED = 2**32 - 1
"""What NumPy's and scikit-learn's generators take."""


def seconds(value: Any) -> Any:
    """Seconds from a number or a text such as `90s`, `30m`, `1h30m`.

    Raises:
        ValueError: Not a positive duration.
    """
    if isinstance(value, str):
        text = value.strip().lower()
        if DURATION.fullmatch(text):
            value = sum(float(part[:-1]) * UNITS[part[-1]] for part in re.findall(r"\d+(?:\.\d+)?[smhd]", text))
        elif not re.fullmatch(r"\d+(\.\d+)?", text):
            raise ValueError("not a duration; write for example 90s, 30m or 1h30m")
    if value is not None and not 0 < float(value) < math.inf:
        raise ValueError("a duration must be positive and finite")
    return value


def bytes_of(value: Any) -> Any:
    """Bytes from a number or a text such as `8GB` or `512MiB`.

    Raises:
        ValueError: Not a positive size.
    """
    if isinstance(value, str):
        match = SIZE.fullmatch(value.strip().lower())
        if match is None or match[2] not in SIZES:
            raise ValueError("not a size; write for example 8GB or 512MiB")
        value = float(match[1]) * SIZES[match[2]]
    if value is None:
        return None
    if not 0 < value < math.inf:
        raise ValueError("a size must be positive and finite")
    return int(value)


def memory_of_trial(value: Any) -> Any:
    """Return a trial's memory in bytes, from a number or a text such as `8GB`.

    Raises:
        ValueError: Not a size, or less than any trial can run in: most likely a unit was forgotten.
    """
    size = bytes_of(value)
    if size is not None and size < SMALLEST_TRIAL:
        raise ValueError(f"{size} bytes hold no model; write the unit, for example 8GB or 512MiB")
    return size


def parse_size(text: str | None) -> int | None:
    """Bytes from an option.

    Raises:
        UsageError: Not a positive size.
    """
    try:
        size = bytes_of(text)
    except ValueError as error:
        raise UsageError("Not a size.", got=text, fix=str(error)) from None
    return None if size is None else int(size)


def names(value: Any) -> Any:
    """A tuple of names from a list, or from a text separated by commas."""
    return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value


def pairs(value: Any) -> Any:
    """A mapping of texts from a mapping, or from a text such as `a=1,b=2`.

    Raises:
        ValueError: A part without `=`.
    """
    if isinstance(value, str):
        parts = [part.partition("=") for part in value.split(",") if part.strip()]
        if any(not sign for _, sign, _ in parts):
            raise ValueError("write name=value,name=value")
        return {name.strip(): text.strip() for name, _, text in parts}
    return {name: str(one) for name, one in value.items()} if isinstance(value, Mapping) else value


def column_name(value: Any) -> Any:
    """Return a column's name as a text: tables without a header have numbers as names."""
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


def objective_names(value: object) -> object:
    """Return names of objectives from a list or a text; a function is named by the place to import it from.

    Raises:
        ValueError: A function that a trial's process cannot import.
    """
    if callable(value):
        value = (value,)
    if not isinstance(value, list | tuple):
        return names(value)
    return tuple(name_of_function(entry) if callable(entry) else entry for entry in value)


ColumnName = Annotated[str | None, BeforeValidator(column_name)]
Names = Annotated[tuple[str, ...], BeforeValidator(names)]
ObjectiveNames = Annotated[tuple[str, ...], BeforeValidator(objective_names)]
Pairs = Annotated[dict[str, str], BeforeValidator(pairs)]
Seconds = Annotated[float | None, BeforeValidator(seconds)]
TrialMemory = Annotated[int | None, BeforeValidator(memory_of_trial)]


class FitOptions(BaseModel):
    """Everything that a search can be told besides its training data."""

    model_config = ConfigDict(extra="forbid", frozen=True, arbitrary_types_allowed=True)

    task: str = "text-classification"
    """The task type."""
    text: ColumnName = None
    """Name of the text column; guessed where one name is usual."""
    label: ColumnName = None
    """Name of the label column; guessed where one name is usual."""
    columns: Pairs = Field(default_factory=dict)
    """Names of other columns by what they are: `question=q,context=passage,answers=a`, `target=summary`."""
    encoding: str | None = None
    """Encoding of text files that are not in UTF-8: `cp1252` (Windows), `utf-16`, `shift_jis`."""
    validation: Any = None
    """Data to validate on; by default the data set's own validation split, else one is made."""
    test: Any = None
    """Data that the search never sees; the winner is scored on it once, at the end."""
    max_train: int | None = Field(default=None, ge=2)
    """Train on at most so many examples, sampled with the seed and in proportion to the classes."""
    unlabelled: Unlabelled = Unlabelled.DROP
    """What becomes of rows and splits without labels: `drop` leaves them out with a note, `error` refuses the data,
    `none` takes them for rows where no label, or no answer, is right (multi-label tasks, question answering)."""
    budget: Seconds = None
    """Wall time for the whole search; 30 minutes if neither `budget` nor `trials` is given."""
    trials: int | None = Field(default=None, ge=1)
    """Largest number of trials."""
    objectives: ObjectiveNames = ()
    """What to improve: metrics of the task and `evaluation_time`; by default its first metric and the time. A metric
    of your own is a function of targets and predictions: `my_metrics:mean_cost`, or in Python the function itself."""
    models: Names = ("auto",)
    """Names in the zoo, hub ids, folders, or `auto`."""
    families: Names = ("auto",)
    """What `auto` considers among the models: `encoder`, `decoder`, `encoder-decoder`, or what the task suggests."""
    methods: Names = ()
    """Fine-tuning methods; all by default."""
    space: str = "default"
    """A preset (`default`, `paper`) or a YAML file of ranges."""
    export: Export = Export.ANY
    """What the winner's folder may be: `any`, or `pipeline` for what a plain `pipeline(...)` of transformers loads.
    Models that pool the mean are folders of sentence-transformers, which `pipeline` leaves out of the space."""
    sampler: str = "xautolm"
    """The search strategy."""
    warm_start: str | None = None
    """How past experiences shape the search: `none`, `knn`, a preset of the paper's warm start, for example
    `high-f-pos-f-neg`, or a setting of ours. By default `moderate-linear` for `xautolm`, which learns from all of them
    besides; `none` for others. Only `xautolm` and `pge` can begin with experience."""
    warm_start_options: Pairs = Field(default_factory=dict)
    """Knobs of the warm start other than its setting's: `k_positive=10,distance=cosine`; see `WarmStart`."""
    hide: Names = ()
    """Past experiences not to be seen: names or fingerprints of data, aliases, or `self` for the same data under any
    name."""
    trial_time_limit: Seconds = None
    """Wall time for one trial; by default a third of the budget."""
    trial_memory_limit: TrialMemory = None
    """Memory for one trial, on the device that it runs on; by default what the machine has."""
    parallel: int = Field(default=1, ge=1)
    """How many trials run at once."""
    pruning: bool = True
    """Stop trials that can no longer reach the Pareto front, told from their learning curves."""
    rungs: bool = False
    """Try configurations on a tenth of the training rows first, the best third of them on three tenths, and of those on
    all rows; without effect on data of fewer than 5,000 training rows."""
    explain: bool = False
    """Say of each proposal where it came from, and write it to the trial's folder as `explanation.json`."""
    device: str = "auto"
    """`auto`, `cpu`, `cuda`, `cuda:<index>` or `mps`."""
    seed: int = Field(default=0, ge=0, le=LARGEST_SEED)
    """Seed of sampling, splitting, searching and training."""
    store: str | None = None
    """Experience store: a file or a database URL; by default `XAUTOLM_STORE`, else one in the user's data folder."""
    out: str | None = None
    """Folder of the run; `runs/<name of the data>` by default. An earlier run with the same settings is resumed."""

    @field_validator("*", mode="before")
    @classmethod
    def no_switch_for_a_number(cls, value: Any, info: ValidationInfo) -> Any:
        """Refuse `true` where it would count as 1: YAML reads `yes` and `on` so.

        Raises:
            ValueError: A truth value for an option that is none.
        """
        is_switch = info.field_name is not None and cls.model_fields[info.field_name].annotation is bool
        if isinstance(value, bool) and not is_switch:
            raise ValueError("true and false are values of switches only")
        return value

    @classmethod
    def parse(cls, values: Mapping[str, Any]) -> FitOptions:
        """Options from plain values.

        Raises:
            UnknownNameError: An option that does not exist.
            BudgetError: A malformed budget.
            UsageError: Values that are not valid; all of them in one message.
        """
        for name in values:
            if name not in cls.model_fields:
                raise UnknownNameError("option", str(name), cls.model_fields)
        try:
            return cls(**values)
        except ValidationError as error:
            problems = [
                f"{'.'.join(map(str, item['loc'][:1]))}={item['input']!r}: {item['msg'].removeprefix('Value error, ')}"
                for item in error.errors()
            ]
            kind = BudgetError if all(problem.startswith(("budget", "trials")) for problem in problems) else UsageError
            raise kind("Options that are not valid.", got="; ".join(problems)) from None

    @property
    def spending(self) -> Budget:
        """The budget, with its default."""
        default = DEFAULT_BUDGET if self.trials is None else None
        return Budget(seconds=self.budget if self.budget is not None else default, trials=self.trials)


def read_config(path: Path) -> dict[str, Any]:
    """Options from a YAML file; the key `data` may name the training data.

    Raises:
        UsageError: The file does not exist or is no mapping.
    """
    import yaml

    if not path.is_file():
        raise UsageError("No such configuration file.", got=path)
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise UsageError("The configuration file is not valid YAML.", got=f"{path}: {error}") from None
    if not isinstance(content, dict):
        raise UsageError("The configuration file must map options to values.", got=path)
    return {str(name).replace("-", "_"): value for name, value in content.items()}
