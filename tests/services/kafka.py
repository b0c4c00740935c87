"""A real Kafka broker for tests: Apache Kafka in KRaft mode, one node, on free ports of this machine.

It listens twice: at one port everybody may do anything, at the other there is TLS, and users have the rights that a
test grants them.

``SKYULF_TEST_KAFKA`` names a broker to use instead. Without it the jars are fetched once, by Maven, into the user's
cache; where there is no Java, or Maven cannot fetch, `start_broker` raises `Unfit` and says what is missing.
"""

import os
import random
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

VERSION = "4.1.0"

PATIENCE = 60.0
"""Seconds that a broker is given to answer, on a machine that is busy with other things."""

PORTS = range(20_000, 30_000)
"""Below those that the kernel gives to clients: one that keeps knocking at a dead port could be given that very one."""

POM = f"""<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>skyulf</groupId><artifactId>kafka</artifactId><version>1</version><packaging>pom</packaging>
  <dependencies><dependency>
    <groupId>org.apache.kafka</groupId><artifactId>kafka_2.13</artifactId><version>{VERSION}</version>
  </dependency></dependencies>
</project>
"""

PROPERTIES = """process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:{controller}
listeners=PLAINTEXT://127.0.0.1:{port},SECURE://127.0.0.1:{secure},CONTROLLER://127.0.0.1:{controller}
advertised.listeners=PLAINTEXT://127.0.0.1:{port},SECURE://127.0.0.1:{secure}
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,SECURE:SASL_SSL,CONTROLLER:PLAINTEXT
controller.listener.names=CONTROLLER
listener.name.secure.ssl.keystore.type=PEM
listener.name.secure.ssl.keystore.location={keystore}
listener.name.secure.sasl.enabled.mechanisms=PLAIN
listener.name.secure.plain.sasl.jaas.config={login}
authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer
super.users=User:ANONYMOUS
log.dirs={data}
auto.create.topics.enable=false
num.partitions=1
offsets.topic.replication.factor=1
offsets.topic.num.partitions=4
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=4
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
group.initial.rebalance.delay.ms=0
"""

CLUSTER = "c2t5dWxmLXRlc3RzLWthZg"
"""The cluster's id: 16 bytes in base64, of which the first must not be a dash."""

LOGIN = "org.apache.kafka.common.security.plain.PlainLoginModule required "

USERS = {"skyulf": "secret-of-skyulf", "nobody": "secret-of-nobody"}
"""Who may log in at the secure port, and with which password; no one has any rights at first."""

JAVA = ("java", "-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1")


class Unfit(Exception):
    """This machine cannot run a broker; the text says what it lacks."""


class Broker:
    """A broker that others run, at ``bootstrap``."""

    def __init__(self, bootstrap: str) -> None:
        self.bootstrap = bootstrap


class ApacheKafka(Broker):
    """Apache Kafka as a process of ours, whose ports and data survive it; ``secure`` and ``ca`` are for its users."""

    def __init__(self, jars: Path, folder: Path) -> None:
        self._port, secure, controller = free_ports(3)
        super().__init__(f"127.0.0.1:{self._port}")
        self.secure = f"127.0.0.1:{secure}"
        self.ca, keystore = certificate(folder)
        self._folder = folder
        self._classpath = f"{jars}/*"
        self._properties = folder / "server.properties"
        users = " ".join(f'user_{name}="{password}"' for name, password in USERS.items())
        filled = PROPERTIES.format(
            port=self._port,
            secure=secure,
            controller=controller,
            keystore=keystore,
            login=f"{LOGIN}{users};",
            data=folder / "data",
        )
        self._properties.write_text(filled, encoding="utf-8")
        self._process: subprocess.Popen[bytes] | None = None
        self._run("kafka.tools.StorageTool", "format", "-t", CLUSTER, "-c", str(self._properties))

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def start(self, *, wait: bool = True) -> None:
        """Start on the same ports and data; by default, until it answers. Call it from a thread that outlives it."""
        # The broker dies with the thread that started it, even if its process is killed.
        bound = ("setpriv", "--pdeathsig", "KILL", "--") if shutil.which("setpriv") else ()
        with (self._folder / "said.txt").open("ab") as said:
            self._process = subprocess.Popen(
                [*bound, *JAVA, "-cp", self._classpath, "kafka.Kafka", str(self._properties)],
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=said,
                start_new_session=True,
            )
        if wait:
            self.wait()

    def wait(self) -> None:
        """Return once the broker takes connections; raises, with what it said, when it ended instead."""
        deadline = time.monotonic() + PATIENCE
        while True:
            assert self._process is not None
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"the broker did not start: {(self._folder / 'said.txt').read_text()[-2000:]}")
            with suppress(OSError), socket.create_connection(("127.0.0.1", self._port), timeout=1):
                return
            time.sleep(0.05)

    def revive(self) -> None:
        """Start it if it does not run."""
        if self._process is None:
            self.start()

    def kill(self) -> None:
        """``kill -9``, if it runs."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def _run(self, *command: str) -> None:
        done = subprocess.run([*JAVA, "-cp", self._classpath, *command], capture_output=True, check=False)
        if done.returncode != 0:
            raise RuntimeError(f"{command[0]} failed: {done.stderr.decode()[-2000:]}")


@contextmanager
def start_broker() -> Iterator[Broker]:
    """A broker to test with; what was started is stopped at the end. Raises `Unfit`."""
    if bootstrap := os.environ.get("SKYULF_TEST_KAFKA"):
        yield Broker(bootstrap)
        return
    jars = kafka_jars()
    folder = Path(tempfile.mkdtemp(prefix="skyulf-kafka-"))
    try:
        broker = ApacheKafka(jars, folder)
        broker.start()
        try:
            yield broker
        finally:
            broker.kill()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def needs(program: str) -> None:
    """Raise `Unfit` unless there is such a program."""
    if shutil.which(program) is None:
        raise Unfit(f"Apache Kafka needs {program}; install it, or name a broker in SKYULF_TEST_KAFKA")


def kafka_jars() -> Path:
    """The folder of Apache Kafka's jars in the user's cache, filled by Maven when it is not there; raises `Unfit`."""
    needs("java")
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "skyulf-test"
    jars = cache / f"kafka-{VERSION}"
    if jars.is_dir():
        return jars
    needs("mvn")
    cache.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=cache) as work:
        (Path(work) / "pom.xml").write_text(POM, encoding="utf-8")
        command = ["mvn", "-q", "-B", "dependency:copy-dependencies", "-DoutputDirectory=jars"]
        fetched = subprocess.run(command, cwd=work, capture_output=True, text=True, check=False)
        if fetched.returncode != 0:
            raise Unfit(f"Maven could not fetch Apache Kafka {VERSION}: {fetched.stdout[-2000:]}")
        with suppress(OSError):  # another run was quicker; its jars are as good
            (Path(work) / "jars").rename(jars)
    return jars


def certificate(folder: Path) -> tuple[Path, Path]:
    """A certificate for 127.0.0.1 that signs itself, and the same with its key, both PEM; raises `Unfit`."""
    needs("openssl")
    key, public, both = folder / "key.pem", folder / "ca.pem", folder / "keystore.pem"
    request = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=127.0.0.1"
    place = ["-addext", "subjectAltName=IP:127.0.0.1", "-keyout", str(key), "-out", str(public)]
    subprocess.run([*request.split(), *place], check=True, capture_output=True)
    both.write_bytes(key.read_bytes() + public.read_bytes())
    return public, both


def free_ports(count: int) -> list[int]:
    """Ports of 127.0.0.1 that nobody listens at."""
    found: list[int] = []
    for port in random.sample(PORTS, len(PORTS)):
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            found.append(port)
        if len(found) == count:
            return found
    raise RuntimeError("no port is free")
