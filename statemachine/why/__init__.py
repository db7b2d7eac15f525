"""Why a run or a file is where it is: one code, one sentence, the evidence, who must act, and what unblocks it."""

from .answer import Who, Why
from .files import why_file, why_found_file
from .runs import why_found, why_run

__all__ = ["Who", "Why", "why_file", "why_found", "why_found_file", "why_run"]
