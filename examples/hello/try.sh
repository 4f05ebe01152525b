#!/usr/bin/env bash
# Calls the gateway in front of this example, by curl and by grpcurl.
# usage: try.sh [HOST:PORT]      default localhost:8080
exec "$(dirname "$0")/../try-lines.sh" "$@" <<'LINES'
curl -s localhost:8080/hello/ada
curl -s 'localhost:8080/hello/ada?times=3'
curl -s 'localhost:8080/hello/ada?times=11'
curl -s 'localhost:8080/hello/ada?tims=3'
curl -s localhost:8080/hello.v1.Greeter/Bye -d '{"name":"ada"}'
grpcurl -plaintext localhost:8080 list
grpcurl -plaintext -d '{"name":"ada"}' localhost:8080 hello.v1.Greeter/Hello
LINES
