#!/usr/bin/env bash
# Calls the gateway in front of this example, by curl and by grpcurl.
# usage: try.sh [HOST:PORT]      default localhost:8080
exec "$(dirname "$0")/../try-lines.sh" "$@" <<'LINES'
# Knative: the host says which service.
curl -s 'localhost:8080/hello/a/b?x=1'
curl -s -X POST localhost:8080/services/other/a/b
curl -s -w '%{http_code}\n' localhost:8080/services/nobody/

# OpenFaaS: the path does. Without retry a client sees that the function was asleep.
curl -s -w '%{http_code}\n' 'localhost:8080/once/figlet?text=hi'
curl -s -w '%{http_code}\n' 'localhost:8080/once/figlet?text=hi'

# With it nobody does.
curl -s -w '%{http_code}\n' 'localhost:8080/figlet?text=hi'
curl -s -w '%{http_code}\n' 'localhost:8080/figlet?text=again'

# But for a POST: it is not repeated, because the function might have begun.
curl -s -w '%{http_code}\n' -d text=hi localhost:8080/figlet
curl -s -w '%{http_code}\n' -d text=hi localhost:8080/figlet
LINES
