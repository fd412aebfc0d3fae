"""The ledger of a running program: as JSON, as a page, and as figures for dashboards."""

from lastcall.page import Page, assemble_files

from .collect import collect
from .metrics import METRICS, Metric
from .prometheus import CONTENT_TYPE, prometheus_text
from .records import OpenSite, merge_sites, read_site
from .traffic import CONNECTIONS, REQUESTS, Attributes, Histograms
from .traffic import begin as time_traffic
from .traffic import end as untime_traffic
from .view import KEPT, LiveView, document, live_document

__all__ = [
    "CONNECTIONS",
    "CONTENT_TYPE",
    "KEPT",
    "METRICS",
    "REQUESTS",
    "Attributes",
    "Histograms",
    "LiveView",
    "Metric",
    "OpenSite",
    "collect",
    "document",
    "live_document",
    "merge_sites",
    "prometheus_text",
    "read_site",
    "sessions_html",
    "time_traffic",
    "untime_traffic",
]


def sessions_html() -> Page:
    """Return the page; it asks for `sessions.json` below its own address."""
    return assemble_files("Open sessions · lastcall", __package__, "sessions", "elements.js", "findings.js")
