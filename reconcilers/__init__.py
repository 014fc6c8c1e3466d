"""The thinking: one module for each kind of live thing, pure but for what it asks the `Reader`.

The order below is the order of a round. It is no dependency graph: what can be seen only after an earlier step is
found by the next round of the same pass.
"""

from __future__ import annotations

from reconcilers import (
    certificates,
    config,
    directories,
    dropins,
    files,
    packages,
    plugins,
    ports,
    requires,
    secrets,
    services,
    sources,
)
from reconcilers.contract import Bound, Reconciler, bind

_sources: Reconciler[sources.Have] = sources
_packages: Reconciler[packages.Have] = packages
_directories: Reconciler[directories.Have] = directories
_ports: Reconciler[ports.Have] = ports
_secrets: Reconciler[secrets.Have] = secrets
_plugins: Reconciler[plugins.Have] = plugins
_config: Reconciler[config.Have] = config
_certificates: Reconciler[certificates.Have] = certificates
_files: Reconciler[files.Have] = files
_dropins: Reconciler[dropins.Have] = dropins
_services: Reconciler[services.Have] = services
_requires: Reconciler[requires.Have] = requires

RECONCILERS: tuple[Bound, ...] = (
    bind(_sources),
    bind(_packages),
    bind(_directories),
    bind(_ports),
    bind(_secrets),
    bind(_plugins),
    bind(_config),
    bind(_certificates),
    bind(_files),
    bind(_dropins),
    bind(_services),
    bind(_requires),
)
