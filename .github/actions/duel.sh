#!/usr/bin/env bash
# Compares the checkout with DUEL, a commit, branch or tag: `hancock-latency duel`, with DUEL_ARGS, and
# the TESTS of the gate. Writes duel.json, duel.md and duel.html into ARTIFACTS.
set -euo pipefail

: "${DUEL:?names the version to compare with}" "${ARTIFACTS:?names the folder for artifacts}"
mkdir -p "$ARTIFACTS"

# It may come from a stranger's pull request. No version begins with a dash, which would be an option.
if [[ $DUEL == -* ]]; then
  printf 'duel: %q is not a commit, branch or tag\n' "$DUEL" >&2
  exit 2
fi

# actions/checkout fetches a single commit by default.
if ! git rev-parse --quiet --verify --end-of-options "$DUEL^{commit}" >/dev/null; then
  branch=${DUEL#origin/}
  # A name with a colon would be a place to fetch into. What cannot be fetched may be a folder or a
  # version of a package.
  if git check-ref-format "refs/heads/$branch" &&
    { git fetch --quiet --depth=1 --end-of-options origin \
        "+refs/heads/$branch:refs/remotes/origin/$branch" ||
      git fetch --quiet --depth=1 --end-of-options origin "$DUEL"; }; then
    git rev-parse --quiet --verify --end-of-options "$DUEL^{commit}" >/dev/null || DUEL=FETCH_HEAD
  fi
fi

options=()
[[ -z ${DUEL_ARGS:-} ]] || read -r -d '' -a options < <(printf '%s\0' "$DUEL_ARGS") || true
tests=()
[[ -z ${TESTS:-} ]] || read -r -d '' -a tests < <(printf '%s\0' "$TESTS") || true
status=0
python -m pytest_hancock_latency duel "$DUEL" \
  --json="$ARTIFACTS/duel.json" --markdown="$ARTIFACTS/duel.md" --html="$ARTIFACTS/duel.html" \
  ${options[@]+"${options[@]}"} -- ${tests[@]+"${tests[@]}"} || status=$?
if [[ -n ${GITHUB_STEP_SUMMARY:-} && -f $ARTIFACTS/duel.md ]]; then
  cat "$ARTIFACTS/duel.md" >>"$GITHUB_STEP_SUMMARY"
fi
exit "$status"
