"""What a user can ask of a search: the only list and the only text of the options.

The command line, the constructor of `AutoLM` and YAML files are made from `FitOptions`, or compared with it by a test.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import (
    BaseModel,
    BeforeValidator,
    ByteSize,
    ConfigDict,
    Field,
    TypeAdapter,
    ValidationError,
    ValidationInfo,
    field_validator,
)

from xautolm.errors import BudgetError, UnknownNameError, UsageError
from xautolm.importable import name_of_function
from xautolm.printable import shortened
from xautolm.records import Budget
from xautolm.settings import has_password
from xautolm.vocabulary import Export, Refit, Split, Unlabelled, Where

if TYPE_CHECKING:
    import yaml

SECONDS = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
"""Seconds in each unit of a duration."""
PART = re.compile(
    r"(\d+(?:\.\d+)?)\s*(s|secs?|seconds?|m|mins?|minutes?|h|hrs?|hours?|d|days?)\.?(?![a-z])\s*"
)
"""An amount and its unit, as people write them: `30m`, `30 min`, `2 hours`; the unit's first letter tells it."""
DURATION = re.compile(rf"(?:{PART.pattern})+")
NUMBER = re.compile(r"\d+(\.\d+)?")
DEFAULT_BUDGET = 30 * 60.0
"""Seconds, where a person gives neither a budget nor a number of trials."""
SMALLEST_TRIAL = 2**26
"""Bytes (64 MiB) without which no trial runs: Python and torch alone take more."""
SHOWN = 60
"""Characters of a value that a message shows."""
MOST_VALUES = 10_000
"""Values in a YAML file; a few lines of aliases to aliases can stand for billions."""
MERGED = "tag:yaml.org,2002:merge"
"""What YAML calls the key `<<`."""
IN_MEMORY = "left out, since it was given in memory"
"""Stands in a YAML file of options beside the name of what has no name or path to be had again by."""
LARGEST_SEED = 2**32 - 1
"""What NumPy's and scikit-learn's generators take."""


def seconds(value: object) -> object:
    """Return seconds from a number or a text such as `90s`, `30m`, `1h30m`; None as it is.

    Raises:
        ValueError: Not a positive duration.
    """
    if value is None:
        return None
    if isinstance(value, str):
        value = _seconds_in(value.strip().lower())
    if not isinstance(value, int | float):
        raise ValueError("not a duration; write for example 90s, 30m or 1h30m")
    if not 0 < value < math.inf:
        raise ValueError("a duration must be positive and finite")
    return value


def _seconds_in(text: str) -> float:
    """Return the seconds that a text says.

    Raises:
        ValueError: It says none.
    """
    if DURATION.fullmatch(text):
        return sum(float(amount) * SECONDS[unit[0]] for amount, unit in PART.findall(text))
    if NUMBER.fullmatch(text):
        return float(text)
    raise ValueError("not a duration; write for example 90s, 30m or 1h30m")


def bytes_of(value: object) -> int | None:
    """Return bytes from a number or a text such as `8GB` or `512MiB`; None as it is.

    Raises:
        ValueError: Not a positive size.
    """
    if value is None:
        return None
    try:
        size = int(_size_reader().validate_python(value))
    except (ValidationError, OverflowError):
        size = 0
    if size <= 0:
        raise ValueError("not a positive and finite size; write for example 8GB or 512MiB")
    return size


@cache
def _size_reader() -> TypeAdapter[ByteSize]:
    return TypeAdapter(ByteSize)


def memory_of_trial(value: object) -> int | None:
    """Return a trial's memory in bytes, from a number or a text such as `8GB`.

    Raises:
        ValueError: Not a size, or less than any trial can run in: most likely a unit was forgotten.
    """
    size = bytes_of(value)
    if size is not None and size < SMALLEST_TRIAL:
        raise ValueError(f"{size} bytes hold no model; write the unit, for example 8GB or 512MiB")
    return size


def none_for_auto(value: object) -> object:
    """Return None, which stands for what suits the machine, from `auto`; anything else as it is."""
    is_auto = isinstance(value, str) and value.strip().lower() == "auto"
    return None if is_auto else value


def parse_size(text: str | None) -> int | None:
    """Return the bytes that an option of the command line says.

    Raises:
        UsageError: Not a positive size.
    """
    try:
        return bytes_of(text)
    except ValueError as error:
        raise UsageError("Not a size.", got=text, fix=str(error)) from None


def parse_names(text: str) -> tuple[str, ...]:
    """Return the names in a text that separates them by commas."""
    parts = [part.strip() for part in text.split(",")]
    # A comma at the end, or two in a row, names nothing.
    names_in_text = [part for part in parts if part]
    return tuple(names_in_text)


def names(value: object) -> object:
    """Return a tuple of names from a text that separates them by commas; anything else as it is."""
    return parse_names(value) if isinstance(value, str) else value


def parse_models(text: str) -> tuple[str, ...]:
    """Return the names of models in a text that separates them by commas; a folder whose name has one stays whole."""
    if "," in text and Path(text).is_dir():
        return (text,)
    return parse_names(text)


def model_names(value: object) -> object:
    """Return a tuple of names of models from a text; anything else as it is."""
    return parse_models(value) if isinstance(value, str) else value


def pairs(value: object) -> object:
    """Return a mapping of texts from a mapping, or from a text such as `a=1,b=2`; an empty one from None.

    Raises:
        ValueError: A part without `=`.
    """
    if value is None:
        return {}
    if isinstance(value, Mapping):
        return {name: str(text) for name, text in value.items()}
    if not isinstance(value, str):
        return value
    mapping: dict[str, str] = {}
    for part in parse_names(value):
        name, sign, text = part.partition("=")
        if not sign:
            raise ValueError("write name=value,name=value")
        mapping[name.strip()] = text.strip()
    return mapping


def column_name(value: object) -> object:
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
    # A trial is a process of its own, which is told names and given no functions.
    return tuple(name_of_function(entry) if callable(entry) else entry for entry in value)


class Group(StrEnum):
    """What options are about, as `--help` groups them."""

    DATA = "Data"
    SEARCH = "Search"
    LIMITS = "Limits"
    OUTPUT = "Output"


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """Say how `--help` shows an option, besides its name, docstring and type."""

    group: Group
    default: str = ""
    """What holds where the option is not given; needed where the default value does not say it."""
    choices: str = ""
    """`package:attribute` of the registry whose names are the choices; those of an enumeration are shown anyway."""


ColumnName = Annotated[str | None, BeforeValidator(column_name)]
Names = Annotated[tuple[str, ...], BeforeValidator(names)]
ModelNames = Annotated[tuple[str, ...], BeforeValidator(model_names)]
ObjectiveNames = Annotated[tuple[str, ...], BeforeValidator(objective_names)]
Pairs = Annotated[dict[str, str], BeforeValidator(pairs)]
Seconds = Annotated[float | None, BeforeValidator(seconds)]
TrialMemory = Annotated[int | None, BeforeValidator(memory_of_trial)]

IN_DATA = Shown(group=Group.DATA)
IN_SEARCH = Shown(group=Group.SEARCH)
IN_LIMITS = Shown(group=Group.LIMITS)
IN_OUTPUT = Shown(group=Group.OUTPUT)


class FitOptions(BaseModel):
    """Everything that a search can be told besides its training data."""

    # A field's docstring is its description, which the command line shows. What validates is built when something is
    # validated first: `--help` shows the fields only, and is 60 ms earlier.
    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        arbitrary_types_allowed=True,
        use_attribute_docstrings=True,
        defer_build=True,
    )

    task: Annotated[str, Shown(group=Group.DATA, choices="xautolm.tasks:TASK")] = (
        "text-classification"
    )
    """The task type."""
    text: Annotated[ColumnName, IN_DATA] = None
    """Name of the text column; guessed where one name is usual."""
    label: Annotated[ColumnName, IN_DATA] = None
    """Name of the label column; guessed where one name is usual."""
    # Not an empty mapping: constructors of scikit-learn's estimators have immutable defaults.
    columns: Annotated[Pairs, IN_DATA] = Field(default=None, validate_default=True)
    """Names of other columns by what they are: `question=q,context=passage,answers=a`, `target=summary`."""
    encoding: Annotated[str | None, Shown(group=Group.DATA, default="utf-8")] = None
    """Encoding of text files that are not in UTF-8: `cp1252` (Windows), `utf-16`, `shift_jis`."""
    validation: Annotated[Any, IN_DATA] = None
    """Data to validate on; by default the data set's own validation split, else one is made."""
    test: Annotated[Any, IN_DATA] = None
    """Data that the search never sees; the winner is scored on it once, at the end."""
    max_train: Annotated[int | None, Field(ge=2), IN_DATA] = None
    """Train on at most so many examples, sampled with the seed and in proportion to the classes."""
    unlabelled: Annotated[Unlabelled, IN_DATA] = Unlabelled.DROP
    """What becomes of rows and splits without labels: `drop` leaves them out with a note, `error` refuses the data,
    `none` takes them for rows where no label, or no answer, is right (multi-label tasks, question answering). A split
    of `--validation` without any label is refused."""
    objectives: Annotated[
        ObjectiveNames, Shown(group=Group.SEARCH, default="the first metric,evaluation_time")
    ] = ()
    """What to improve, separated by commas: metrics of the task, `evaluation_time`, `latency` (seconds to answer one
    text on this machine) and `model_size` (bytes on disk). A metric of your own is a function of targets and
    predictions: `my_metrics:mean_cost`, or in Python the function itself."""
    models: Annotated[ModelNames, IN_SEARCH] = ("auto",)
    """Names in the zoo, hub ids, folders, or `auto`, separated by commas."""
    families: Annotated[Names, Shown(group=Group.SEARCH, default="what the task suggests")] = (
        "auto",
    )
    """What `auto` considers among the models: `encoder`, `decoder`, `encoder-decoder`."""
    methods: Annotated[
        Names, Shown(group=Group.SEARCH, default="all", choices="xautolm.methods:METHOD")
    ] = ()
    """Fine-tuning methods, separated by commas."""
    space: Annotated[str, IN_SEARCH] = "default"
    """A preset (`default`, `paper`) or a YAML file of ranges."""
    export: Annotated[Export, IN_SEARCH] = Export.ANY
    """What the winner's folder may be: `any`, or `pipeline` for what a plain `pipeline(...)` of transformers loads.
    Models that pool the mean are folders of sentence-transformers, which `pipeline` leaves out of the space."""
    sampler: Annotated[
        str, Shown(group=Group.SEARCH, choices="xautolm.search.strategies:STRATEGIES")
    ] = "xautolm"
    """The search strategy."""
    warm_start: Annotated[
        str | None, Shown(group=Group.SEARCH, default="moderate-linear for xautolm, else none")
    ] = None
    """How past experiences shape the search: `none`, `knn`, a preset of the paper's warm start, for example
    `high-f-pos-f-neg`, or a setting of ours: `low`, `moderate` or `high`, then `-sum`, `-linear` or `-logarithmic`.
    The sampler `xautolm` learns from all of them besides; only `xautolm` and `pge` can begin with experience."""
    warm_start_options: Annotated[Pairs, IN_SEARCH] = Field(default=None, validate_default=True)
    """Knobs of the warm start other than its setting's: `k_positive=10,distance=cosine`; see `WarmStart`."""
    hide: Annotated[Names, IN_SEARCH] = ()
    """Past experiences not to be seen: names or fingerprints of data, aliases, or `self` for the same data under any
    name, and for data of the same name that came from elsewhere."""
    starter: Annotated[bool, IN_SEARCH] = True
    """Learn from the experiences that come with xautolm, besides those of the store."""
    pruning: Annotated[bool, IN_SEARCH] = True
    """Stop trials that can no longer reach the Pareto front, told from their learning curves."""
    rungs: Annotated[bool, IN_SEARCH] = False
    """Try configurations on a tenth of the training rows first, the best third of them on three tenths, and of those on
    all rows; without effect on data of fewer than 5,000 training rows."""
    refit: Annotated[Refit, IN_SEARCH] = Refit.AUTO
    """Whether the winner is trained once more at the end, on the rows of training and validation together: `never`,
    `always`, or `auto` for where `fit` has made the validation split and 40 % of the budget's time are enough."""
    seed: Annotated[int, Field(ge=0, le=LARGEST_SEED), IN_SEARCH] = 0
    """Seed of sampling, splitting, searching and training."""
    budget: Annotated[Seconds, Shown(group=Group.LIMITS, default="30m without --trials")] = None
    """Wall time for the whole search: `90s`, `30m`, `1h30m`."""
    trials: Annotated[int | None, Field(ge=1), IN_LIMITS] = None
    """Largest number of trials."""
    trial_time_limit: Annotated[
        Seconds, Shown(group=Group.LIMITS, default="a third of the budget")
    ] = None
    """Wall time for one trial."""
    trial_memory_limit: Annotated[
        TrialMemory, Shown(group=Group.LIMITS, default="what the machine has")
    ] = None
    """Memory for one trial, on the device that it runs on: `8GB`."""
    parallel: Annotated[
        int | None,
        Field(ge=1),
        BeforeValidator(none_for_auto),
        Shown(group=Group.LIMITS, default="auto, one on each GPU"),
    ] = None
    """How many trials run at once: a number, or `auto` for one on each GPU, and one on each machine without."""
    devices_per_trial: Annotated[
        int | None,
        Field(ge=1),
        BeforeValidator(none_for_auto),
        Shown(group=Group.LIMITS, default="auto, one wherever a model fits it"),
    ] = None
    """Over how many GPUs a model is divided while it is trained: a number, or `auto` for as few as it fits on."""
    device: Annotated[str, IN_LIMITS] = "auto"
    """`auto`, `cpu`, `cuda`, `cuda:<index>` or `mps`."""
    executor: Annotated[Where, IN_LIMITS] = Where.LOCAL
    """What runs trials: `local` for this machine, or `ray` for the machines of a Ray cluster."""
    address: Annotated[
        str | None, Shown(group=Group.LIMITS, default="auto, the cluster started on this machine")
    ] = None
    """Address of the cluster: `auto`, or host and port of its head."""
    explain: Annotated[bool, IN_OUTPUT] = False
    """Say of each proposal where it came from; the trial's folder has it as `explanation.json` in any case."""
    report_to: Annotated[
        Names, Shown(group=Group.OUTPUT, default="none", choices="xautolm.trackers:TRACKER")
    ] = ()
    """Programs that track experiments and are told of every trial, separated by commas; each is an extra of this
    package, and its own settings say where its server is."""
    store: Annotated[
        str | None,
        Shown(group=Group.OUTPUT, default="XAUTOLM_STORE, else in the user's data folder"),
    ] = None
    """Experience store: a file or a database URL."""
    out: Annotated[str | None, Shown(group=Group.OUTPUT, default="runs/<name of the data>")] = None
    """Folder of the run. An earlier run with the same settings is resumed."""

    @field_validator("*", mode="before")
    @classmethod
    def no_switch_for_a_number(cls, value: object, info: ValidationInfo) -> object:
        """Refuse `true` where it would count as 1: YAML reads `yes` and `on` so.

        Raises:
            ValueError: A truth value for an option that is none.
        """
        if not isinstance(value, bool):
            return value
        is_switch = False
        if info.field_name is not None:
            option = cls.model_fields[info.field_name]
            is_switch = option.annotation is bool
        if not is_switch:
            raise ValueError("true and false are values of switches only")
        return value

    @classmethod
    def parse(cls, values: Mapping[str, Any]) -> FitOptions:
        """Return options from plain values.

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
            raise _as_usage_error(error) from None

    @property
    def spending(self) -> Budget:
        """Return the budget, with its default."""
        seconds = self.budget
        # Who counts trials has said how long a search takes.
        if seconds is None and self.trials is None:
            seconds = DEFAULT_BUDGET
        return Budget(seconds=seconds, trials=self.trials)


def shown(name: str) -> Shown:
    """Return how `--help` shows the option of that name."""
    for item in FitOptions.model_fields[name].metadata:
        if isinstance(item, Shown):
            return item
    raise AssertionError(f"FitOptions.{name} says nothing of how it is shown")


def _as_usage_error(error: ValidationError) -> UsageError:
    """Return all problems with options in one error of ours."""
    names_of_options = []
    problems = []
    for item in error.errors():
        name = str(item["loc"][0])
        names_of_options.append(name)
        problems.append(
            f"{name}={shortened(repr(item['input']), SHOWN)}: {item['msg'].removeprefix('Value error, ')}"
        )
    is_budget = set(names_of_options) <= {"budget", "trials"}
    kind = BudgetError if is_budget else UsageError
    return kind("Options that are not valid.", got="; ".join(problems))


def yaml_content(path: Path) -> object:
    """Return what a YAML file holds.

    Raises:
        OSError: It cannot be read.
        ValueError: It is not valid YAML; says why in one line.
    """
    import yaml

    text = path.read_bytes()
    try:
        node = yaml.compose(text.decode("utf-8"), Loader=yaml.SafeLoader)
        if _values_in(node, {}) > MOST_VALUES:
            raise ValueError(
                f"it has more than {MOST_VALUES:,} values, an alias counted as what it stands for"
            )
        _refuse_repetitions(node, set())
        return yaml.safe_load(text.decode("utf-8"))
    except RecursionError:
        raise ValueError("it has lists or mappings inside each other too deeply") from None
    except (yaml.YAMLError, ValueError) as error:
        # YAML reads dates, and 2024-13-45 looks like one. Its own errors show the place on several lines.
        reason = " ".join(str(error).split())
        raise ValueError(reason) from None


def _values_in(node: yaml.Node | None, counts: dict[int, int]) -> int:
    """Return how many values a YAML node holds, an alias counted as what it stands for.

    Args:
        node: A node; None: that of an empty file.
        counts: What was counted already, by the identity of nodes, so that an alias takes no time.
    """
    identity = id(node)
    if identity in counts:
        return counts[identity]
    # A node may hold itself.
    counts[identity] = 1
    total = 1
    for child in _children(node):
        total += _values_in(child, counts)
    counts[identity] = total
    return total


def _children(node: yaml.Node | None) -> list[yaml.Node]:
    """Return the nodes that a YAML node holds: a list's values, or the keys and values of a mapping."""
    children: list[yaml.Node] = []
    if node is None or isinstance(node.value, str):
        return children
    for part in node.value:
        # A mapping's parts are pairs.
        children += part if isinstance(part, tuple) else (part,)
    return children


def _refuse_repetitions(node: yaml.Node | None, checked: set[int]) -> None:
    """Refuse a key that a mapping has twice, of which YAML's reader would take the last in silence.

    Args:
        node: A node, in which no mapping at any depth may have one; None: that of an empty file.
        checked: Identities of nodes that were looked at: a node may hold itself.

    Raises:
        ValueError: Names it.
    """
    import yaml

    if id(node) in checked:
        return
    checked.add(id(node))
    if isinstance(node, yaml.MappingNode):
        # `<<` takes in another mapping, of which there may be several.
        keys = [key for key, _ in node.value if key.tag != MERGED]
        # A number and its digits as a text are two keys.
        counts = Counter((key.tag, str(key.value)) for key in keys)
        repeated = sorted(value for (_, value), count in counts.items() if count > 1)
        if repeated:
            raise ValueError(f"it has the key {repeated[0]!r} twice")
    for child in _children(node):
        _refuse_repetitions(child, checked)


def read_config(path: Path) -> dict[str, Any]:
    """Return the options in a YAML file; the key `data` may name the training data.

    Raises:
        UsageError: The file does not exist or is no mapping.
    """
    if not path.is_file():
        raise UsageError("No such configuration file.", got=path)
    try:
        content = yaml_content(path)
    except OSError as error:
        raise UsageError(
            "The configuration file cannot be read.", got=f"{path}: {error.strerror}"
        ) from None
    except ValueError as error:
        raise UsageError(
            "The configuration file is not valid YAML.", got=f"{path}: {error}"
        ) from None
    if not isinstance(content, dict):
        raise UsageError("The configuration file must map options to values.", got=path)
    return {str(name).replace("-", "_"): value for name, value in content.items()}


def config_text(data: str, options: FitOptions, in_memory: Sequence[str] = ()) -> str:
    """Return a YAML file from which `read_config` reads the same data and options.

    Args:
        data: Name or path of the training data.
        options: Those of the run. Defaults are written too, so that the file means the same to a later version.
            Splits in memory are left out, and a store whose URL has a password: such files are made to be shared.
        in_memory: Names of other options that are left out, since objects in memory stand for them.
    """
    import yaml

    left_out = set(in_memory)
    for split in (Split.VALIDATION, Split.TEST):
        rows = getattr(options, split)
        if rows is not None and not isinstance(rows, str | Path):
            left_out.add(split.value)
    notes = [f"# {name}: {IN_MEMORY}\n" for name in sorted(left_out)]
    if options.store is not None and has_password(options.store):
        left_out.add("store")
        notes.append("# store: left out, since its URL has a password; give it by XAUTOLM_STORE\n")
    values = options.model_dump(mode="json", exclude_none=True, exclude=left_out)
    content = yaml.safe_dump({"data": data, **values}, sort_keys=False, allow_unicode=True)
    return "".join(notes) + str(content)


def lacks_data(text: str) -> bool:
    """Return whether a YAML file that `config_text` made leaves out what was given in memory."""
    return any(line.startswith("#") and line.endswith(IN_MEMORY) for line in text.splitlines())
