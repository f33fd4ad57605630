#!/usr/bin/env bash
# Runs the gate: RUN as it stands, or else pytest with PYTEST_ARGS and TESTS.
# ARTIFACTS, BUDGETS and HISTORY_FOLDER reach the plugin through its own environment variables.
set -euo pipefail

: "${ARTIFACTS:?names the folder for artifacts}"
export HANCOCK_LATENCY_ARTIFACTS=$ARTIFACTS
[[ -z ${BUDGETS:-} ]] || export HANCOCK_LATENCY_BUDGETS=$BUDGETS
[[ -z ${HISTORY_FOLDER:-} ]] || export HANCOCK_LATENCY_HISTORY=$HISTORY_FOLDER
mkdir -p "$ARTIFACTS"

if [[ -n ${RUN:-} ]]; then
  exec bash -euo pipefail -c "$RUN"
fi
# Words and nothing more: what stands in them is not run.
words=()
[[ -z ${PYTEST_ARGS:-} ]] || read -r -d '' -a words < <(printf '%s\0' "$PYTEST_ARGS") || true
tests=()
[[ -z ${TESTS:-} ]] || read -r -d '' -a tests < <(printf '%s\0' "$TESTS") || true
exec python -m pytest --junitxml="$ARTIFACTS/benchmark-junit.xml" \
  ${words[@]+"${words[@]}"} ${tests[@]+"${tests[@]}"}
