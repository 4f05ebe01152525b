#!/usr/bin/env bash
# Runs the commands on standard input, a line each, and prints them with their output.
# usage: try-lines.sh [HOST:PORT]      it takes the place of localhost:8080
gateway=${1:-localhost:8080}

while IFS= read -r line; do
  case $line in
  '' | '#'*) echo "$line" ;;
  *)
    echo "$ $line"
    bash -c "${line//localhost:8080/$gateway}" 2>&1 </dev/null
    echo
    ;;
  esac
done
