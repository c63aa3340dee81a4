"""The processes that remove personal data, built from the settings."""

from __future__ import annotations

from dataclasses import asdict

from interlock.data.documents import DocumentLimits
from interlock.infra.child_pool import ChildPool
from interlock.infra.settings import Settings


def document_limits(settings: Settings) -> DocumentLimits:
    """Give what a document may cost."""
    return DocumentLimits(
        size_bytes_max=settings.document_size_bytes_max,
        pixels_max=settings.document_pixels_max,
        pages_max=settings.document_pages_max,
    )


def redaction_pool(settings: Settings) -> ChildPool:
    """Build the processes that remove personal data; none starts before it is needed."""
    return ChildPool(
        name="redaction",
        handler="interlock.boundary.redact_child:handler",
        config={
            "detector": settings.pii_detector,
            "chars_max": settings.redaction_chars_max,
            "documents": asdict(document_limits(settings)),
        },
        size=settings.redaction_processes,
    )
