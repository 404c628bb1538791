"""What became of a file before any of its pixels were looked at, and why."""

from __future__ import annotations

from enum import StrEnum


class Fate(StrEnum):
    """What the first pass decided of a file. Every file that a source names has exactly one."""

    FILM = "film"
    """A candidate knee: it has a shard, and a row or two in that shard's part."""
    DOUBLE = "double"
    """Another file before it has the same SOP Instance UID."""
    OTHER = "other"
    """Its header says that it is not a film to be graded; the reason is a refusal of docs/refusals.md."""
    UNREADABLE = "unreadable"
    """It could not be read; the reason is a read error of docs/refusals.md or one of `SourceReason`."""


class SourceReason(StrEnum):
    """Why a file, or a source as a whole, could not be read; these stand beside the codes of docs/refusals.md."""

    PERMISSION_DENIED = "permission_denied"
    VANISHED = "vanished"
    """It was listed, and was gone when it was opened."""
    FOLDER_LOOP = "folder_loop"
    """A link within a folder that leads back to a folder above it."""
    BAD_URL = "bad_url"
    """No such protocol, host or object."""
    SERVER_ERROR = "server_error"
    """The server went on answering with an error after all retries."""
    BAD_ARCHIVE = "bad_archive"
    """A tar or zip file that cannot be listed, or that ends too early."""
    DISK_ERROR = "disk_error"
    """The disk or the network file system answered with an error."""
