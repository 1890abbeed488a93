"""The page of a run: sections made of blocks, each answering a question, and the template that draws them."""

from xautolm.report.page.content import Answers, PageContent, Winner
from xautolm.report.page.now import State, now_section
from xautolm.report.page.page import (
    Link,
    html_report,
    html_sections,
    live_page,
    notebook_answer,
    report_sections,
)
from xautolm.report.page.several import RunGlance, comparison, overview
from xautolm.report.page.store import (
    STORE_ADDRESS,
    StoreFilter,
    store_fields,
    store_sections,
)

__all__ = [
    "STORE_ADDRESS",
    "Answers",
    "Link",
    "PageContent",
    "RunGlance",
    "State",
    "StoreFilter",
    "Winner",
    "comparison",
    "html_report",
    "html_sections",
    "live_page",
    "notebook_answer",
    "now_section",
    "overview",
    "report_sections",
    "store_fields",
    "store_sections",
]
