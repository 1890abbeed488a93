"""Closed sets of names that several rooms share; the lowest level, which imports nothing of the house."""

from __future__ import annotations

from enum import StrEnum

TABLE = "optuna"
"""Task type of experiences that come from a table of somebody's own."""


class Evidence(StrEnum):
    """What the end of a trial says something about."""

    CONFIGURATION = "configuration"
    """The configuration, wherever it runs: a contradiction in it, or a loss that became infinite."""
    LIMITS = "limits"
    """The configuration under these limits on this machine: with more memory or time it may work."""
    NOTHING = "nothing"
    """Neither: the user, the machine, the network or xautolm itself ended the trial."""


class FailureKind(StrEnum):
    """Why a trial gave no result."""

    INVALID_CONFIG = "invalid_config"
    """The configuration contradicts itself, the model or the data."""
    OUT_OF_MEMORY = "out_of_memory"
    """It did not fit, even with a per-device batch of one."""
    TIMEOUT = "timeout"
    """It passed its time limit and the grace after it without a result."""
    DIVERGED = "diverged"
    """The loss or a metric became NaN or infinite."""
    LOAD_ERROR = "load_error"
    """The model or its tokenizer could not be loaded."""
    CRASH = "crash"
    """Anything else that went wrong inside the trial."""
    INFRASTRUCTURE = "infrastructure"
    """The disk was full, the network failed, or the machine did; says nothing about the configuration."""
    INTERRUPTED = "interrupted"
    """The user or the machine stopped it; says nothing about the configuration."""

    @property
    def evidence(self) -> Evidence:
        """Return what a failure of this kind says something about."""
        return EVIDENCE[self]


EVIDENCE = {
    FailureKind.INVALID_CONFIG: Evidence.CONFIGURATION,
    FailureKind.DIVERGED: Evidence.CONFIGURATION,
    FailureKind.LOAD_ERROR: Evidence.CONFIGURATION,
    FailureKind.CRASH: Evidence.CONFIGURATION,
    FailureKind.OUT_OF_MEMORY: Evidence.LIMITS,
    FailureKind.TIMEOUT: Evidence.LIMITS,
    FailureKind.INFRASTRUCTURE: Evidence.NOTHING,
    FailureKind.INTERRUPTED: Evidence.NOTHING,
}


class TrialStatus(StrEnum):
    """How a trial ended."""

    COMPLETE = "complete"
    """It ran as configured."""
    TRUNCATED = "truncated"
    """The time limit stopped training early; the result is valid."""
    PRUNED = "pruned"
    """It was stopped because it could no longer reach the front; it leaves its scores so far, and no model."""
    FAILED = "failed"
    """There is no result; see its failure."""


class Where(StrEnum):
    """What runs the trials of a search."""

    LOCAL = "local"
    """This machine's processes."""
    RAY = "ray"
    """The machines of a Ray cluster."""


class Split(StrEnum):
    """The parts of a data set; the values are the names of files, options and columns of records."""

    TRAIN = "train"
    VALIDATION = "validation"
    """What trials are scored on, and the search decides by."""
    TEST = "test"
    """What the search never sees; the winner is scored on it once, at the end."""


class Stage(StrEnum):
    """The stages of a search's time, each from its mark in the run's folder to the next."""

    START_UP = "start-up"
    """Loading of libraries, data and models, and every check."""
    SEARCH = "search"
    """From the first proposal on."""
    REFIT = "refit"
    """The winner is trained once more, on the rows of validation, too; not in every search."""
    SCORING = "scoring"
    """The winner is scored on rows that no trial was trained on."""
    END = "end"
    """Everything is written."""


class Targets(StrEnum):
    """Shapes of right answers; the values are the problem types of tasks, which transformers has names for."""

    CLASSES = "single_label_classification"
    """Class indices of shape (n,), and predictions of the same shape."""
    INDICATORS = "multi_label_classification"
    """0/1 of shape (n, classes), and predictions of the same shape."""
    NUMBERS = "regression"
    """Numbers of shape (n,) in the data's own units, and predictions of the same shape."""
    TEXTS = ""
    """For each row the texts that are right (none where no answer is), and one text each as predictions."""


class TargetKind(StrEnum):
    """Which meta-features of right answers apply to a task."""

    CLASSES = "classes"
    NUMBERS = "numbers"
    TEXTS = "texts"
    ANY = "any"
    """Of a group of meta-features that does not look at the answers."""


class Architecture(StrEnum):
    """Which stacks of layers a language model has; says how a task can be cast for it."""

    ENCODER = "encoder"
    """Reads a text in both directions (BERT)."""
    DECODER = "decoder"
    """Goes on with a text, token by token (GPT)."""
    ENCODER_DECODER = "encoder-decoder"
    """Reads one text and writes another (T5)."""


class Origin(StrEnum):
    """Where the weights of a model come from."""

    HUB = "hub"
    FOLDER = "folder"
    PACKAGED = "packaged"
    """From inside an installed package."""
    SCRATCH = "scratch"
    """From nowhere: they are drawn at random, and all of them are trained."""


class DeviceKind(StrEnum):
    """What a trial computes on; a device is a kind, and for `cuda` in a trial also an index, as in `cuda:0`."""

    CPU = "cpu"
    CUDA = "cuda"
    MPS = "mps"
    """A graphics processor of Apple."""


class Precision(StrEnum):
    """Number formats of a training's passes."""

    FLOAT32 = "fp32"
    BFLOAT16 = "bf16"
    """The exponent of float32 and 8 bits of its fraction: needs no scaling of the loss."""
    FLOAT16 = "fp16"
    """For graphics processors that have no bfloat16; the loss is scaled so that gradients do not vanish."""


class Quantization(StrEnum):
    """How the frozen weights of a model are stored while adapters on them are trained."""

    NONE = "none"
    EIGHT_BITS = "8bit"
    FOUR_BITS = "4bit"


class Recall(StrEnum):
    """What a sampler takes from past experiences."""

    NONE = "none"
    PRIOR = "prior"
    """A prior over the space that they have shaped."""
    EVIDENCE = "evidence"
    """The prior, and the past trials themselves for its models to learn from."""


class Preset(StrEnum):
    """Ready-made sets of hyperparameters and their ranges."""

    DEFAULT = "default"
    """Few hyperparameters that matter, with ranges around good practice."""
    PAPER = "paper"
    """The sets of XAutoLM's two spaces (arXiv 2508.00924)."""


class Switch(StrEnum):
    """The options of a hyperparameter that opens others where it is on."""

    ON = "on"
    OFF = "off"


class Unlabelled(StrEnum):
    """What becomes of rows and splits without labels."""

    DROP = "drop"
    """They are left out, with a note that counts them."""
    ERROR = "error"
    """The data is refused."""
    NONE = "none"
    """Nothing is the right answer for them: no label, no answer. For tasks where that can be."""


class Refit(StrEnum):
    """When the winner of a search is trained once more, on the rows of training and validation together."""

    AUTO = "auto"
    """Where the validation split was made by us, and there is a budget of time that has room for it."""
    ALWAYS = "always"
    """Also on a validation split that the person gave, and without a budget of time."""
    NEVER = "never"


class Export(StrEnum):
    """What the folder of a search's winner may be."""

    ANY = "any"
    """What scores best: a folder of transformers, or of sentence-transformers for models that pool the mean."""
    PIPELINE = "pipeline"
    """What a plain `pipeline(...)`, or `from_pretrained`, of transformers loads."""


class ModelFormat(StrEnum):
    """What a winner can be written as, besides the folder that it is."""

    ONNX = "onnx"
    """In float32."""
    ONNX_INT8 = "onnx-int8"
    """With weights of 8 bits, quantised without data."""
    SENTENCE_TRANSFORMERS = "sentence-transformers"
    """A folder whose `encode` gives the logits of a text, and without its last layer the text's features."""
    SETFIT = "setfit"
    """The same folder without its last layer, which lies beside it as a head of scikit-learn."""


class Pooling(StrEnum):
    """Which numbers of a text's tokens a head looks at."""

    OWN = "own"
    """Those of the token that the family's own classifier looks at: the first of encoders, the last of others."""
    MEAN = "mean"
    """The mean over all tokens."""


class Layers(StrEnum):
    """Which layers' hidden states a linear probe looks at."""

    LAST = "last"
    ALL = "all"
    """The mean over all layers. The output of the embeddings is left out: it knows nothing of a word's context."""


class HeadStart(StrEnum):
    """How the head of a training begins."""

    PROBE = "probe"
    """As a linear probe on the frozen body."""
    RANDOM = "random"
    """As transformers makes it."""
