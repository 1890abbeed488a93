"""The memory: experiences in a database."""

from xautolm.experience.autogoal import import_autogoal
from xautolm.experience.exchange import (
    Imported,
    export_experiences,
    identity_of,
    import_experiences,
)
from xautolm.experience.starter import STARTER, with_starter
from xautolm.experience.store import ExperienceStore, Row, Tally
from xautolm.experience.validation import LARGEST_FOREIGN_NUMBER, LONGEST_SHORT_NAME, check_storable

__all__ = [
    "LARGEST_FOREIGN_NUMBER",
    "LONGEST_SHORT_NAME",
    "STARTER",
    "ExperienceStore",
    "Imported",
    "Row",
    "Tally",
    "adoption",
    "check_storable",
    "export_experiences",
    "identity_of",
    "import_autogoal",
    "import_experiences",
    "overview",
    "with_starter",
]
