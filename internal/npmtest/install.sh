#!/usr/bin/env bash
# Installs the npm packages of internal/npmtest's tests: serverless-offline (280 MB) and Google's functions framework (17 MB).
#
#   internal/npmtest/install.sh [DIRECTORY]
#
# DIRECTORY defaults to $DRAGOMAN_NPM, then to .cache/npm in the repository. Nothing outside it changes but npm's own
# cache. A second run does nothing. It needs node 18.12 or newer, and npm.
#
# The versions, and the checksums of all that they bring, are those of package-lock.json; where packages are got is
# npm's own setting. No script of a package runs. What is not there within $DRAGOMAN_NPM_SECONDS (300) is given up: the
# exit code is 1, and the tests that need it are skipped.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
dir=${1:-${DRAGOMAN_NPM:-$here/../../.cache/npm}}
mkdir -p "$dir"
dir=$(cd "$dir" && pwd)
seconds=${DRAGOMAN_NPM_SECONDS:-300}

failed=0
for name in google lambda; do
  # The checksum says that everything is in place, so that a run that was cut short starts again.
  want=$(sha256sum <"$here/$name/package-lock.json")
  if [[ $(cat "$dir/$name/installed" 2>/dev/null) == "$want" ]]; then
    echo "$name is in $dir/$name"
    continue
  fi
  rm -rf "${dir:?}/$name"
  mkdir "$dir/$name"
  cp "$here/$name"/package{,-lock}.json "$dir/$name/"
  if (cd "$dir/$name" && timeout --kill-after 5 "$seconds" npm ci --loglevel error --ignore-scripts --no-audit --no-fund --no-update-notifier </dev/null); then
    echo "$want" >"$dir/$name/installed"
    echo "$name installed in $dir/$name"
  else
    echo "not installed: $name (npm ci, $seconds s at most)" >&2
    failed=1
  fi
done
exit "$failed"
