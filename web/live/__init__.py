"""Live pages: what refreshes of a page, who is told that something changed, and how."""

from .page import live_page

__all__ = ["live_page"]
