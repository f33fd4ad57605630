"""``hancock-latency gate``: judge existing measurements against other budgets."""

from __future__ import annotations

import argparse
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from ..core.budget import Terms, of_whole_calls, parse_limits
from ..core.hdr_histogram import PREFIX, decode
from ..core.histogram import Histogram
from ..core.record import Artifact, Record
from ..core.sample import name_of_whole
from ..core.verdict import ExitCode
from ..errors import ArtifactError, BudgetError, SettingError, read_as
from ..files.artifact import artifact_of, artifact_source, unslowed
from ..files.budget import read_budgets
from ..files.input import read_input
from ..importing.layout import UNITS
from ..importing.presets import ALL_ROWS, SAMPLES, TRANSACTIONS
from ..importing.prometheus import PrometheusQuery, prometheus_records
from ..importing.reading import FORMATS, Columns, ImportSettings, imported_records
from ..reporting.json_artifact import json_text
from ..reporting.table import summary_text
from ..reporting.wording import without_requests
from ..runs.merging import judged_anew
from .artifacts import add_output, exit_code, put, session_of, titles
from .progress import Progress

PROMETHEUS: Final = "prometheus"
PROMETHEUS_TOKEN: Final = "HANCOCK_LATENCY_PROMETHEUS_TOKEN"
_HEADER: Final = re.compile(r"(?P<name>[\w!#$%&'*+.^`|~-]+):[ \t]*(?P<value>[ -~]+)", re.ASCII)

if TYPE_CHECKING:
    from .report import Commands

_EXAMPLES = """\
A budget of the file judges a sample if its name is that of the sample's budget, the sample's name,
the node id of its test, or the name of the test function. --budget judges all samples. A file in
HdrHistogram's V2 encoding is one sample, named after the file.

Counts alone cannot distinguish a single stall of the machine from slow code. Verdicts of pytest and
Locust are more reliable, because they see the run over time. So do raw results with times.
In raw results of other tools (--from), a budget judges the requests whose name is its name or
matches its pattern, and "Aggregated" all requests of a file, as --budget does if they have several
names. Budgets that no request matched are listed, and set exit code 3 with --strict.
Tools that only write summaries, such as wrk2, have nothing to judge.
With --from prometheus, the name is made of the values of all labels, in the order of their names.
Counts have to be whole, which those of rate() and increase() are not.

examples:
  hancock-latency gate artifacts/performance-latency.json --budgets pyproject.toml
  hancock-latency gate latencies.json --budget p95=25ms,p99=50ms,errors=0.1% --strict
  hancock-latency gate recorded.hdr --unit us --budget p99=50 -o judged.json
  hancock-latency gate results.jtl --from jmeter --budgets latency.toml
  hancock-latency gate all.csv --from csv --latency-column ms --ok 'status<400' --budget p99=250
  hancock-latency gate access.log --from nginx --log-format "$LOG_FORMAT" --budgets latency.toml
  hancock-latency gate app.log --from log --log-format '{time} {name} {latency}' --budget p99=2s
  hancock-latency gate --from prometheus --url "$PROMETHEUS" --query http_seconds --budget p99=1s

exit codes: 0 within, 1 exceeded, 2 invalid usage or nothing judged, 3 inconclusive with --strict
or with a strict budget
"""


def add_command(commands: Commands) -> None:
    """Add ``gate`` to the command line."""
    parser = commands.add_parser(
        "gate",
        help="judge artifacts, or raw results of other tools, against other budgets",
        description="Judge existing measurements against other budgets.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "artifacts",
        nargs="*",
        type=Path,
        metavar="FILE",
        help="a performance-latency.json, a histogram in HdrHistogram's V2 encoding, or with "
        "--from raw results of another tool; none with --from prometheus",
    )
    _add_import(parser)
    budgets = parser.add_mutually_exclusive_group(required=True)
    budgets.add_argument("--budgets", type=Path, metavar="TOML", help="TOML file of named budgets")
    budgets.add_argument(
        "--budget", metavar="LIMITS", help="one budget for all samples, such as p95=25ms,p99=50ms"
    )
    parser.add_argument(
        "--unit",
        choices=tuple(UNITS),
        help="unit of HdrHistogram values (default: ns), of the latency column (default: ms), or "
        "of a histogram of Prometheus (default: s)",
    )
    parser.add_argument(
        "--strict", action="store_true", help="exit with code 3 if any sample is inconclusive"
    )
    add_output(parser)
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> int:
    _check_inputs(options)
    if options.source is not None:
        return _run_import(options)
    artifacts = [_read(path, round(UNITS[options.unit or "ns"])) for path in options.artifacts]
    records = [record for artifact in artifacts for record in artifact.records]
    if options.budget is not None:
        terms = read_as("--budget", BudgetError, parse_limits, options.budget)
        judged = [_by(terms, record, len(records)) for record in records]
    else:
        judged = _by_name(records, read_budgets(options.budgets), options.budgets)
    if options.output:
        session = session_of(options.artifacts, artifacts)
        put(json_text(judged, session), options.output)
    put(summary_text(judged), None)
    return exit_code(judged, strict=options.strict)


def _add_import(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("raw results of other tools")
    group.add_argument(
        "--from",
        dest="source",
        choices=(*FORMATS, PROMETHEUS),
        help="the tool that wrote FILE; auto: recognized by its first line",
    )
    group.add_argument(
        "--latency-column", metavar="NAME", help="column with the latency, in --unit"
    )
    group.add_argument(
        "--name-column",
        metavar="NAME",
        action="append",
        help="column whose values tell requests apart, such as a URL; several are joined",
    )
    group.add_argument(
        "--time-column",
        metavar="NAME",
        action="append",
        help="column with the start of each request; two for date and time",
    )
    group.add_argument(
        "--time-format",
        metavar="FORMAT",
        help="how times are written, such as '%%d.%%m.%%Y %%H:%%M:%%S'; numbers, ISO 8601 and "
        "those of access logs are recognized",
    )
    group.add_argument(
        "--ok",
        metavar="CONDITION",
        help="of a successful request, such as 'status<400' or 'error is empty'",
    )
    group.add_argument(
        "--only",
        metavar="CONDITION",
        action="append",
        help="of the rows that are read, such as 'metric_name==grpc_req_duration'",
    )
    group.add_argument(
        "--delimiter", metavar="TEXT", help="csv: between columns, if not recognized"
    )
    group.add_argument("--rows", metavar="KEY", help="json: where a document has its rows")
    group.add_argument(
        "--log-format",
        metavar="FORMAT",
        help="nginx, apache: as it stands in the configuration; log: with names in braces, such as "
        "'[{time}] {name} {status} {latency}'",
    )
    group.add_argument(
        "--jmeter",
        choices=(SAMPLES, TRANSACTIONS, ALL_ROWS),
        default=SAMPLES,
        help="what is judged of its files: samples without their transactions and parts "
        "(default), transactions, or all rows",
    )
    group.add_argument("--url", help="prometheus: its address, such as http://127.0.0.1:9090")
    group.add_argument(
        "--header",
        metavar="HEADER",
        action="append",
        help="prometheus: a header of the request, such as 'X-Scope-OrgID: 7'; a bearer token is "
        f"taken from the environment variable {PROMETHEUS_TOKEN}",
    )
    group.add_argument(
        "--query",
        metavar="PROMQL",
        help="prometheus: a query for native histograms, or for classic buckets with their label "
        "le, which can only be judged at limits that are edges",
    )


def _run_import(options: argparse.Namespace) -> int:
    of_all, budgets = None, dict[str, Terms]()
    if options.budget is not None:
        of_all = read_as("--budget", BudgetError, parse_limits, options.budget)
    else:
        budgets = of_whole_calls(read_budgets(options.budgets))
    if options.source == PROMETHEUS:
        headers = _headers(options.header or ())
        query = PrometheusQuery(options.url, options.query, options.unit or "s", headers)
        judged = prometheus_records(query, budgets, of_all)
    else:
        settings = _import_settings(options)
        files = [
            imported_records(path, settings, budgets, of_all, Progress(path))
            for path in options.artifacts
        ]
        judged = [record for records in files for record in records]
    if options.output:
        put(json_text(judged, _import_session(judged)), options.output)
    unmatched = _without_requests(budgets, judged)
    remarks = "".join(f"\n{line}\n" for line in without_requests(unmatched))
    put(summary_text(judged) + remarks, None)
    code = exit_code(judged, strict=options.strict)
    if code is ExitCode.HELD and options.strict and unmatched:
        return ExitCode.INCONCLUSIVE
    return code


def _without_requests(budgets: Mapping[str, Terms], judged: Sequence[Record]) -> list[str]:
    """Return the names of budgets that no request matched, except those of tests."""
    used = {record.budget_name for record in judged}
    return [name for name, terms in budgets.items() if name not in used and terms.tests is None]


def _import_session(records: Sequence[Record]) -> Mapping[str, Any]:
    """Return the facts about a run of another tool: when it began, if its times say so."""
    times = (record.measurement.started_unix_s for record in records)
    start_times = [time for time in times if time is not None]
    return {
        "tool": "pytest-hancock-latency",
        **({"started_unix_s": min(start_times)} if start_times else {}),
    }


def _check_inputs(options: argparse.Namespace) -> None:
    """Raise an error if there is no input, or one that another input excludes."""
    if options.source == PROMETHEUS:
        if options.artifacts:
            file = options.artifacts[0]
            raise SettingError(f"--from {PROMETHEUS} reads no file: leave out {file}")
        if not options.url or not options.query:
            raise SettingError(f"--from {PROMETHEUS} needs --url and --query")
    elif not options.artifacts:
        raise SettingError("no FILE is given")
    elif options.url or options.query or options.header:
        raise SettingError(f"--url, --query and --header are only for --from {PROMETHEUS}")


def _headers(texts: Sequence[str]) -> dict[str, str]:
    """Return the headers of a request to Prometheus, with the token of the environment."""
    headers = {}
    if token := os.environ.get(PROMETHEUS_TOKEN, "").strip():
        headers["Authorization"] = f"Bearer {token}"
    for number, text in enumerate(texts, 1):
        header = _HEADER.fullmatch(text.strip())
        if header is None:  # the text may be a secret
            raise SettingError(f"--header number {number} is not a header: write 'NAME: VALUE'")
        headers[header["name"].capitalize()] = header["value"]
    return headers


def _import_settings(options: argparse.Namespace) -> ImportSettings:
    columns = Columns(
        latency=options.latency_column,
        unit=options.unit,
        names=tuple(options.name_column or ()),
        times=tuple(options.time_column or ()),
        time_format=options.time_format,
        ok=options.ok,
    )
    return ImportSettings(
        options.source,
        columns,
        options.log_format,
        options.delimiter,
        options.rows,
        tuple(options.only or ()),
        options.jmeter,
    )


def _read(path: Path, unit_ns: int) -> Artifact:
    """Read an artifact, or a histogram as an artifact with one sample."""
    source = artifact_source(path)
    content = read_input(source, ArtifactError)
    if not content.startswith(PREFIX.encode("ascii")):
        return unslowed(artifact_of(content, source), path)
    try:
        text = content.decode("ascii", errors="replace")
        return Artifact({}, [_record(path.stem, decode(text, unit_ns))])
    except ValueError as error:
        raise ArtifactError(f"{path}: {error}") from None


def _record(name: str, histogram: Histogram) -> Record:
    highest_ns = max((high for _, high, _ in histogram.buckets), default=0)
    return Record(name, "", histogram.n, {}, {"max": highest_ns}, {}, histogram=histogram)


def _by_name(records: Sequence[Record], budgets: Mapping[str, Terms], path: Path) -> list[Record]:
    judged = [_judged(record, budgets, len(records)) for record in records]
    if not any(record.verdict for record in judged):
        names = ", ".join(f'"{name}"' for name in budgets) or "none"
        raise BudgetError(
            f"{path}: no budget matches a sample: {names}; the samples are {titles(records)}"
        )
    return judged


def _judged(record: Record, budgets: Mapping[str, Terms], gates: int) -> Record:
    if record.is_of_growth:
        return record
    clock = record.measurement.clock
    name = record.name if clock is None else name_of_whole(record.name, clock)
    names = (record.budget_name, name, record.test, record.test.rpartition("::")[2])
    for budget_name in names:
        if budget_name and budget_name in budgets:
            try:
                terms = budgets[budget_name].without_rps()
            except BudgetError as error:
                return record.without_verdict(str(error))
            return replace(_by(terms, record, gates), budget_name=budget_name)
    return record.without_verdict("no budget with its name")


def _by(terms: Terms, record: Record, gates: int) -> Record:
    """Return the record judged by these terms, replacing any earlier verdict."""
    clock = record.measurement.clock
    own = terms if clock is None else terms.of_clock(clock)
    if own is None or not own.limits:
        stages = f"limits of {clock}" if clock else "limits of whole calls"
        return record.without_verdict(f"its budget has no {stages}")
    judged = judged_anew(record, own.budget(), gates, terms.samples or 1)
    return replace(judged, budget_name=None, strict=bool(terms.strict))
