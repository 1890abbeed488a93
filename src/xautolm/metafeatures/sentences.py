"""What texts are about, as a pretrained sentence encoder sees it; where one is installed."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from xautolm.metafeatures.base import Part, Sample
from xautolm.metafeatures.statistics import unit_vector
from xautolm.settings import child_environment, sentence_encoder
from xautolm.vocabulary import TargetKind

logger = logging.getLogger(__name__)

TEXTS = 256
"""Texts that are encoded: some seconds on two cores."""
SECONDS = 300.0
"""Seconds after which a child is given up."""
NAME = "semantic-minilm.v1"
DIMENSIONS = 384
"""Length of the encoder's vectors."""
PROGRAM = "xautolm.finetuning.sentences"


class Sentences:
    """The mean embedding of the texts by all-MiniLM-L6-v2 (Wang et al., 2020), of unit length.

    Computed in a process of its own, unless this one has torch already.
    """

    name = NAME
    part = Part.SEMANTIC
    aspect = "topic"
    noise = 0.0
    targets = TargetKind.ANY
    features = ()

    def compute(self, sample: Sample) -> tuple[float, ...]:
        """Return a vector of 384 numbers; nothing where there is no encoder."""
        folder = sentence_encoder()
        if folder is None:
            return ()
        generator = np.random.default_rng(sample.seed)
        shuffled = generator.permutation(len(sample.texts))
        drawn = shuffled[:TEXTS].tolist()
        texts = [sample.texts[index] for index in sorted(drawn)]
        try:
            if sample.encode is not None:
                vectors = sample.encode(texts, folder)
            else:
                vectors = _encoded(texts, folder, sample.system.physical_cores or 1)
            mean = np.mean(vectors, axis=0)
        except (OSError, subprocess.SubprocessError, ValueError) as error:
            # A search goes on without it: tasks are then compared by the vector that needs no model.
            logger.warning("the sentence encoder in %s gave nothing: %s", folder, error)
            return ()
        return unit_vector(mean)


def _encoded(texts: Sequence[str], folder: Path, threads: int) -> np.ndarray:
    """Return embeddings, shape (texts, dimensions), that a child computes: this process never loads torch."""
    # The number of this process lets the child end with it.
    command = [sys.executable, "-m", PROGRAM, str(folder), str(os.getpid())]
    child = subprocess.run(
        command,
        input=json.dumps(list(texts)),
        capture_output=True,
        text=True,
        check=True,
        timeout=SECONDS,
        env=child_environment(threads),
    )
    vectors = json.loads(child.stdout)
    return np.asarray(vectors, dtype=float)


GROUPS = Sentences()
