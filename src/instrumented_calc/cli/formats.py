"""Output formats that the command line offers. `renderers` holds their functions, which load numpy."""

from __future__ import annotations

from enum import Enum


class Form(str, Enum):
    """Output format of a result."""

    text = "text"
    markdown = "markdown"
    json = "json"


class ReportForm(str, Enum):
    """Output format of a report on journals."""

    text = "text"
    markdown = "markdown"
    json = "json"
    chrome = "chrome"
    speedscope = "speedscope"
    collapsed = "collapsed"
    csv = "csv"
    parquet = "parquet"
    openmetrics = "openmetrics"
