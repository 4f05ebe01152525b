#!/usr/bin/env bash
# Calls the gateway in front of this example, by curl and by grpcurl.
# usage: try.sh [HOST:PORT]      default localhost:8080
gateway=${1:-localhost:8080}

# run shows a command, with the default address, and what it prints.
run() {
  echo "$ ${*//$gateway/localhost:8080}"
  "$@" 2>&1
  echo
}

run curl -s "$gateway/hello/ada"
run curl -s "$gateway/hello/ada?times=3"
run curl -s "$gateway/hello/ada?times=11"
run curl -s "$gateway/hello/ada?tims=3"
run curl -s "$gateway/hello.v1.Greeter/Bye" -d '{"name":"ada"}'
run grpcurl -plaintext "$gateway" list
run grpcurl -plaintext -d '{"name":"ada"}' "$gateway" hello.v1.Greeter/Hello
