#!/usr/bin/env bash
# Calls the gateway in front of this example, by curl and by grpcurl.
# usage: try.sh [HOST:PORT]      default localhost:8080
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
done <<'LINES'
curl -s localhost:8080/hello/ada
curl -s 'localhost:8080/hello/ada?times=3'
curl -s 'localhost:8080/hello/ada?times=11'
curl -s 'localhost:8080/hello/ada?tims=3'
curl -s localhost:8080/hello.v1.Greeter/Bye -d '{"name":"ada"}'
grpcurl -plaintext localhost:8080 list
grpcurl -plaintext -d '{"name":"ada"}' localhost:8080 hello.v1.Greeter/Hello
LINES
