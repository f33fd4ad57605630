#!/usr/bin/env bash
# The history of runs that the action keeps, in the folder FOLDER.
#
#   history.sh get    checks HISTORY; with HISTORY=branch, fetches the runs of BRANCH into FOLDER
#   history.sh show   writes trend.html into ARTIFACTS, and the trend to the log
#   history.sh keep   adds the new runs of FOLDER to BRANCH and pushes it
#
# With HISTORY=cache, the action restores and saves FOLDER itself. NAME distinguishes several gates of
# one workflow: each has a folder of its own on the branch.
set -euo pipefail

: "${FOLDER:?names the folder with the history}"
branch=${BRANCH:-latency-history}
within=${NAME:+$NAME/}
# Other jobs push at the same time. An attempt fails only if another job's succeeded, so this is enough
# for a matrix of so many jobs.
attempts=20
# If nobody else pushed, the server refuses: perhaps for a moment, perhaps for good.
refusals=3
tip=refs/hancock-latency/history
fetched=$FOLDER/.fetched

# Prints the commit of the branch; nothing if there is none.
remote_tip() {
  git ls-remote --heads origin "refs/heads/$branch" | cut -f1
}

# Prints the paths of the runs in a tree, oldest first: names begin with the start of the run.
runs_in() {
  git -c core.quotePath=false ls-tree --name-only "$1" ${within:+"$within"} |
    { grep -E '(^|/)run-[^/]*\.json$' || true; } | LC_ALL=C sort
}

get() {
  case ${HISTORY:-} in
  cache) return ;;
  branch) ;;
  *)
    echo "::error::history: '${HISTORY:-}' is not one of none, cache, branch"
    exit 2
    ;;
  esac
  mkdir -p "$FOLDER"
  : >"$fetched"
  local path
  [[ -n $(remote_tip) ]] || return 0
  git fetch --quiet --depth=1 origin "+refs/heads/$branch:$tip"
  while read -r path; do
    git cat-file blob "$tip:$path" >"$FOLDER/${path##*/}"
    printf '%s\n' "${path##*/}" >>"$fetched"
  done < <(runs_in "$tip")
}

show() {
  if ! compgen -G "$FOLDER/run-*.json" >/dev/null; then
    echo "no history: this run has no samples, and there is no earlier one"
    return
  fi
  python -m pytest_hancock_latency trend "$FOLDER" -o "$ARTIFACTS/trend.html"
  python -m pytest_hancock_latency trend "$FOLDER"
}

# Makes a commit of the branch and the new runs, and prints it. $1: commit of the branch, if there is
# one. The rest: the new runs. Bash does not end a substitution at an error: a commit without the runs
# of others would delete them.
commit_runs() {
  local parent=$1 tree file blob count surplus
  shift
  if [[ -n $parent ]]; then
    git fetch --quiet --depth=1 origin "$parent" && git read-tree "$parent" || return
  else
    git read-tree --empty || return
  fi
  for file in "$@"; do
    blob=$(git hash-object -w -- "$file") || return
    git update-index --add --cacheinfo "100644,$blob,$within${file##*/}" || return
  done
  tree=$(git write-tree) || return
  count=$(runs_in "$tree" | wc -l) || return
  surplus=$((count - ${HANCOCK_LATENCY_HISTORY_KEEP:-500}))
  if ((surplus > 0)); then
    runs_in "$tree" | sed -n "1,${surplus}p" | git update-index --force-remove --stdin || return
    tree=$(git write-tree) || return
  fi
  git commit-tree "$tree" ${parent:+-p "$parent"} -m "Add a run"
}

keep() {
  local file parent commit output refused=0 attempt
  local new=()
  for file in "$FOLDER"/run-*.json; do
    [[ ! -e $file ]] || grep -qxF -- "${file##*/}" "$fetched" || new+=("$file")
  done
  ((${#new[@]})) || return 0
  export GIT_AUTHOR_NAME="github-actions[bot]" GIT_COMMITTER_NAME="github-actions[bot]"
  export GIT_AUTHOR_EMAIL="41898282+github-actions[bot]@users.noreply.github.com"
  export GIT_COMMITTER_EMAIL=$GIT_AUTHOR_EMAIL
  # An index of its own: the checkout is not touched.
  scratch=$(mktemp -d)
  trap 'rm -rf "$scratch"' EXIT
  export GIT_INDEX_FILE=$scratch/index
  for ((attempt = 1; attempt <= attempts; attempt++)); do
    parent=$(remote_tip)
    commit=$(commit_runs "$parent" "${new[@]}")
    if output=$(git push --quiet origin "$commit:refs/heads/$branch" 2>&1); then
      return
    fi
    if [[ $parent == "$(remote_tip)" ]] && ((++refused >= refusals)); then
      break
    fi
    sleep "$((RANDOM % 2)).$((RANDOM % 10))"
  done
  printf '%s\n' "$output" >&2
  echo "::warning::this run is not in the history: cannot push to the branch $branch, for which the job" \
    "needs the permission contents: write"
}

case ${1:-} in
get | show | keep) "$1" ;;
*)
  echo "usage: history.sh get|show|keep" >&2
  exit 2
  ;;
esac
