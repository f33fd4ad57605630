"""Artifact hooks of others that fail: told in one line, at no cost to the artifact."""

from __future__ import annotations

import json
from typing import Any

import pytest

from .conftest import Suite

ONE = "@latency_budget(p50=200, samples=1)\ndef test_fast(sample): sample(time.sleep, 0)\n"
MACHINE = "pytest_latency_machine_info(config, machine)"
ARTIFACT = "pytest_latency_artifact(config, artifact)"


def ended(suite: Suite, hook: str, *arguments: str) -> tuple[int, list[str], dict[str, Any]]:
    """Exit code, lines that begin with ERROR, and the artifact."""
    suite.write(f"def {hook}\n", "conftest.py")
    suite.write(ONE)
    result = suite.run("--latency-json=a.json", *arguments)
    lines = [*result.outlines, *result.errlines]
    assert not any("INTERNALERROR" in line for line in lines), "\n".join(lines)
    artifact = json.loads((suite.path / "a.json").read_text(encoding="utf-8"))
    return int(result.ret), [line for line in lines if line.startswith("ERROR")], artifact


FAILURES = [
    ("raise ValueError('no\\n  such thing')", "ValueError: no such thing"),
    ("raise KeyError", "KeyError"),
    ("raise SystemExit(3)", "SystemExit: 3"),
]


@pytest.mark.parametrize(("failure", "why"), FAILURES)
@pytest.mark.parametrize("workers", [(), ("-n", "1")], ids=["alone", "xdist"])
def test_an_artifact_hook_that_raises_is_one_line_and_changes_nothing(
    suite: Suite, failure: str, why: str, workers: tuple[str, ...]
) -> None:
    if workers:
        pytest.importorskip("xdist")
    hook = f"{ARTIFACT}:\n    artifact['half'] = 'done'\n    {failure}"
    code, errors, artifact = ended(suite, hook, *workers)
    assert errors == [f"ERROR: the hook pytest_latency_artifact failed: {why}"]
    assert code == pytest.ExitCode.USAGE_ERROR
    assert "half" not in artifact
    assert [sample["outcome"] for sample in artifact["samples"]] == ["within"]


def test_a_machine_hook_that_raises_is_one_line_and_changes_nothing(suite: Suite) -> None:
    hook = f"{MACHINE}:\n    machine['half'] = 'done'\n    raise OSError('away')"
    code, errors, artifact = ended(suite, hook)
    assert errors == ["ERROR: the hook pytest_latency_machine_info failed: OSError: away"]
    assert code == pytest.ExitCode.USAGE_ERROR
    assert "half" not in artifact["machine"]
    assert artifact["machine"]["cores"]


@pytest.mark.parametrize(
    ("added", "why"),
    [
        ("{('a', 'b'): 1}", "artifact['it'] has the key ('a', 'b'), which is not a string"),
        ("{'a': [{7: 1}]}", "artifact['it']['a'][0] has the key 7, which is not a string"),
        ("(1.0, float('nan'))", "artifact['it'][1] is nan, which JSON does not support"),
        ("-float('inf')", "artifact['it'] is -inf, which JSON does not support"),
    ],
)
def test_what_a_hook_adds_that_json_cannot_hold_is_its_failure(
    suite: Suite, added: str, why: str
) -> None:
    code, errors, artifact = ended(suite, f"{ARTIFACT}: artifact['it'] = {added}")
    assert errors == [f"ERROR: the hook pytest_latency_artifact failed: ValueError: {why}"]
    assert code == pytest.ExitCode.USAGE_ERROR
    assert len(artifact["samples"]) == 1


def test_a_fact_about_the_machine_that_json_cannot_hold_is_its_hook_s_failure(
    suite: Suite,
) -> None:
    _, errors, artifact = ended(suite, f"{MACHINE}: machine['load'] = float('nan')")
    assert errors == [
        "ERROR: the hook pytest_latency_machine_info failed: "
        "ValueError: machine['load'] is nan, which JSON does not support"
    ]
    assert artifact["machine"]["load"] is None or artifact["machine"]["load"]


BLOCKED = ("-p", "no:hancock_latency", "-p", "no:cacheprovider")


def test_an_optional_hook_is_no_trouble_where_the_plugin_is_blocked(
    pytester: pytest.Pytester,
) -> None:
    hook = f"@pytest.hookimpl(optionalhook=True)\ndef {ARTIFACT}: raise ValueError\n"
    pytester.makeconftest(f"import pytest\n\n{hook}")
    pytester.makepyfile("def test_it(): pass")
    pytester.runpytest_subprocess(*BLOCKED).assert_outcomes(passed=1)


def test_another_hook_is_named_by_pytest_where_the_plugin_is_blocked(
    pytester: pytest.Pytester,
) -> None:
    pytester.makeconftest(f"def {ARTIFACT}: pass\n")
    pytester.makepyfile("def test_it(): pass")
    result = pytester.runpytest_subprocess(*BLOCKED)
    lines = [*result.outlines, *result.errlines]
    assert [line for line in lines if "unknown hook 'pytest_latency_artifact'" in line]


def test_ctrl_c_in_a_hook_costs_no_artifact(suite: Suite) -> None:
    suite.write(f"def {ARTIFACT}: raise KeyboardInterrupt", "conftest.py")
    suite.write(ONE)
    suite.run("--latency-json=a.json")
    artifact = json.loads((suite.path / "a.json").read_text(encoding="utf-8"))
    assert [sample["outcome"] for sample in artifact["samples"]] == ["within"]


def test_a_failing_hook_hides_no_failing_test(suite: Suite) -> None:
    suite.write("def pytest_latency_artifact(config, artifact): raise ValueError", "conftest.py")
    suite.write(ONE + "\ndef test_wrong(): assert False\n")
    result = suite.run("--latency-json=a.json")
    result.stdout.fnmatch_lines("ERROR: the hook pytest_latency_artifact failed: ValueError")
    assert result.ret == pytest.ExitCode.TESTS_FAILED


def test_a_hook_that_works_again_leaves_no_error(suite: Suite) -> None:
    hook = f"""{ARTIFACT}:
    config.calls = getattr(config, "calls", 0) + 1
    if config.calls == 1:
        raise ValueError
    artifact["calls"] = config.calls"""
    code, errors, artifact = ended(suite, hook)
    assert (code, errors, artifact["calls"]) == (0, [], 2)


def test_a_hook_may_end_the_session(suite: Suite) -> None:
    suite.write(f"def {ARTIFACT}: pytest.exit('enough', 7)", "conftest.py")
    suite.write(ONE)
    result = suite.run("--latency-json=a.json")
    assert result.ret == 7
    assert not any("ERROR: the hook" in line for line in result.outlines)


def test_lone_surrogates_are_escaped_in_json(suite: Suite) -> None:
    code, errors, artifact = ended(suite, f"{ARTIFACT}: artifact['half'] = 'a\\udc80b'")
    assert (code, errors, artifact["half"]) == (0, [], "a\udc80b")
