"""Every setting of the product, in one typed place.

A setting is one field below: its environment variable is `INTERLOCK_` and the field's name in capitals, its unit stands
last in the name, its bounds and its meaning stand in `Field`. To add one, add a field and run
`scripts/write_reference.py`, which writes `docs/reference/settings.md`; a test fails until that is done.

Plain pydantic reads the environment in a few lines here. pydantic-settings was tried: importing it costs 0.2 s in each
process and on each `interlock --help`, and its errors do not name the environment variable.
"""

from __future__ import annotations

import ipaddress
import os
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, ClassVar, Final, Literal, Self
from urllib.parse import urlsplit

from pydantic import (
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)

from interlock.domain.errors import ConfigurationError
from interlock.infra.settings_callers import CallerSettings, List
from interlock.infra.settings_lineage import LineageSettings
from interlock.infra.settings_logs import StepLogSettings
from interlock.infra.settings_reference import SettingDoc, as_text, bounds_text, describe_field, type_name

PREFIX: Final = "INTERLOCK_"
WITNESS_FILE_LIMIT: Final = (
    "The witness file is on this machine and belongs to this user: it proves nothing against somebody who can write to it;"
    " name a bucket or a time-stamping authority for that."
)


def _absolute(value: Any) -> Any:
    if isinstance(value, str | Path):
        return Path(value).expanduser().absolute()
    return value


Folder = Annotated[Path, BeforeValidator(_absolute)]
DATA_CLASSES: Final = ("contents", "documents")
POSTGRES_SCHEMES: Final = ("postgresql", "postgres")
OBJECT_SCHEMES: Final = ("file", "s3", "gs", "az")


def _bundled_automations() -> Path:
    """Find the automations that come with Interlock: beside `src/` in a checkout, inside the package in a wheel."""
    package = Path(__file__).resolve().parents[1]
    checkout = package.parents[1]
    if (checkout / "pyproject.toml").is_file() and (checkout / "automations").is_dir():
        return checkout / "automations"
    return package / "_automations"


def _is_days(text: str) -> bool:
    try:
        return 0 < float(text) <= 100_000
    except ValueError:
        return False


def _default_processes() -> int:
    return max(1, min(os.cpu_count() or 1, 8))


class Settings(CallerSettings, LineageSettings, StepLogSettings):
    """All settings, checked and frozen. Build it with `load`; keyword arguments alone read no environment (tests)."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", validate_default=True, allow_inf_nan=False, hide_input_in_errors=True
    )

    # The folder, the address, the log
    data_dir: Folder = Field(Path(".data"), description="Folder that holds everything a local installation keeps.")
    environment: Literal["live", "test"] = Field(
        "live", description="What this installation is for; part of each API key."
    )
    host: str = Field(
        "127.0.0.1", min_length=1, description="Address that the API listens on. Only this machine by default."
    )
    port: int = Field(
        0,
        ge=0,
        le=65535,
        description="Port of the API; 0 takes a free one at first start and the same again as long as it is free.",
    )
    automations_dir: Folder = Field(
        default_factory=_bundled_automations, description="Folder whose sub-folders are the automations to register."
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        "info", description="Least severe line that is logged."
    )
    log_json: bool = Field(True, description="Log lines as JSON objects; else for people.")
    log_size_bytes_max: int = Field(
        20_000_000,
        ge=10_000,
        le=10_000_000_000,
        description="Size at which a log file is set aside when its process starts.",
    )

    # Database
    database_url: str | None = Field(
        None,
        repr=False,
        description="PostgreSQL (15 or later) of somebody else, as a role that may create roles; unset: embedded.",
    )
    database_app_url: str | None = Field(
        None,
        repr=False,
        description="The same database as the role that API and worker use; unset: created by the owner.",
    )
    database_relay_url: str | None = Field(
        None, repr=False, description="The same database as the role that the relay uses; unset: created by the owner."
    )
    database_pool_size: int = Field(16, ge=2, le=200, description="Connections that each process may hold.")
    database_wait_s: float = Field(
        5.0,
        ge=0.1,
        le=120,
        description="Seconds that a request waits for a free connection before it is told to try later.",
    )
    database_answer_s: float = Field(
        5.0,
        ge=0.2,
        le=600,
        description="Seconds that a statement may take before a new connection is tried; one that is not made within as many means"
        " that the database is frozen, and all that wait for it are told so.",
    )
    statement_timeout_s: float = Field(
        30.0, ge=1, le=3600, description="Seconds after which the database ends a statement."
    )
    postgres_port: int = Field(
        0, ge=0, le=65535, description="Port of the embedded PostgreSQL; 0 takes a free one and remembers it."
    )

    # Object store
    object_store_url: str | None = Field(
        None,
        repr=False,
        description="Where documents and large outcomes are kept; unset: the folder `objects` in data_dir.",
    )

    # Worker: claiming, leases, processes
    worker_concurrency: int = Field(
        128, ge=1, le=10_000, description="Tasks that one worker advances at the same time."
    )
    claim_batch_max: int = Field(32, ge=1, le=1000, description="Tasks that one statement claims.")
    lease_s: float = Field(
        10.0, ge=0.5, le=600, description="Seconds after which a task whose worker is silent may be claimed."
    )
    lease_renew_s: float = Field(
        3.0, ge=0.1, le=300, description="Seconds between two renewals of a lease; at most lease_s / 2."
    )
    poll_s: float = Field(
        1.0, ge=0.01, le=60, description="Seconds between two looks for work when no notification arrives."
    )
    step_processes: int = Field(
        default_factory=_default_processes, ge=1, le=256, description="Child processes in which authors' steps run."
    )
    shipped_models: Literal["released", "unknown"] = Field(
        "released",
        description="How the model versions stand that come with the product: released in the installation's name, or unknown like any other.",
    )
    predictor_processes: int = Field(
        1, ge=1, le=64, description="Child processes that run predictors (OCR among them)."
    )
    shutdown_s: float = Field(
        10.0, ge=0.5, le=300, description="Seconds that a process gets to stop before it is killed."
    )
    cpu_price_usd_per_hour: float = Field(
        0.04, ge=0, le=1000, description="Price of one core for an hour, for the cost of what runs on this machine."
    )

    faults: bool = Field(
        False,
        description="Chaos tests only, refused outside the environment `test`: a worker kills itself at the point that `run/fault` names.",
    )

    # Limits of a task
    effects_per_task_max: int = Field(
        10_000,
        ge=1,
        le=100_000,
        description="Effects of one task; beyond it the task is blocked, and goes on where more are allowed.",
    )
    tasks_waiting_max: int = Field(
        1_000_000, ge=1, le=100_000_000, description="Open tasks of a tenant; beyond it a submission gets 429."
    )
    task_input_bytes_max: int = Field(1_000_000, ge=1000, le=100_000_000, description="Size of a task's input as JSON.")
    outcome_bytes_max: int = Field(
        50_000_000, ge=1000, le=1_000_000_000, description="Size of one effect's outcome as JSON."
    )
    inline_outcome_bytes_max: int = Field(
        65_536, ge=0, le=1_000_000, description="Outcomes over this size stand by reference in the object store."
    )
    labels_max: int = Field(32, ge=0, le=1000, description="Labels of one task.")
    label_chars_max: int = Field(128, ge=1, le=10_000, description="Characters of a label's name and of its value.")
    task_wait_s_max: float = Field(
        31_536_000.0, ge=1, le=315_360_000, description="Longest sleep, deadline or wait that a task may ask for."
    )

    # Limits of a request
    requests_in_flight_max: int = Field(
        256, ge=1, le=100_000, description="Requests that one API process works on; beyond it 503 with Retry-After."
    )
    body_size_bytes_max: int = Field(
        2_000_000, ge=1000, le=1_000_000_000, description="Size of a request's body, documents apart."
    )
    list_page_size_max: int = Field(200, ge=1, le=10_000, description="Items of one page of a list.")
    event_streams_max: int = Field(500, ge=1, le=100_000, description="Open live-update streams of one API process.")

    # Documents
    document_size_bytes_max: int = Field(
        20_000_000, ge=1000, le=2_000_000_000, description="Size of one uploaded file."
    )
    document_pixels_max: int = Field(
        40_000_000, ge=1000, le=1_000_000_000, description="Pixels of one picture or page."
    )
    document_pages_max: int = Field(
        20, ge=1, le=100_000, description="Pages of one document; readers may take fewer than you raise it to."
    )
    documents_per_task_max: int = Field(20, ge=1, le=1000, description="Documents that one task's input may name.")

    # Reviews
    review_hold_s_max: float = Field(
        30.0, ge=0, le=30, description="Longest hold during which an answer may be taken back."
    )

    # Outgoing calls and callbacks
    outgoing_allow: List = Field(
        (),
        description="Hosts and networks that may be called although their address is not global: `host`, `10.0.0.0/8`.",
    )
    outgoing_timeout_s: float = Field(10.0, gt=0, le=600, description="Seconds for one outgoing call in all.")
    outgoing_response_bytes_max: int = Field(
        5_000_000, ge=100, le=1_000_000_000, description="Bytes that are read of an outgoing call's response."
    )
    callback_attempts_max: int = Field(
        12, ge=1, le=100, description="Attempts of a callback before it is a dead letter."
    )
    callback_timeout_s: float = Field(10.0, gt=0, le=120, description="Seconds for one attempt of a callback.")
    callback_backoff_initial_s: float = Field(
        1.0, gt=0, le=3600, description="Seconds before a callback's second attempt."
    )
    callback_backoff_max_s: float = Field(
        3600.0, gt=0, le=86_400, description="Longest pause between attempts of a callback."
    )
    callbacks_in_flight_max: int = Field(
        64, ge=1, le=10_000, description="Callbacks that one relay delivers at the same time."
    )

    # Audit
    master_key: str | None = Field(
        None,
        repr=False,
        min_length=32,
        description="Secret from which all other keys are derived, the same on every machine; unset: made in data_dir.",
    )
    checkpoint_interval_s: float = Field(
        0.7,
        ge=0.05,
        le=3600,
        description="Seconds between two signed checkpoints of the audit log while it grows; a record waits for the sequencing before.",
    )
    sequence_interval_s: float = Field(
        0.2, ge=0.01, le=60, description="Seconds between two looks of the relay for rows without a position."
    )

    audit_witness_file: str = Field(
        "auto",
        min_length=1,
        description="File that keeps signed checkpoints outside of data_dir; `state`: in the user's state folder;"
        " `off`: none; `auto`: `state` with the embedded database, else `off`.",
    )
    audit_witness_bucket: str | None = Field(
        None,
        repr=False,
        description="Object store in which signed checkpoints are put and never replaced; unset: none.",
    )
    audit_tsa_url: str | None = Field(
        None, description="Time-stamping authority (RFC 3161) that dates signed checkpoints; unset: none."
    )
    audit_tsa_roots: Folder | None = Field(
        None, description="File with the authority's root certificates (PEM); needed with audit_tsa_url."
    )
    audit_witness_interval_s: float = Field(
        60.0,
        ge=0.05,
        le=86_400,
        description="Seconds between two checkpoints that witnesses are handed while the log grows.",
    )
    evidence_records_max: int = Field(
        200_000, ge=1, le=10_000_000, description="Records of one evidence pack; a filter that finds more is refused."
    )

    # Personal data
    pii_detector: Literal["auto", "rules", "trained"] = Field(
        "auto",
        description="How personal data is found: by rules, or by a trained model too (extra `pii`); auto: with the model where it is installed.",
    )
    redaction_processes: int = Field(
        1,
        ge=1,
        le=64,
        description="Child processes that remove personal data; they start when a policy first asks for it.",
    )
    redaction_timeout_s: float = Field(
        60.0,
        gt=0,
        le=3600,
        description="Seconds for removing personal data from one effect, its documents included; beyond it nothing is sent.",
    )
    redaction_chars_max: int = Field(
        1_000_000,
        ge=1000,
        le=100_000_000,
        description="Characters of one text that are searched for personal data; a longer one is not sent.",
    )

    privacy_interval_s: float = Field(
        60.0,
        ge=0.05,
        le=86_400,
        description="Seconds between two looks of the relay for people to erase, and for what is kept too long.",
    )
    residency: List = Field(
        (),
        description="Where data may stand, each as `tenant/class=region+region`; class: contents or documents, `*`: every tenant.",
    )
    retention: List = Field(
        (),
        description="How many days data is kept, each as `tenant/class=days`: contents after their task ended, documents after their upload.",
    )
    database_region: str = Field(
        "", description="Where the database stands, such as `eu-west-1`; needed where `residency` has rules."
    )
    object_store_region: str = Field(
        "", description="Where the object store stands; needed where `residency` has rules."
    )
    backup_region: str = Field("", description="Where backups of both are kept; needed where `residency` has rules.")

    # Sources
    watch_dirs: List = Field(
        (), description="Watched folders, each as `automation=path`; a file put there becomes a task."
    )
    watch_poll_s: float = Field(
        1.0, ge=0.05, le=3600, description="Seconds between two looks into the watched folders."
    )

    # The command line as a client
    api_url: str | None = Field(None, description="API that the command line talks to; unset: the one of data_dir.")
    api_key: str | None = Field(
        None, repr=False, description="API key of the command line; unset: the admin key of data_dir."
    )

    elevation: str | None = Field(
        None, max_length=64, description="ID of an open elevation that the command line uses with each request."
    )

    SECTIONS: ClassVar[Mapping[str, str]] = {
        "step_log_bytes_max": "Logs of steps",
        "openlineage_url": "Lineage",
        "session_idle_s": "Sessions and signing in",
        "data_dir": "The folder, the address, the log",
        "database_url": "Database",
        "object_store_url": "Object store",
        "worker_concurrency": "Worker",
        "effects_per_task_max": "Limits of a task",
        "requests_in_flight_max": "Limits of a request",
        "document_size_bytes_max": "Documents",
        "review_hold_s_max": "Reviews",
        "outgoing_allow": "Outgoing calls and callbacks",
        "master_key": "Keys and audit",
        "pii_detector": "Personal data",
        "watch_dirs": "Sources",
        "api_url": "The command line as a client",
    }

    @field_validator("database_url", "database_app_url", "database_relay_url")
    @classmethod
    def _postgres_url(cls, value: str | None) -> str | None:
        return _checked_url(value, POSTGRES_SCHEMES, example="postgresql://user:password@host:5432/interlock")

    @field_validator("object_store_url", "audit_witness_bucket")
    @classmethod
    def _object_url(cls, value: str | None) -> str | None:
        return _checked_url(value, OBJECT_SCHEMES, example="s3://bucket/folder")

    @field_validator("api_url", "audit_tsa_url")
    @classmethod
    def _http_url(cls, value: str | None) -> str | None:
        return _checked_url(value, ("http", "https"), example="http://127.0.0.1:8080")

    @field_validator("outgoing_allow")
    @classmethod
    def _hosts_and_networks(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for item in value:
            if "://" in item or not item.strip("."):
                raise ValueError(f"{item!r} is neither a host name nor a network such as 10.0.0.0/8")
            if "/" in item:
                ipaddress.ip_network(item)  # its message names the mistake (host bits set, not a network)
        return value

    @field_validator("residency", "retention")
    @classmethod
    def _tenant_and_class(cls, value: tuple[str, ...], info: ValidationInfo) -> tuple[str, ...]:
        for item in value:
            left, mark, said = item.partition("=")
            tenant, slash, data_class = left.partition("/")
            if not (mark and slash and tenant and said) or data_class not in DATA_CLASSES:
                raise ValueError(f"{item!r} should be tenant/class=value, where class is {' or '.join(DATA_CLASSES)}")
            if info.field_name == "retention" and not _is_days(said):
                raise ValueError(f"{item!r} should end with a number of days over 0")
        if len({item.partition("=")[0] for item in value}) != len(value):
            raise ValueError("a tenant and class stand there twice")
        return value

    @field_validator("watch_dirs")
    @classmethod
    def _automation_and_path(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        """Make the paths absolute, so that they mean the same in a child process."""
        pairs = []
        for item in value:
            automation, _, path = item.partition("=")
            if not automation.strip() or not path.strip():
                raise ValueError(f"{item!r} should be automation=path, as in expenses=/srv/receipts")
            pairs.append(f"{automation.strip()}={Path(path.strip()).expanduser().absolute()}")
        return tuple(pairs)

    @model_validator(mode="after")
    def _agree(self) -> Self:
        """Check what one field alone cannot say."""
        if self.lease_renew_s > self.lease_s / 2:
            raise ValueError(
                f"{PREFIX}LEASE_RENEW_S ({self.lease_renew_s}) must be at most half of {PREFIX}LEASE_S "
                f"({self.lease_s}), or one missed renewal loses a task that still runs"
            )
        if self.faults and self.environment != "test":
            raise ValueError(f"{PREFIX}FAULTS is only for {PREFIX}ENVIRONMENT=test")
        if self.inline_outcome_bytes_max > self.outcome_bytes_max:
            raise ValueError(f"{PREFIX}INLINE_OUTCOME_BYTES_MAX must not be over {PREFIX}OUTCOME_BYTES_MAX")
        if self.callback_backoff_initial_s > self.callback_backoff_max_s:
            raise ValueError(f"{PREFIX}CALLBACK_BACKOFF_INITIAL_S must not be over {PREFIX}CALLBACK_BACKOFF_MAX_S")
        if (self.audit_tsa_url is None) != (self.audit_tsa_roots is None):
            raise ValueError(f"{PREFIX}AUDIT_TSA_URL and {PREFIX}AUDIT_TSA_ROOTS belong together")
        return self

    @property
    def objects_url(self) -> str:
        """The object store's URL with the default filled in."""
        return self.object_store_url or (self.data_dir / "objects").as_uri()

    @property
    def only_file_witnesses(self) -> bool:
        """Whether a file on this machine is the only witness."""
        none = self.audit_witness_file == "off" or (
            self.audit_witness_file == "auto" and bool(self.database_url or self.database_app_url)
        )
        return not none and self.audit_witness_bucket is None and self.audit_tsa_url is None

    def witness_file(self, name: str) -> Path | None:
        """Give the file of the witness beside the data folder, None where there is none; `name` tells installations apart.

        Raises:
            ConfigurationError: it would lie in the data folder, where it would go with what it witnesses.
        """
        given = self.audit_witness_file
        if given == "off" or (given == "auto" and (self.database_url or self.database_app_url)):
            return None
        if given in ("auto", "state"):
            home = Path(os.environ.get("XDG_STATE_HOME") or "")
            folder = home if home.is_absolute() else Path("~/.local/state").expanduser()
            return folder / "interlock" / "witness" / f"{name}.jsonl"
        path = Path(given).expanduser().absolute()
        if path.is_relative_to(self.data_dir):
            raise ConfigurationError(
                f"{PREFIX}AUDIT_WITNESS_FILE lies in the data folder {self.data_dir}.",
                fix="Name a file outside of it: whoever changes the folder would change its witness too.",
            )
        return path

    @property
    def kept_days(self) -> dict[tuple[str, str], float]:
        """How many days data is kept, by (tenant or `*`, class)."""
        pairs = (item.partition("=") for item in self.retention)
        return {(place.partition("/")[0], place.partition("/")[2]): float(days) for place, _, days in pairs}

    @property
    def watched(self) -> tuple[tuple[str, Path], ...]:
        """Watched folders as (automation, folder)."""
        pairs = (item.partition("=") for item in self.watch_dirs)
        return tuple((name, Path(path)) for name, _, path in pairs)

    def to_environ(self) -> dict[str, str]:
        """Give the variables from which `load` builds these settings again (for child processes; holds secrets)."""
        environ = {}
        for name, value in self:
            if value is not None:
                environ[PREFIX + name.upper()] = as_text(value)
        return environ


def load(environ: Mapping[str, str] | None = None, **overrides: Any) -> Settings:
    """Build the settings from environment variables; `overrides` (by field name, `None` = not given) win.

    Args:
        environ: variables to read; the process's own if None. Empty values count as unset.

    Raises:
        ConfigurationError: a value is wrong, or an `INTERLOCK_` variable is not a setting; names it and the fix.
    """
    environ = os.environ if environ is None else environ
    known = {PREFIX + name.upper(): name for name in Settings.model_fields}
    given = {name: value for name, value in environ.items() if name.startswith(PREFIX) and value != ""}
    if unknown := sorted(given.keys() - known.keys()):
        raise _unknown(unknown[0], known)
    values: dict[str, Any] = {known[name]: value for name, value in given.items()}
    values.update({name: value for name, value in overrides.items() if value is not None})
    return parse(values)


def parse(values: Mapping[str, Any]) -> Settings:
    """Check values by field name. Raises ConfigurationError that names the environment variable and the fix."""
    try:
        return Settings.model_validate(dict(values))
    except ValidationError as error:
        raise _explained(error) from None


def describe() -> list[SettingDoc]:
    """List what each setting is, in the order of the class; the reference page and its test read this."""
    docs, section = [], ""
    for name, field in Settings.model_fields.items():
        section = Settings.SECTIONS.get(name, section)
        docs.append(describe_field(name, field, environment_name=PREFIX + name.upper(), section=section))
    return docs


def _checked_url(value: str | None, schemes: tuple[str, ...], *, example: str) -> str | None:
    if value is not None and urlsplit(value).scheme not in schemes:
        raise ValueError(
            f"the URL should begin with {' or '.join(f'{scheme}://' for scheme in schemes)}, as in {example}"
        )
    return value


def _unknown(name: str, known: Iterable[str]) -> ConfigurationError:
    near = get_close_matches(name.removeprefix(PREFIX), [one.removeprefix(PREFIX) for one in known], n=1, cutoff=0.6)
    hint = f"Did you mean {PREFIX}{near[0]}? " if near else ""
    return ConfigurationError(
        f"{name} is not a setting.", fix=f"{hint}Unset it, or see docs/reference/settings.md for all names."
    )


def _explained(error: ValidationError) -> ConfigurationError:
    """Turn pydantic's first finding into one sentence that names the variable, and its fix."""
    first = error.errors(include_url=False, include_context=False)[0]
    reason = first["msg"].removeprefix("Value error, ")
    if not first["loc"]:
        return ConfigurationError(f"{reason}.", fix="Change one of them.")
    name = str(first["loc"][0])
    if (field := Settings.model_fields.get(name)) is None:
        return _unknown(PREFIX + name.upper(), [PREFIX + known.upper() for known in Settings.model_fields])
    shown = f"={first['input']!r}" if field.repr else ""  # a secret's value stays out of the message
    bounds = bounds_text(field.metadata)
    return ConfigurationError(
        f"{PREFIX}{name.upper()}{shown} is not valid: {reason[:1].lower()}{reason[1:]}.",
        fix=f"Set it to {type_name(field.annotation)}{f' ({bounds})' if bounds else ''}: {field.description}",
    )
