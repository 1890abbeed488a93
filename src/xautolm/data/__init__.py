"""Data in: reading, choosing columns, checking, splitting, fingerprinting."""

from xautolm.data.columns import Role, check_known, text_cell
from xautolm.data.lengths import estimated_tokens
from xautolm.data.loading import load
from xautolm.data.needs import Needs
from xautolm.data.prepare import Dataset, cells_in_memory, labelled, prepare
from xautolm.data.shapes import TrainingData, input_table, training_data

__all__ = [
    "Dataset",
    "Needs",
    "Role",
    "TrainingData",
    "cells_in_memory",
    "check_known",
    "conversations",
    "delimited",
    "demo",
    "encodings",
    "estimated_tokens",
    "files",
    "input_table",
    "labelled",
    "load",
    "naming",
    "prepare",
    "stored",
    "stratify",
    "surrogates",
    "text_cell",
    "training_data",
    "unpacking",
]
