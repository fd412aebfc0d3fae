"""Pages for people: one file each, one look, nothing loaded from elsewhere; and who may see them."""

from .assemble import Page, assemble, assemble_file, assemble_files, part
from .guard import HINT_HEADERS, Refusal, refusal

__all__ = [
    "HINT_HEADERS",
    "Page",
    "Refusal",
    "assemble",
    "assemble_file",
    "assemble_files",
    "part",
    "refusal",
]
