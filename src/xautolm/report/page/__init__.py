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

__all__ = [
    "Answers",
    "Link",
    "PageContent",
    "RunGlance",
    "State",
    "Winner",
    "comparison",
    "html_report",
    "html_sections",
    "live_page",
    "notebook_answer",
    "now_section",
    "overview",
    "report_sections",
]
