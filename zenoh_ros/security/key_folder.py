"""A folder with a certificate authority and one subfolder per host, to be copied to that host.

DIR/authority/ca.pem, ca_key.pem     not copied
DIR/access.json5                     Zenoh's `access_control`, copied into the settings of each host
DIR/HOST/ca.pem, cert.pem, key.pem, session.json5; on the router's host router.json5 too
"""

from __future__ import annotations

import ipaddress
import re
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from zenoh_ros.security import authority
from zenoh_ros.security import settings_files as files
from zenoh_ros.security.authority import CertificateEntry
from zenoh_ros.security.folder_errors import KeyFolderError

AUTHORITY_FOLDER, ACCESS = "authority", "access.json5"
_NAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9.-]{0,62}[A-Za-z0-9])?")
_TOPIC = re.compile(r"/?[A-Za-z_][A-Za-z0-9_]*(/[A-Za-z_][A-Za-z0-9_]*)*")


@dataclass(frozen=True)
class HostName:
    """A host: the name on its certificate, and its other names and addresses."""

    name: str
    addresses: tuple[str, ...] = ()

    @classmethod
    def parse(cls, text: str) -> HostName:
        """`NAME` or `NAME=ADDRESS,ADDRESS`. Raises KeyFolderError."""
        name, equals, rest = text.partition("=")
        addresses = tuple(part.strip() for part in rest.split(",")) if equals else ()
        if not _NAME.fullmatch(name) or name == AUTHORITY_FOLDER:
            raise KeyFolderError(
                f"host {text!r}: expected NAME or NAME=ADDRESS,ADDRESS with a name of letters, digits, dots and "
                f"hyphens, other than {AUTHORITY_FOLDER!r}, such as robot=192.168.1.10,robot.local"
            )
        for address in addresses:
            if not _NAME.fullmatch(address) and not _is_ip(address):
                raise KeyFolderError(f"host {text!r}: {address!r} is neither a host name nor an IP address")
        return cls(name, addresses)

    @property
    def reached_by(self) -> str:
        """The address that others connect to: the first address, otherwise the name."""
        return self.addresses[0] if self.addresses else self.name


class KeyFolder:
    """DIR of the layout above. Raises OSError, KeyFolderError, and ValueError for damaged files."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._certificate = path / AUTHORITY_FOLDER / "ca.pem"
        self._key = path / AUTHORITY_FOLDER / "ca_key.pem"

    @classmethod
    def create(cls, path: Path, now: datetime) -> KeyFolder:
        """Create a new authority; only the owner can access the folder."""
        folder = cls(path)
        if path.exists() and any(path.iterdir()):
            raise KeyFolderError(
                f"{path}: not empty, and keys are never overwritten; use `rt-vla keys add` to add a host, `rt-vla "
                "keys renew` to renew a certificate"
            )
        _private_folder(path)
        _private_folder(folder._certificate.parent)
        authority.make_authority(folder._certificate, folder._key, f"authority of {path.resolve().name}"[:64], now)
        return folder

    @classmethod
    def open(cls, path: Path) -> KeyFolder:
        """Open an existing one."""
        folder = cls(path)
        if not folder._certificate.is_file():
            raise KeyFolderError(
                f"{path}: there is no {AUTHORITY_FOLDER}/ca.pem; create it with `rt-vla keys create {path}`"
            )
        return folder

    @property
    def authority(self) -> CertificateEntry:
        """The authority's certificate."""
        return authority.read_certificate(self._certificate)

    def hosts(self) -> list[CertificateEntry]:
        """The certificates of all hosts, by name."""
        return [authority.read_certificate(path) for path in sorted(self.path.glob(f"*/{files.CERTIFICATE}"))]

    def router_address(self) -> str:
        """The address of the router, to which the hosts connect."""
        found = next(iter(self.path.glob(f"*/{files.ROUTER}")), None)
        if found is None:
            raise KeyFolderError(f"{self.path}: no host has {files.ROUTER}, so none is the router")
        return authority.read_certificate(found.parent / files.CERTIFICATE).addresses[0]

    def router_host(self) -> str:
        """The router's host. It forwards all messages, so it needs all permissions."""
        return next((path.parent.name for path in self.path.glob(f"*/{files.ROUTER}")), "")

    def add(self, host: HostName, *, router: str | None, days: int, at: Path | None, now: datetime) -> Path:
        """Create a host's key, certificate and settings.

        Args:
            router: the address of the graph's router; None for the host on which it runs.
            at: path of the host's folder on that host; None: the same as here.
        """
        folder = self.path / host.name
        if folder.exists():
            raise KeyFolderError(
                f"{folder}: this host exists, and keys are never overwritten; use `rt-vla keys renew` to renew its "
                "certificate"
            )
        if not self._key.is_file():
            raise KeyFolderError(f"{self._key}: the authority's key is not here; add hosts on the machine that has it")
        _private_folder(folder)
        try:
            authority.make_host_key(folder / files.KEY)
            self._sign(host, days, now)
            shutil.copyfile(self._certificate, folder / files.AUTHORITY)
            place = (at or folder).expanduser().absolute()
            files.write_settings(folder / files.SESSION, files.session_settings(place, router or "localhost"))
            if router is None:
                files.write_settings(folder / files.ROUTER, files.router_settings(place))
            if (self.path / ACCESS).is_file():
                block = files.read_settings(self.path / ACCESS).get("access_control", {})
                for path, settings in _with_access(block, folder):
                    files.write_settings(path, settings)
        except BaseException:
            shutil.rmtree(folder)
            raise
        return folder

    def renew(self, host: HostName, *, days: int, now: datetime) -> Path:
        """Issue a new certificate for the same key and, unless `host` has some, addresses; the old one is kept."""
        path = self.path / host.name / files.CERTIFICATE
        if not path.is_file():
            raise KeyFolderError(f"{path}: nothing to renew; use `rt-vla keys add` to add a host")
        old = authority.read_certificate(path)
        kept = path.with_name(f"cert_until_{old.until:%Y-%m-%d_%H%M%S}.pem")
        content = self._signed(HostName(host.name, host.addresses or old.addresses), days, now)
        path.replace(kept)
        path.write_bytes(content)
        return path

    def restrict(self, restrictions: Mapping[str, Sequence[str]]) -> None:
        """Allow only these hosts, and the router's, to publish or call these; an empty mapping allows everything."""
        names = [host.name for host in self.hosts()]
        for topic, allowed in restrictions.items():
            if not _TOPIC.fullmatch(topic):
                raise KeyFolderError(f"{topic!r}: expected the name of a topic, service or action, e.g. /action")
            for name in allowed:
                if name not in names:
                    raise KeyFolderError(f"{topic}={name}: no host of this name; known hosts: {', '.join(names)}")
        router = self.router_host()
        with_router = {topic: [*allowed, router] for topic, allowed in restrictions.items()}
        block = files.access_control(with_router, names)
        changed = [pair for name in names for pair in _with_access(block, self.path / name)]
        for path, settings in [(self.path / ACCESS, {"access_control": block}), *changed]:
            files.write_settings(path, settings)

    def _sign(self, host: HostName, days: int, now: datetime) -> None:
        (self.path / host.name / files.CERTIFICATE).write_bytes(self._signed(host, days, now))

    def _signed(self, host: HostName, days: int, now: datetime) -> bytes:
        key, names = self.path / host.name / files.KEY, (*host.addresses, host.name)
        return authority.make_certificate(self._certificate, self._key, key, host.name, names, now, days)


def _with_access(block: dict[str, Any], folder: Path) -> list[tuple[Path, dict[str, Any]]]:
    """A host's settings files with their contents."""
    paths = [path for path in (folder / files.SESSION, folder / files.ROUTER) if path.is_file()]
    return [(path, files.read_settings(path) | {"access_control": block}) for path in paths]


def _private_folder(path: Path) -> None:
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    path.chmod(0o700)


def _is_ip(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True
