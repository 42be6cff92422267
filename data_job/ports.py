"""What an import and an export work with."""

from dataclasses import dataclass

from chalicelib.services import data_ports, ports, transfer_ports


@dataclass(frozen=True, kw_only=True, slots=True)
class Ports:
    """One implementation of each Protocol; tests pass fakes."""

    clock: ports.Clock
    ids: ports.Ids
    projects: transfer_ports.ProjectReader
    transfers: transfer_ports.Transfers
    images: data_ports.Images
    uploads: data_ports.Uploads
    labels: data_ports.Labels
    versions: data_ports.Versions
    store: ports.ObjectStore
    large_objects: transfer_ports.LargeObjects
    inspector: ports.ImageInspector
