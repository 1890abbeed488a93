"""The page of a run: sections made of blocks, each answering a question, and the template that draws them."""

from xautolm.report.page.content import Answers, PageContent, Winner
from xautolm.report.page.page import html_report

__all__ = ["Answers", "PageContent", "Winner", "html_report"]
