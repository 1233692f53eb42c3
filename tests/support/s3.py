"""A real S3 endpoint with one bucket, that a test can kill or freeze: SeaweedFS, all of it in one process."""

import json
import shutil
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from tests.support.processes import Process, free_port

PORTS = (
    "master.port",
    "master.port.grpc",
    "volume.port",
    "volume.port.grpc",
    "filer.port",
    "filer.port.grpc",
    "s3.port",
    "s3.port.grpc",
    "s3.port.iceberg",
    "s3.port.lance",
)
"""All that it listens on; each would have a fixed number."""

ACCESS_KEY, SECRET_KEY = "yredis", "of no worth, a test's"
REGION = "us-east-1"
BUCKET = "segments"

IMPATIENT = Config(connect_timeout=5, read_timeout=10, retries={"total_max_attempts": 1})


class S3(Process):
    """A server with a folder of its own. kill() and start() after it keep what was stored; remove() ends it."""

    start_seconds = 60.0
    bucket = BUCKET

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="yredis-s3-"))
        ports = self.ports = _free_ports(len(PORTS))
        options = {
            **dict(zip(PORTS, map(str, ports), strict=True)),
            "ip": "127.0.0.1",
            "ip.bind": "127.0.0.1",
            "dir": str(self.folder),
            "volume.max": "20",
            "volume.minFreeSpace": "0",
            "volume.preStopSeconds": "0",
            "master.volumeSizeLimitMB": "64",
            "master.telemetry": "false",
            "master.electionTimeout": "1s",
            "filer.localSocket": str(self.folder / "filer.sock"),
            "s3.localSocket": str(self.folder / "s3.sock"),
            "s3.config": str(self._accounts()),
        }
        program = str(Path(sys.executable).parent / "weed")
        switches = [f"-{key}={value}" for key, value in options.items()]
        command = [program, "-logtostderr", "server", "-s3", *switches]
        super().__init__(command, log=self.folder / "s3.log", port=ports[PORTS.index("s3.port")])

    def _accounts(self) -> Path:
        keys = [{"accessKey": ACCESS_KEY, "secretKey": SECRET_KEY}]
        account = {"name": "tests", "credentials": keys, "actions": ["Admin", "Read", "Write", "List", "Tagging"]}
        path = self.folder / "accounts.json"
        path.write_text(json.dumps({"identities": [account]}))
        return path

    @property
    def url(self) -> str:
        """The endpoint for clients."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def site_env(self) -> dict[str, str]:
        """What a site needs in its environment to keep its segments here, but for YREDIS_STORE."""
        return {
            "YREDIS_S3_BUCKET": self.bucket,
            "YREDIS_S3_ENDPOINT_URL": self.url,
            "YREDIS_S3_REGION": REGION,
            "AWS_ACCESS_KEY_ID": ACCESS_KEY,
            "AWS_SECRET_ACCESS_KEY": SECRET_KEY,
        }

    def client(self) -> Any:
        """Return a boto3 client."""
        keys = {"aws_access_key_id": ACCESS_KEY, "aws_secret_access_key": SECRET_KEY}
        return boto3.client("s3", endpoint_url=self.url, region_name=REGION, config=IMPATIENT, **keys)

    def read(self, location: str) -> bytes:
        """Return the bytes of one object."""
        return bytes(self.client().get_object(Bucket=self.bucket, Key=location)["Body"].read())

    def objects(self) -> list[str]:
        """Return the keys of all objects in the bucket."""
        pages = self.client().get_paginator("list_objects_v2").paginate(Bucket=self.bucket)
        return sorted(each["Key"] for page in pages for each in page.get("Contents", ()))

    def wait_ready(self) -> None:
        """Return when an object can be written: it listens earlier."""
        super().wait_ready()
        deadline = time.monotonic() + self.start_seconds
        while True:
            try:
                return self._try()
            except (BotoCoreError, ClientError) as error:
                if not self.running or time.monotonic() > deadline:
                    raise RuntimeError(f"S3 does not take an object:\n{self.log_tail()}") from error
            time.sleep(0.1)

    def _try(self) -> None:
        client = self.client()
        if self.bucket not in [each["Name"] for each in client.list_buckets()["Buckets"]]:
            client.create_bucket(Bucket=self.bucket)
        client.put_object(Bucket=self.bucket, Key="ready", Body=b"ready")
        client.delete_object(Bucket=self.bucket, Key="ready")

    def remove(self) -> None:
        """Kill it and remove all that it kept."""
        self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)
        for port in self.ports:  # of these it can't be told where
            for path in Path("/tmp").glob(f"seaweedfs-*-{port}.sock"):
                path.unlink(missing_ok=True)


def _free_ports(count: int) -> list[int]:
    """Return different ports."""
    ports = set[int]()
    while len(ports) < count:
        ports.add(free_port())
    return list(ports)
