"""An automation with a model, written into a folder: what tests of model versions serve, change and spoil."""

from __future__ import annotations

from pathlib import Path

FILES = {
    "__init__.py": "",
    "automation.toml": """
name = "orders"
version = "1.0.0"
owner = "user:tests"
goal = "Say which order a message is about."
description = "One inference."
effects = ["infer:order-reader"]
""",
    "automation.py": """
from __future__ import annotations

from pydantic import BaseModel

from interlock import Endpoint, Task, automation


class Message(BaseModel):
    message: str


class Read(BaseModel):
    order: str


reader = Endpoint("order-reader", Message, Read)


@automation
async def orders(task: Task, message: Message) -> Read:
    return (await task.infer(reader, message)).value
""",
    "models/order-reader/predictor.py": """
from __future__ import annotations

from pathlib import Path

from words import said


class Predictor:
    def __init__(self, folder: Path) -> None:
        self.prefix = (folder / "prefix.txt").read_text()

    def predict(self, request, files):
        return {"order": self.prefix + said(request["message"]), "confidence": 0.9}
""",
    "models/order-reader/words.py": "def said(text):\n    return text.upper()\n",
    "models/order-reader/prefix.txt": "order ",
    "models/order-reader/card.md": "# How it reads\n\nIn capitals.\n",
    "models/order-reader/model.toml": """
name = "order-reader"
version = "{version}"
runtime = "process"
entry = "predictor:Predictor"
description = "Reads an order's number."
owner = "user:support"
licence = "Apache-2.0"

[provenance]
trained_by = "user:amir"
code = "https://git.example/reader"
code_version = "4f2a"

[[provenance.data]]
name = "messages of May"
version = "2"
licence = "CC-BY-4.0"

[limits]
memory_mb = 64

[measured]
data = "200 messages"
right = 0.97
""",
}


def write(folder: Path, *, version: str = "1.0.0") -> Path:
    """Write the automation below a folder, with a model of this version; gives the model's folder."""
    for name, text in FILES.items():
        file = folder / "orders" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text.replace("{version}", version))
    return folder / "orders" / "models" / "order-reader"
