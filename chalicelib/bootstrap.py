"""The composition root: which adapter stands behind which Protocol. Nothing else joins the two.

Everything is made when it is first needed, and once.
"""

import os
import sys
from dataclasses import dataclass
from functools import cache, partial

from aws_lambda_powertools import Logger

from .adapters.accounts import DynamoAdmissionReader, DynamoProjects, DynamoUsers
from .adapters.api_keys import DynamoApiKeys
from .adapters.attempts import DynamoAttempts
from .adapters.aws import Aws
from .adapters.batch import BatchGateway, BatchTransferJobs, Queue
from .adapters.clock import SystemClock, UlidIds
from .adapters.dynamodb import Tables
from .adapters.images import DynamoArrivals, DynamoImages, DynamoLabels
from .adapters.isolation import IsolatedInspector
from .adapters.job_logs import CloudWatchJobLogs
from .adapters.large_objects import S3LargeObjects
from .adapters.passwords import Argon2Hasher, BoundedHasher, CommonPasswords
from .adapters.predictor import LambdaPredictor
from .adapters.pseudonyms import KeyedPseudonyms
from .adapters.removal import DynamoRows
from .adapters.s3 import S3ObjectStore
from .adapters.security import JwtTokens
from .adapters.signing import SecretVersions, SigningKeys
from .adapters.telemetry import PowertoolsTelemetry
from .adapters.training import DynamoConfigurations, DynamoIdempotencyKeys, DynamoMetrics, DynamoSessions
from .adapters.transfers import DynamoTransfers
from .adapters.uploads import DynamoUploads
from .adapters.versions import DynamoVersions
from .services import account_ports, data_ports, log_ports, ports, prediction_ports, run_ports, transfer_ports
from .services.acceptance import Acceptance
from .services.access import Access
from .services.accounts import Accounts
from .services.api_keys import KeyRegister
from .services.classes import ClassNames
from .services.console import ConsolePolicy
from .services.deletion import Deletion
from .services.direct_uploads import DirectUploads
from .services.gallery import Gallery
from .services.ingest import Ingest
from .services.key_rotation import KeyRotation
from .services.labelling import Labelling
from .services.login_guard import LoginGuard
from .services.oversight import Oversight
from .services.posted_uploads import PostedUploads
from .services.predictions import Predictions
from .services.projects import ProjectBook
from .services.removal import Removal
from .services.run_logs import RunLogs
from .services.runs import Runs
from .services.splits import Splits
from .services.starting import Starting
from .services.summary import Overview
from .services.training import Training
from .services.transfer_book import TransferBook
from .services.transfer_jobs import TransferRunner
from .services.transfers import Exports, Imports
from .services.versions import Versions
from .settings import Settings


@dataclass(frozen=True, kw_only=True, slots=True)
class Ports:
    """One implementation of each Protocol."""

    clock: ports.Clock
    ids: ports.Ids
    admission_reader: ports.AdmissionReader
    hasher: account_ports.PasswordHasher
    common_passwords: account_ports.CommonPasswords
    attempts: account_ports.Attempts
    pseudonyms: account_ports.Pseudonyms
    tokens: account_ports.Tokens
    signing_secret: account_ports.SigningSecret
    users: account_ports.Users
    api_keys: account_ports.ApiKeys
    projects: ports.Projects
    images: data_ports.Images
    arrivals: data_ports.Arrivals
    uploads: data_ports.Uploads
    labels: data_ports.Labels
    versions: data_ports.Versions
    configurations: run_ports.Configurations
    sessions: run_ports.Sessions
    metrics: run_ports.Metrics
    jobs: run_ports.JobGateway
    job_logs: log_ports.JobLogs
    store: ports.ObjectStore
    inspector: ports.ImageInspector
    idempotency: ports.IdempotencyKeys
    rows: ports.Rows
    transfers: transfer_ports.Transfers
    transfer_jobs: transfer_ports.TransferJobs
    large_objects: transfer_ports.LargeObjects
    predictor: prediction_ports.Predictor
    telemetry: ports.Telemetry
    limits: run_ports.Limits = run_ports.NO_LIMITS


@dataclass(frozen=True, kw_only=True, slots=True)
class Services:
    """The use-cases."""

    access: Access
    accounts: Accounts
    api_keys: KeyRegister
    key_rotation: KeyRotation
    projects: ProjectBook
    direct_uploads: DirectUploads
    posted_uploads: PostedUploads
    ingest: Ingest
    gallery: Gallery
    overview: Overview
    deletion: Deletion
    labelling: Labelling
    class_names: ClassNames
    splits: Splits
    versions: Versions
    training: Training
    runs: Runs
    run_logs: RunLogs
    predictions: Predictions
    oversight: Oversight
    removal: Removal
    imports: Imports
    exports: Exports
    transfer_runner: TransferRunner
    console_policy: ConsolePolicy


def assemble(p: Ports) -> Services:
    """The use-cases on top of these ports; tests pass fakes."""
    acceptance = Acceptance(p.images, p.store, p.inspector, p.clock)
    runs = Runs(p.sessions, p.metrics, p.store, p.jobs, p.clock)
    versions = Versions(p.images, p.labels, p.versions, p.store, p.clock, p.ids)
    starting = Starting(p.sessions, p.jobs, p.idempotency, p.telemetry, p.clock, p.ids, p.limits)
    runner = TransferRunner(p.transfers, p.transfer_jobs, p.telemetry, p.clock)
    book = TransferBook(p.transfers, runner, p.store, p.idempotency, p.clock, p.ids)
    return Services(
        access=Access(p.tokens, p.admission_reader, p.api_keys, p.telemetry, p.clock),
        accounts=_accounts(p),
        api_keys=KeyRegister(p.api_keys, p.telemetry, p.clock, p.ids),
        key_rotation=KeyRotation(p.signing_secret, p.clock),
        projects=ProjectBook(p.projects, runs, p.clock, p.ids),
        direct_uploads=DirectUploads(p.images, acceptance, p.idempotency, p.clock, p.ids),
        posted_uploads=PostedUploads(p.images, p.uploads, p.store, p.idempotency, p.clock, p.ids),
        ingest=Ingest(p.arrivals, p.images, p.uploads, p.store, acceptance, p.telemetry, p.clock),
        gallery=Gallery(p.images, p.labels, p.store),
        overview=Overview(p.images, p.labels),
        deletion=Deletion(p.images, p.labels, p.store, p.clock),
        labelling=Labelling(p.images, p.labels, p.clock),
        class_names=ClassNames(p.labels, p.clock),
        splits=Splits(p.images),
        versions=versions,
        training=Training(p.configurations, versions, starting, p.jobs.max_nodes, p.clock, p.ids),
        runs=runs,
        run_logs=RunLogs(p.job_logs, p.clock),
        predictions=Predictions(p.predictor),
        removal=Removal(p.projects, p.rows, p.store, runs, p.telemetry, p.clock),
        imports=Imports(book, p.large_objects),
        exports=Exports(book, versions),
        transfer_runner=runner,
        console_policy=ConsolePolicy(p.store),
        oversight=Oversight(p.sessions, p.jobs, p.telemetry, p.clock),
    )


def _accounts(p: Ports) -> Accounts:
    guard = LoginGuard(p.attempts, p.pseudonyms, p.telemetry, p.clock)
    return Accounts(p.users, p.hasher, p.common_passwords, guard, p.tokens, p.telemetry, p.clock, p.ids)


def _jobs(settings: Settings, aws: Aws) -> BatchGateway:
    one = aws, settings.job_queue, settings.job_definition
    if not settings.nodes_job_queue:
        return BatchGateway(*one)
    nodes = Queue(aws, settings.nodes_job_queue, settings.nodes_job_definition)
    return BatchGateway(*one, nodes, int(settings.max_nodes))


def _count_crash(telemetry: ports.Telemetry, why: str) -> None:
    telemetry.count("DecoderCrashes")
    telemetry.warn("a decoder was lost", reason=why)


def aws_ports(settings: Settings, aws: Aws) -> Ports:
    """The ports of a stage in AWS, embedded or real."""
    tables = Tables(aws, settings.table_prefix)
    clock = SystemClock()
    signing_secret = SecretVersions(aws, settings.signing_secret)
    keys = SigningKeys(signing_secret, clock)
    telemetry = PowertoolsTelemetry(log(), settings.table_prefix.removesuffix("-"))
    return Ports(
        clock=clock,
        ids=UlidIds(clock),
        admission_reader=DynamoAdmissionReader(tables),
        hasher=BoundedHasher(Argon2Hasher()),
        common_passwords=CommonPasswords(),
        attempts=DynamoAttempts(tables),
        pseudonyms=KeyedPseudonyms(keys),
        tokens=JwtTokens(keys, clock),
        signing_secret=signing_secret,
        users=DynamoUsers(tables),
        api_keys=DynamoApiKeys(tables),
        projects=DynamoProjects(tables),
        images=DynamoImages(tables),
        arrivals=DynamoArrivals(tables),
        uploads=DynamoUploads(tables),
        labels=DynamoLabels(tables),
        versions=DynamoVersions(tables),
        configurations=DynamoConfigurations(tables),
        sessions=DynamoSessions(tables),
        metrics=DynamoMetrics(tables),
        jobs=_jobs(settings, aws),
        job_logs=CloudWatchJobLogs(aws, settings.training_logs),
        store=S3ObjectStore(aws, settings.bucket),
        inspector=IsolatedInspector(on_crash=partial(_count_crash, telemetry)),
        idempotency=DynamoIdempotencyKeys(tables),
        rows=DynamoRows(tables),
        transfers=DynamoTransfers(tables),
        transfer_jobs=BatchTransferJobs(aws, settings.data_job_queue, settings.data_job_definition),
        large_objects=S3LargeObjects(aws, settings.bucket),
        predictor=LambdaPredictor(aws, settings.predictor),
        telemetry=telemetry,
        limits=run_ports.Limits(int(settings.max_sessions_per_project), int(settings.max_sessions_per_user)),
    )


@cache
def services() -> Services:
    """The use-cases of the stage that the environment names."""
    return assemble(aws_ports(settings(), aws()))


@cache
def settings() -> Settings:
    """What the environment says."""
    return Settings.read(os.environ)


@cache
def aws() -> Aws:
    """The AWS clients."""
    return Aws()


@cache
def log() -> Logger:
    """The one logger: a JSON line an event."""
    return Logger(service="darkroom", location=None, stream=sys.stderr)
