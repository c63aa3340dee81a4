"""Which names an automation may not use, since a replay would not see the same again, and what to use instead."""

from __future__ import annotations

_STEP = "a step (`await task.step(…)`), whose result is recorded"
_FETCH = "`task.fetch`, or a step"
_SLEEP = "`await task.sleep(…)`"
_NOW = "`await task.now()`, which is recorded"
_TIMEOUT = "`async with task.timeout(…):`"
_PRINT = "nothing here: it repeats at every replay. Write from a step, or give the task labels"
_CHILD = "`asyncio.gather` or `asyncio.TaskGroup` over steps: each runs in a process of its own"

# What each name is to be replaced by. A name that ends in ".*" stands for everything in a module.
_INSTEAD = {
    "asyncio.sleep": _SLEEP,
    "asyncio.wait_for": _TIMEOUT,
    "asyncio.timeout": _TIMEOUT,
    "asyncio.timeout_at": _TIMEOUT,
    "asyncio.as_completed": "`async for … in task.as_completed(…)`, which is ordered",
    "asyncio.wait": "`task.race(…)` for the first, `task.wait(…)` for all: they do not iterate a set",
    "asyncio.to_thread": _STEP,
    "asyncio.run": "`await`: an automation runs on an event loop already",
    "asyncio.Runner": "`await`: an automation runs on an event loop already",
    "asyncio.get_event_loop": "`await`, `asyncio.gather` or `asyncio.TaskGroup`",
    "asyncio.get_running_loop": "`await`, `asyncio.gather` or `asyncio.TaskGroup`",
    "asyncio.new_event_loop": "`await`: an automation runs on an event loop already",
    "asyncio.run_coroutine_threadsafe": _STEP,
    "asyncio.open_connection": _FETCH,
    "asyncio.open_unix_connection": _FETCH,
    "asyncio.start_server": _STEP,
    "asyncio.create_subprocess_exec": _STEP,
    "asyncio.create_subprocess_shell": _STEP,
    "datetime.datetime.now": _NOW,
    "datetime.datetime.utcnow": _NOW,
    "datetime.datetime.today": _NOW,
    "datetime.date.today": f"{_NOW}, and its `.date()`",
    "uuid.uuid1": _STEP,
    "uuid.uuid4": _STEP,
    "uuid.uuid6": _STEP,
    "uuid.uuid7": _STEP,
    "uuid.getnode": _STEP,
    "pathlib.Path": f"{_STEP}; `PurePath` where only the name matters",
    "pathlib.PosixPath": f"{_STEP}; `PurePath` where only the name matters",
    "pathlib.WindowsPath": f"{_STEP}; `PurePath` where only the name matters",
    "asyncio.get_event_loop_policy": "`await`: an automation runs on an event loop already",
    **dict.fromkeys(("anyio.sleep", "anyio.sleep_until", "trio.sleep", "trio.sleep_until", "curio.sleep", "gevent.sleep"), _SLEEP),
    **dict.fromkeys(("anyio.move_on_after", "anyio.fail_after", "trio.move_on_after", "trio.fail_after"), _TIMEOUT),
    **dict.fromkeys(("anyio.*", "trio.*", "curio.*", "gevent.*"), "asyncio, and the verbs of `task`"),
    "importlib.resources.*": _STEP,
    "importlib.metadata.*": _STEP,
    "importlib.*": "an `import` at the top of the file",
    "sys.modules": "an `import` at the top of the file",
    "sys.exit": "`return`, or an error that is raised",
    "sys.argv": "the automation's input",
    "sys.stdin": "`task.review(…)` to ask a person",
    "sys.stdout": _PRINT,
    "sys.stderr": _PRINT,
    "time.*": f"{_NOW}; `await task.sleep(…)` to wait",
    "random.*": _STEP,
    "secrets.*": _STEP,
    "os.*": f"{_STEP}; values of the environment belong in `[config]` of automation.toml",
    "subprocess.*": _STEP,
    "threading.*": _CHILD,
    "multiprocessing.*": _CHILD,
    "concurrent.futures.*": _CHILD,
    "logging.*": _PRINT,
    "structlog.*": _PRINT,
    **{f"{name}.*": _FETCH for name in ("socket", "ssl", "http", "urllib.request", "urllib3", "requests", "httpx", "aiohttp")},
    **{f"{name}.*": _STEP for name in ("websockets", "smtplib", "imaplib", "poplib", "ftplib", "paramiko", "grpc", "boto3")},
    **{f"{name}.*": _STEP for name in ("tempfile", "shutil", "glob", "fileinput", "sqlite3", "psycopg", "sqlalchemy", "redis")},
    **{f"{name}.*": _STEP for name in ("platform", "getpass", "signal", "ctypes", "mmap", "select", "selectors", "socketserver")},
    **{f"{name}.*": _STEP for name in ("zipfile", "tarfile", "shelve", "dbm", "linecache", "pkgutil", "runpy", "webbrowser", "pwd")},
    **{f"{name}.*": _STEP for name in ("fcntl", "resource", "pty", "posix", "syslog", "asyncpg", "pymongo", "aiofiles", "botocore")},
    **{f"{name}.*": _STEP for name in ("faker", "ulid", "shortuuid", "nanoid", "numpy.random", "kafka", "pika")},
    **{f"{name}.*": _FETCH for name in ("xmlrpc", "telnetlib", "nntplib")},
    **{f"{name}.*": "`task.infer`, which is recorded and asked about" for name in ("openai", "anthropic", "ollama")},
    **{f"{name}.*": _CHILD for name in ("_thread", "queue", "sched", "asyncio.subprocess")},
    **dict.fromkeys(("io.open", "io.FileIO", "io.open_code", "codecs.open", "gzip.open", "bz2.open", "lzma.open"), _STEP),
    **dict.fromkeys(("gzip.GzipFile", "bz2.BZ2File", "lzma.LZMAFile", "PIL.Image.open", "numpy.fromfile"), _STEP),
    **dict.fromkeys(("pandas.read_csv", "pandas.read_excel", "pandas.read_json", "pandas.read_parquet", "pandas.read_sql"), _STEP),
    **dict.fromkeys(("pendulum.now", "pendulum.today", "pendulum.tomorrow", "pendulum.yesterday", "arrow.now", "arrow.utcnow"), _NOW),
    **dict.fromkeys(("pandas.Timestamp.now", "pandas.Timestamp.today", "pandas.Timestamp.utcnow", "email.utils.localtime"), _NOW),
    **dict.fromkeys(("pprint.pprint", "pprint.pp", "traceback.print_exc", "traceback.print_exception"), _PRINT),
}  # fmt: skip
_PURE = frozenset({"os.sep", "os.linesep", "os.fspath", "os.PathLike", "os.path", "http.HTTPStatus"})
_IMPURE_PATH = frozenset(
    {"exists", "getatime", "getctime", "getmtime", "getsize", "isdir", "isfile", "islink", "ismount", "realpath", "abspath",
     "expanduser", "expandvars", "samefile", "lexists"}
)  # fmt: skip
BUILTINS = {
    "open": _STEP,
    "input": "`task.review(…)` to ask a person",
    "print": _PRINT,
    "hash": "`interlock` values as they are, or `hashlib`: `hash` differs from process to process",
    "id": "a name or a number of your own: `id` differs from process to process",
    "breakpoint": "`interlock.testing`, where an automation runs under a debugger",
    "exec": _STEP,
    "eval": _STEP,
    "__import__": "an `import` at the top of the file",
    "globals": "the name itself",
    "exit": "`return`, or an error that is raised",
    "quit": "`return`, or an error that is raised",
}
METHODS = {
    "utcnow": _NOW,
    "run_in_executor": _STEP,
    **dict.fromkeys(
        ("read_text", "write_text", "read_bytes", "write_bytes", "iterdir", "rglob", "mkdir", "unlink", "touch", "rmdir"), _STEP
    ),
}  # fmt: skip


# Methods of dates that ask for the machine's own time zone where none is given: how many arguments they take before it.
LOCAL_TIME = {"astimezone": 0, "fromtimestamp": 1}
# Where asyncio's names really stand, by which they can be imported as well; and other names of modules.
_HOMES = ("tasks", "timeouts", "threads", "events", "runners", "streams", "base_events", "unix_events", "coroutines")
_SAME = {
    **{f"asyncio.{home}": "asyncio" for home in _HOMES},
    "posixpath": "os.path",
    "ntpath": "os.path",
    "_io": "io",
    "_random": "random",
    "_datetime": "datetime",
    "_pydatetime": "datetime",
    "_pyio": "io",
    "pathlib._local": "pathlib",
}


def plain_name(dotted: str) -> str:
    """Give the name by which everybody knows what also stands elsewhere: `asyncio.tasks.sleep` is `asyncio.sleep`."""
    parts = dotted.split(".")
    for size in (2, 1):
        same = _SAME.get(".".join(parts[:size]))
        if same is not None and len(parts) > size:
            return ".".join([same, *parts[size:]])
    return dotted


def may_refuse(dotted: str) -> bool:
    """Tell whether anything in a module or class may not be used."""
    return dotted == "builtins" or any(name.startswith(f"{dotted}.") for name in _INSTEAD)


def instead_of(dotted: str) -> str | None:
    """Give what to use instead of a dotted name, None where it may be used."""
    dotted = plain_name(dotted)
    if dotted.startswith("builtins."):
        return BUILTINS.get(dotted.split(".")[1])
    if dotted.startswith("os.path."):
        return _STEP if dotted.rpartition(".")[2] in _IMPURE_PATH else None
    if dotted in _PURE or dotted.startswith("http.HTTPStatus."):
        return None
    if (instead := _INSTEAD.get(dotted)) is not None:
        return instead
    parts = dotted.split(".")
    # Longest first, so that `datetime.datetime.now` is found in `datetime.datetime.now.__name__` too.
    for size in range(len(parts) - 1, 0, -1):
        prefix = ".".join(parts[:size])
        if (instead := _INSTEAD.get(prefix) or _INSTEAD.get(f"{prefix}.*")) is not None:
            return instead
    return None


def whole_module(name: str) -> str | None:
    """Give what to use instead of anything in a module, None where something in it may be used."""
    return _INSTEAD.get(f"{name}.*")
