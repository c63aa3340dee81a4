"""What the check of automations refuses, what it lets pass, and what it says."""

# ruff: noqa: E501 - a snippet reads best on its line

from __future__ import annotations

import pytest

from interlock.domain.errors import AutomationRejected
from interlock.sdk.check import Finding, check, check_all, reject, siblings
from interlock.sdk.replayed import replayed

# Source, and what the one finding must name: (line, part of what, part of instead).
REFUSED = {
    "sleep": ("import asyncio\nasync def f(task):\n    await asyncio.sleep(5)", 3, "asyncio.sleep", "task.sleep"),
    "sleep by alias": ("import asyncio as a\nasync def f(task):\n    await a.sleep(5)", 3, "asyncio.sleep", "task.sleep"),
    "sleep by name": ("from asyncio import sleep\nasync def f(t):\n    await sleep(5)", 3, "asyncio.sleep", "task.sleep"),
    "sleep by another name": ("from asyncio import sleep as z\nasync def f(t):\n    await z(5)", 3, "asyncio.sleep", "task.sleep"),
    "sleep of nothing": ("import asyncio\nasync def f(t):\n    await asyncio.sleep(0)", 3, "is not needed", "nothing"),
    "wait_for": ("import asyncio\nasync def f(t, x):\n    await asyncio.wait_for(x, 1)", 3, "wait_for", "task.timeout"),
    "timeout": ("import asyncio\nasync def f(t):\n    async with asyncio.timeout(1):\n        await t.now()", 3, "timeout", "task.timeout"),
    "timeout_at": ("import asyncio\nx = asyncio.timeout_at", 2, "timeout_at", "task.timeout"),
    "as_completed": ("import asyncio\nasync def f(t, x):\n    for y in asyncio.as_completed(x):\n        await y", 3, "as_completed", "task.as_completed"),
    "wait": ("import asyncio\nasync def f(t, x):\n    await asyncio.wait(x)", 3, "asyncio.wait", "task.race"),
    "to_thread": ("import asyncio\nasync def f(t):\n    await asyncio.to_thread(len, [])", 3, "to_thread", "step"),
    "executor": ("async def f(t, loop):\n    await loop.run_in_executor(None, len, [])", 2, "run_in_executor", "step"),
    "run": ("import asyncio\ndef f(x):\n    asyncio.run(x)", 3, "asyncio.run", "await"),
    "connection": ("import asyncio\nasync def f(t):\n    await asyncio.open_connection('h', 1)", 3, "open_connection", "task.fetch"),
    "set of futures": ("import asyncio\nasync def f(t, a, b):\n    for x in {a, b}:\n        await x", 3, "order of a set", "sorted"),
    "named set": ("async def f(t, items):\n    wanted = set(items)\n    for x in wanted:\n        await t.step(x)", 3, "order of a set", "sorted"),
    "annotated set": ("async def f(t, wanted: set[str]):\n    return [await t.step(x) for x in wanted]", 2, "order of a set", "sorted"),
    "spread set": ("import asyncio\nasync def f(t, s):\n    await asyncio.gather(*{g(x) for x in s})", 3, "order of a set", "sorted"),
    "list of a set": ("def f(items):\n    return list(set(items))", 2, "order of a set", "sorted"),
    "joined set": ("def f(items):\n    return ', '.join({str(i) for i in items})", 2, "order of a set", "sorted"),
    "union of sets": ("def f(a, b):\n    return [x for x in set(a) | set(b)]", 2, "order of a set", "sorted"),
    "difference of keys": ("def f(a, b):\n    for k in a.keys() - b.keys():\n        g(k)", 2, "order of a set", "sorted"),
    "await in a set comprehension over a set": ("async def f(t, s):\n    return {await t.step(x) for x in set(s)}", 2, "order of a set", "sorted"),
    "popped set": ("def f(items):\n    return set(items).pop()", 2, "order of a set", "sorted"),
    "now": ("from datetime import datetime\ndef f():\n    return datetime.now()", 3, "datetime.datetime.now", "task.now"),
    "now by alias": ("from datetime import datetime as dt\ndef f():\n    return dt.now()", 3, "datetime.now", "task.now"),
    "now by module": ("import datetime as d\ndef f():\n    return d.datetime.now(d.UTC)", 3, "datetime.now", "task.now"),
    "utcnow": ("from datetime import datetime\ndef f():\n    return datetime.utcnow()", 3, "utcnow", "task.now"),
    "today": ("from datetime import date\ndef f():\n    return date.today()", 3, "date.today", "task.now"),
    "default factory": ("from datetime import datetime\nfrom pydantic import Field\nx = Field(default_factory=datetime.now)", 3, "datetime.now", "task.now"),
    "time": ("import time\ndef f():\n    return time.time()", 3, "time.time", "task.now"),
    "monotonic": ("from time import monotonic\ndef f():\n    return monotonic()", 3, "monotonic", "task.now"),
    "random": ("import random\ndef f():\n    return random.choice([1])", 3, "random.choice", "step"),
    "secrets": ("import secrets\ndef f():\n    return secrets.token_hex()", 3, "secrets", "step"),
    "uuid4": ("from uuid import uuid4\nx = uuid4()", 2, "uuid.uuid4", "step"),
    "uuid1": ("import uuid\nx = uuid.uuid1()", 2, "uuid.uuid1", "step"),
    "urandom": ("import os\nx = os.urandom(4)", 2, "os.urandom", "step"),
    "environ": ("import os\nx = os.environ['A']", 2, "os.environ", "automation.toml"),
    "getenv": ("from os import getenv\nx = getenv('A')", 2, "os.getenv", "automation.toml"),
    "file exists": ("import os\nx = os.path.exists('a')", 2, "os.path.exists", "step"),
    "open": ("def f():\n    return open('x').read()", 2, "`open`", "step"),
    "path": ("from pathlib import Path\nx = Path('x')", 2, "pathlib.Path", "PurePath"),
    "path method": ("def f(p):\n    return p.read_text()", 2, "read_text", "step"),
    "socket": ("import socket", 1, "socket", "task.fetch"),
    "http": ("import http.client\nx = http.client.HTTPConnection('h')", 2, "http.client", "task.fetch"),
    "urlopen": ("from urllib.request import urlopen\nx = urlopen('h')", 2, "urlopen", "task.fetch"),
    "httpx": ("async def f(t):\n    import httpx\n    return httpx.get('h')", 3, "httpx.get", "task.fetch"),
    "subprocess": ("import subprocess\nsubprocess.run(['ls'])", 2, "subprocess.run", "step"),
    "thread": ("from threading import Thread\nThread(target=print_).start()", 2, "threading.Thread", "gather"),
    "pool": ("from concurrent.futures import ThreadPoolExecutor\nThreadPoolExecutor()", 2, "concurrent.futures", "gather"),
    "input": ("def f():\n    return input()", 2, "`input`", "task.review"),
    "print": ("def f():\n    print('x')", 2, "`print`", "labels"),
    "logging": ("import logging\nlogging.info('x')", 2, "logging.info", "labels"),
    "exit": ("import sys\nsys.exit(1)", 2, "sys.exit", "return"),
    "hash": ("def f(x):\n    return hash(x) % 2", 2, "`hash`", "hashlib"),
    "id": ("def f(x):\n    return sorted(x, key=id)", 2, "`id`", "name"),
    "id beside a field of that name": ("class A:\n    id: str = ''\ndef f(x):\n    return id(x)", 4, "`id`", "name"),
    "global": ("N = 0\ndef f():\n    global N\n    N += 1", 3, "global N", "local variable"),
    "bare except": ("async def f(t):\n    try:\n        await t.now()\n    except:\n        pass", 4, "bare `except:`", "except Exception"),
    "base exception": ("async def f(t):\n    try:\n        await t.now()\n    except BaseException as e:\n        g(e)", 4, "BaseException", "except Exception"),
    "among others": ("async def f(t):\n    try:\n        await t.now()\n    except (ValueError, BaseException):\n        g()", 4, "BaseException", "except Exception"),
    "suppress": ("from contextlib import suppress\nasync def f(t):\n    with suppress(BaseException):\n        await t.now()", 3, "suppress", "Exception"),
    "return in finally": ("async def f(t):\n    try:\n        await t.now()\n    finally:\n        return 1", 5, "finally", "after the `try`"),
    "continue in finally": ("async def f(t):\n    while True:\n        try:\n            await t.now()\n        finally:\n            continue", 6, "finally", "after"),
    "step called": ("from .steps import post\nasync def f(t):\n    await post(1)", 3, "Calling the step `post`", "task.step(post, …)"),
    "step called by its package": ("from automations.expenses.steps import post as p\nasync def f(t):\n    p()", 3, "step `p`", "task.step(p)"),
    "step called in its module": ("from . import steps\nasync def f(t):\n    steps.post(1)", 3, "step `post`", "task.step(post"),
    "alias of a class": ("import datetime\nD = datetime.datetime\ndef f():\n    return D.now()", 4, "datetime.datetime.now", "task.now"),
    "alias of a module": ("import asyncio\na = asyncio\nasync def f(t):\n    await a.sleep(1)", 4, "asyncio.sleep", "task.sleep"),
    "alias by a default": ("from datetime import datetime\ndef f(clock=datetime):\n    return clock.now()", 3, "datetime.now", "task.now"),
    "alias by a walrus": ("import datetime\ndef f():\n    return (d := datetime.datetime).now()", 3, "datetime.now", "task.now"),
    "getattr": ("import asyncio\nasync def f(t):\n    await getattr(asyncio, 'sleep')(5)", 3, "asyncio.sleep", "task.sleep"),
    "getattr of a path": ("import pathlib\nx = getattr(pathlib, 'Path')('x')", 2, "pathlib.Path", "step"),
    "getattr with a variable": ("from datetime import datetime\ndef f(n):\n    return getattr(datetime, n)()", 3, "`getattr`", "by its name"),
    "asyncio from where it stands": ("from asyncio.tasks import sleep\nasync def f(t):\n    await sleep(5)", 3, "asyncio.sleep", "task.sleep"),
    "asyncio by where it stands": ("import asyncio\nasync def f(t, x):\n    await asyncio.tasks.wait_for(x, 5)", 3, "wait_for", "task.timeout"),
    "timeout from where it stands": ("from asyncio.timeouts import timeout\nasync def f(t):\n    async with timeout(4):\n        await t.now()", 3, "timeout", "task.timeout"),
    "anyio": ("import anyio\nasync def f(t):\n    await anyio.sleep(1)", 3, "anyio.sleep", "task.sleep"),
    "import by its name": ("import importlib\nr = importlib.import_module('random')", 2, "import_module", "top of the file"),
    "module among modules": ("import sys\nx = sys.modules['random'].random()", 2, "sys.modules", "top of the file"),
    "builtins": ("import builtins\nx = builtins.open('x')", 2, "builtins.open", "step"),
    "builtins from": ("from builtins import open as o\nx = o('x')", 2, "builtins.open", "step"),
    "builtins by their other name": ("x = __builtins__['open']('x')", 1, "__builtins__", "itself"),
    "io": ("import io\nx = io.open('x')", 2, "io.open", "step"),
    "packed file": ("import gzip\nx = gzip.open('x')", 2, "gzip.open", "step"),
    "archive": ("from zipfile import ZipFile\nx = ZipFile('x')", 2, "zipfile.ZipFile", "step"),
    "file by a path's open": ("def f(p):\n    return p.open('rb')", 2, "`.open()`", "step"),
    "file exists by another name": ("import posixpath\nx = posixpath.exists('a')", 2, "os.path.exists", "step"),
    "numbers at random": ("import numpy as np\nx = np.random.rand()", 2, "numpy.random", "step"),
    "date by a library": ("import pendulum\nx = pendulum.now()", 2, "pendulum.now", "task.now"),
    "this machine's time zone": ("async def f(t):\n    return (await t.now()).astimezone()", 2, "time zone", "UTC"),
    "time stamp in this machine's time zone": ("from datetime import datetime\nx = datetime.fromtimestamp(0)", 2, "time zone", "UTC"),
    "remote call": ("import xmlrpc.client\nx = xmlrpc.client.ServerProxy('h')", 2, "xmlrpc", "task.fetch"),
    "model by a library": ("import openai\nx = openai.OpenAI()", 2, "openai", "task.infer"),
    "set by another name": ("async def f(t, a):\n    s = {a}\n    u = s\n    for x in u:\n        await x", 4, "order of a set", "sorted"),
    "set in one function, list in another": ("async def f(t, a):\n    s = {a}\n    for x in s:\n        await x\ndef g(s):\n    return [x for x in s]", 3, "order of a set", "sorted"),
    "named union": ("async def f(t, a, b):\n    s = {a} | set(b)\n    for x in s:\n        await x", 3, "order of a set", "sorted"),
    "set or none": ("async def f(t, a, b):\n    s = {a} if b else set()\n    for x in s:\n        await x", 3, "order of a set", "sorted"),
    "set by typing": ("from typing import Set\nasync def f(t, s: Set[int]):\n    for x in s:\n        await x", 3, "order of a set", "sorted"),
    "optional set": ("async def f(t, s: set[int] | None = None):\n    for x in s or ():\n        await x", 2, "order of a set", "sorted"),
    "set unpacked": ("async def f(t, a, b):\n    x, y = {a, b}", 2, "order of a set", "sorted"),
    "set beside something": ("async def f(t, a):\n    s, n = {a}, 1\n    for x in s:\n        await x", 3, "order of a set", "sorted"),
    "set from a function": ("def g() -> set[int]:\n    return set()\nasync def f(t):\n    for x in g():\n        await t.step(x)", 4, "order of a set", "sorted"),
    "set in a field": ("from pydantic import BaseModel\nclass A(BaseModel):\n    tags: set[str]\nasync def f(t, a: A):\n    for x in a.tags:\n        await t.step(x)", 5, "order of a set", "sorted"),
    "set in a walrus": ("async def f(t, a):\n    for x in (s := {a}):\n        await x", 2, "order of a set", "sorted"),
    "keys of a set": ("def f(a):\n    return dict.fromkeys({a, 1})", 2, "order of a set", "sorted"),
    "set in a text": ("def f(a):\n    return f'{ {a, 1} }'", 2, "order of a set", "sorted"),
    "set yielded": ("def f(a):\n    yield from {a, 1}", 2, "order of a set", "sorted"),
    "base exception by another name": ("B = BaseException\nasync def f(t):\n    try:\n        await t.now()\n    except B:\n        pass", 5, "BaseException", "except Exception"),
    "clock shadowed elsewhere": ("def g(open):\n    return open\ndef f():\n    return open('x')", 4, "`open`", "step"),
    "step of this file called": ("from interlock import step\n@step\ndef post(n: int) -> int:\n    return n\nasync def f(t):\n    post(1)", 6, "Calling the step `post`", "task.step(post"),
    "star": ("from asyncio import *", 1, "import *", "names"),
    "no Python": ("async def f(:", 1, "not Python", "valid Python"),
}  # fmt: skip

ALLOWED = {
    "loops and branches": "async def f(task, claim):\n    for item in claim.items:\n        if item.big:\n            await task.step(g, item)\n    while await task.now() < claim.end:\n        await task.sleep(60)",
    "gather": "import asyncio\nasync def f(task, xs):\n    return await asyncio.gather(*(task.step(g, x) for x in xs))",
    "task group": "import asyncio\nasync def f(task, xs):\n    async with asyncio.TaskGroup() as group:\n        found = [group.create_task(task.step(g, x)) for x in xs]\n    return [t.result() for t in found]",
    "create_task": "import asyncio\nasync def f(task):\n    return await asyncio.create_task(task.now())",
    "locks": "import asyncio\nasync def f(task):\n    gate, lock, done = asyncio.Semaphore(2), asyncio.Lock(), asyncio.Event()\n    async with gate, lock:\n        await task.now()\n    done.set()\n    queue = asyncio.Queue()",
    "shield and cancelled": "import asyncio\nasync def f(task):\n    try:\n        await asyncio.shield(task.now())\n    except asyncio.CancelledError:\n        await task.step(undo)\n        raise",
    "comprehensions": "async def f(task, xs):\n    return {x: await task.step(g, x) for x in xs if x}, [y async for y in task.as_completed(*xs)]",
    "except": "async def f(task):\n    try:\n        await task.step(g)\n    except Exception as error:\n        await task.step(undo, str(error))\n    finally:\n        done = True",
    "raised again": "async def f(task):\n    try:\n        await task.step(g)\n    except BaseException:\n        undo()\n        raise",
    "bare except around no wait": "def f(x):\n    try:\n        return int(x)\n    except:\n        return 0",
    "break inside a finally's loop": "async def f(task, xs):\n    try:\n        await task.now()\n    finally:\n        for x in xs:\n            break",
    "sets without their order": "def f(a, b):\n    s = set(a) - {1}\n    return sorted(s), len(s), max(x.n for x in {b}), 3 in s, s == set(b), {x + 1 for x in s}, sorted(x for x in s)",
    "loop over a sorted set": "async def f(task, xs):\n    for x in sorted(set(xs)):\n        await task.step(g, x)",
    "a name that is sometimes a set": "def f(a, flag):\n    s = set(a)\n    s = sorted(s)\n    return [x for x in s]",
    "dates": "from datetime import UTC, date, datetime, timedelta\nasync def f(task):\n    now = await task.now()\n    return datetime(2020, 1, 1, tzinfo=UTC), date.fromisoformat('2020-01-01'), now - timedelta(days=1)",
    "own names": "def f(id, hash, open):\n    return id(1), hash(2), open(3)",
    "a field named id": "from pydantic import BaseModel\nclass A(BaseModel):\n    id: str\n    time: str\ndef f(a):\n    return a.id, a.time",
    "fixed UUIDs": "from uuid import NAMESPACE_URL, UUID, uuid5\nx = uuid5(NAMESPACE_URL, 'a'), UUID(int=1)",
    "pure paths": "import os\nfrom pathlib import PurePath\nx = PurePath('a') / 'b', os.path.join('a', 'b')",
    "status codes": "from http import HTTPStatus\nx = HTTPStatus.OK",
    "types only": "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import random\n    from pathlib import Path\ndef f(r: random.Random, p: Path) -> Path:\n    x: random.Random = r\n    return p",
    "steps passed on": "from .steps import Ledger, LIMIT, post\nfrom . import steps\nasync def f(task):\n    await task.step(post, 1)\n    await task.step(steps.post, Ledger(x=steps.Ledger()))\n    return LIMIT",
    "hashlib": "import hashlib\nx = hashlib.sha256(b'a').hexdigest()",
    "steps of this file": "import httpx\nfrom interlock import step\n@step(timeout_s=5)\ndef post(url: str) -> str:\n    return httpx.get(url).text + open('x').read()\nasync def f(task):\n    await task.step(post, 'h')",
    "a set by its members": "from pydantic import BaseModel\nclass A(BaseModel):\n    tags: set[str]\nclass B(BaseModel):\n    names: list[str]\nasync def f(task, a: A, b: B):\n    if 'x' in a.tags:\n        return [await task.step(g, n) for n in b.names], sorted(a.tags)",
    "getattr of one's own": "from .schema import A\ndef f(a, n):\n    return getattr(a, n), getattr(A, n)",
    "input and id as parameters": "async def f(task, input):\n    id = input.id\n    return id, input.open, input.now",
    "a time zone that is given": "from datetime import UTC, datetime\nasync def f(task):\n    return (await task.now()).astimezone(UTC), datetime.fromtimestamp(0, UTC), datetime.fromtimestamp(0, tz=UTC)",
    "an account that opens": "async def f(task, account):\n    return account.open(), account.open('savings')",
    "packed bytes": "import gzip, io\nx = gzip.decompress(b''), io.StringIO('x').getvalue()",
    "the twins": "async def f(task, a, b):\n    n, x = await task.race(a, b)\n    async with task.timeout(5):\n        await task.sleep(1)\n    return await task.wait(a, b)",
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_refuses_what_cannot_be_replayed(name: str) -> None:
    source, line, what, instead = REFUSED[name]
    found = check(source, "expenses/automation.py")
    assert [f.line for f in found] == [line], found
    assert what in found[0].what
    assert instead in found[0].instead
    assert found[0].file == "expenses/automation.py"


@pytest.mark.parametrize("name", ALLOWED)
def test_lets_pass_what_can(name: str) -> None:
    assert check(ALLOWED[name], "a.py") == []


def test_says_line_and_column_from_one() -> None:
    (found,) = check("import time\nx = [1, time.time()]", "a.py")
    assert (found.line, found.column) == (2, 9)
    assert str(found).startswith("a.py:2:9: `time.time` cannot be replayed. Use `await task.now()`")


def test_lists_findings_in_order_and_each_once() -> None:
    source = "import time, random\nx = random.random()\ny = time.time() + time.time()"
    assert [(f.line, f.what) for f in check(source, "a.py")] == [
        (2, "`random.random`"),
        (3, "`time.time`"),
        (3, "`time.time`"),
    ]


def test_rejects_with_every_finding_and_its_fix() -> None:
    findings = check("import time, uuid\nx = uuid.uuid4()\ny = time.time()", "a.py")
    with pytest.raises(AutomationRejected) as raised:
        reject(findings)
    assert "a.py:2:5" in raised.value.detail
    assert "task.now" in raised.value.detail
    assert raised.value.code == "automation.rejected"
    assert [f["line"] for f in raised.value.extra["findings"]] == [2, 3]


def test_rejects_nothing_for_nothing() -> None:
    reject([])


def test_a_long_list_is_cut_and_says_so() -> None:
    many = [Finding(file="a.py", line=n, column=1, what="x", instead="y") for n in range(1, 151)]
    with pytest.raises(AutomationRejected, match="and 50 more"):
        reject(many)


def test_gives_the_modules_of_its_own_folder_that_a_file_imports() -> None:
    source = (
        "import os\nfrom .schema import A\nfrom . import rules, steps\nfrom ..other import x\nfrom .deep.er import y"
    )
    assert siblings(source) == {"schema", "schema/A", "rules", "steps", "deep", "deep/er", "deep/er/y"}
    assert siblings("from .a import (") == frozenset()


FOLDER = {
    "automation.py": "from automations.refunds.rules import due\nfrom .money import rates\nfrom .steps import pay",
    "rules.py": "import automations.refunds.dates as d",
    "dates.py": "",
    "money/__init__.py": "from . import table",
    "money/rates.py": "from ..texts import greeting",
    "money/table.py": "",
    "texts.py": "",
    "steps.py": "from .bank import pay",
    "bank.py": "import httpx",
    "tests/test_it.py": "import random",
}


def test_follows_every_import_of_the_folder_but_those_of_steps() -> None:
    assert replayed(FOLDER, "automations.refunds") == [
        "automation.py", "dates.py", "money/__init__.py", "money/rates.py", "money/table.py", "rules.py", "texts.py"
    ]  # fmt: skip


def test_a_set_that_another_file_declares_is_found() -> None:
    sources = {
        "schema.py": "from pydantic import BaseModel\nclass Order(BaseModel):\n    tags: set[str]\n",
        "rules.py": "def owed(order) -> set[str]:\n    return order.tags\n",
        "automation.py": "from .rules import owed\nasync def f(t, o):\n    [await t.step(x) for x in o.tags]\n    for x in owed(o):\n        await t.step(x)",
    }
    assert [(f.file, f.line) for f in check_all(sources)] == [("automation.py", 3), ("automation.py", 4)]


def test_a_step_that_another_file_declares_is_not_called() -> None:
    sources = {
        "actions.py": "import httpx\nfrom interlock import step\n@step\ndef pay(n: int) -> str:\n    return httpx.get('h').text\n",
        "automation.py": "from .actions import pay\nasync def f(t):\n    await t.step(pay, 1)\n    pay(1)",
    }
    assert [(f.file, f.line) for f in check_all(sources)] == [("automation.py", 4)]
