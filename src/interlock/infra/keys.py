"""The deployment's keys, all derived from one master key (HKDF-SHA256, RFC 5869), so that there is one secret to keep."""

from __future__ import annotations

import base64

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from interlock.domain.errors import ConfigurationError
from interlock.infra.secrets_file import SecretsFile
from interlock.infra.settings import Settings

KEY_BYTES = 32
MASTER_CHARS_MIN = 32
AUDIT_KEY_NAME = "interlock-audit"


class Keys:
    """What is derived: the wrapping key of subjects, the peppers of API keys and sessions, the signing keys of audit log and callbacks."""

    def __init__(self, master: str) -> None:
        if len(master) < MASTER_CHARS_MIN:
            raise ConfigurationError(
                f"INTERLOCK_MASTER_KEY has under {MASTER_CHARS_MIN} characters.",
                fix="Make one with `python -c 'import secrets; print(secrets.token_urlsafe(32))'`.",
            )
        self._master = master.encode()

    @classmethod
    def of(cls, settings: Settings) -> Keys:
        """Take the master key from the settings, else from the data folder, where it is made at first start."""
        given = settings.master_key
        return cls(given or SecretsFile(settings.data_dir / "secrets.json").get_or_create("master_key"))

    def derive(self, purpose: str) -> bytes:
        """Give 32 bytes for a purpose."""
        kdf = HKDF(algorithm=hashes.SHA256(), length=KEY_BYTES, salt=None, info=f"interlock/{purpose}".encode())
        return kdf.derive(self._master)

    @property
    def subjects(self) -> bytes:
        return self.derive("subject-keys")

    @property
    def pepper(self) -> bytes:
        return self.derive("api-keys")

    @property
    def connection_secrets(self) -> bytes:
        """Give the key under which connection secrets lie in the database."""
        return self.derive("connection-secrets")

    @property
    def sessions(self) -> bytes:
        """Give the pepper of session tokens."""
        return self.derive("sessions")

    @property
    def csrf(self) -> bytes:
        """Give the key from which each session's token against forged requests follows."""
        return self.derive("csrf")

    @property
    def sign_in(self) -> bytes:
        """Give the key under which tries are counted."""
        return self.derive("sign-in")

    @property
    def identity_providers(self) -> bytes:
        """Give the key under which the secrets of identity providers' clients lie in the database, and sign-ins under way in their cookies."""
        return self.derive("identity-providers")

    @property
    def audit_key(self) -> Ed25519PrivateKey:
        """Give the first signing key of the audit log; later ones are random."""
        return Ed25519PrivateKey.from_private_bytes(self.derive("audit-log"))

    @property
    def audit_wrapping(self) -> bytes:
        """Give the key under which later signing keys lie in the database."""
        return self.derive("audit-private-keys")

    @property
    def audit_origin(self) -> str:
        """Give the unique name of this deployment's audit log, as its checkpoints carry it (C2SP)."""
        return f"interlock/{self.derive('audit-origin').hex()[:16]}"

    def model_key(self, tenant: str, number: int) -> Ed25519PrivateKey:
        """Give a tenant's signing key of model statements; numbers from 1, a rotation takes the next."""
        return Ed25519PrivateKey.from_private_bytes(self.derive(f"model-release/{tenant}/{number}"))

    def webhook_secret(self, tenant: str) -> str:
        """Give the tenant's signing secret of callbacks (Standard Webhooks)."""
        return "whsec_" + base64.b64encode(self.derive(f"callbacks/{tenant}")).decode()
