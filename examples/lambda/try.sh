#!/usr/bin/env bash
# Calls the gateway in front of this example, by curl and by grpcurl.
# usage: try.sh [HOST:PORT]      default localhost:8080
exec "$(dirname "$0")/../try-lines.sh" "$@" <<'LINES'
# A function for API Gateway has variables of the path, the query, cookies and the client.
curl -s 'localhost:8080/hello/ada?lang=en&lang=fr' -H 'Cookie: a=1; b=2'
curl -s -o /dev/null -D - localhost:8080/hello/ada | grep -i '^set-cookie'
curl -s -w '%{http_code}\n' localhost:8080/hello/nobody

# A function that takes and returns JSON. What it fails with is an error of the gateway.
curl -s -w '\n' localhost:8080/upper -d '"abc"'
curl -s -w '\n%{http_code} %header{x-amz-function-error}\n' localhost:8080/upper -d '"4711"'
curl -s -w '\n%{http_code}\n' localhost:8080/upper -d 'abc'

# One that nobody waits for.
curl -s -w '%{http_code}\n' localhost:8080/later -d '"abc"'

# One that streams: its head first, then what it writes.
curl -sN -w '%{http_code} %header{x-lines}\n' localhost:8080/count

# A call that is none.
curl -s -w '%{http_code}\n' localhost:8080/ready

# Too many calls at a time.
curl -s -w '\n%{http_code} retry after %header{retry-after}\n' localhost:8080/busy

# What AWS says is in the log, for whoever runs the gateway.
curl -s -w '\n%{http_code}\n' localhost:8080/missing
LINES
