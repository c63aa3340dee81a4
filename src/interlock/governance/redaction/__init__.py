"""Personal data: found by rules and, with the extra `pii`, by a model; replaced by pseudonyms that can be mapped back.

`redact.py` is the verb. `detect.py` joins the ways of finding (`structured.py`, `prose.py`, `people.py`, `secrets.py`, `trained.py`).
"""
