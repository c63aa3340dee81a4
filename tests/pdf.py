"""PDFs for tests, written by hand."""

from __future__ import annotations


def pdf_with_text(text: str, *, rotate: int = 0) -> bytes:
    """Give a PDF of one page with a text layer of one line."""
    body = f"BT /F1 18 Tf 20 250 Td ({text}) Tj ET".encode()
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 400 300] /Rotate %d /Resources << /Font << /F1 5 0 R >> >>"
        b" /Contents 4 0 R >>" % rotate,
        b"<< /Length %d >>\nstream\n%b\nendstream" % (len(body), body),
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
    ]
    data = b"%PDF-1.4\n" + b"".join(b"%d 0 obj\n%b\nendobj\n" % item for item in enumerate(objects, start=1))
    return data + b"trailer << /Size 6 /Root 1 0 R >>\n%%EOF\n"
