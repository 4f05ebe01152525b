#!/usr/bin/env bash
# Calls the gateway in front of this example, by curl and by grpcurl.
# usage: try.sh [HOST:PORT]      default localhost:8080
exec "$(dirname "$0")/../try-lines.sh" "$@" <<'LINES'
# Method, sub-path and query are the client's; the key is the gateway's.
curl -s 'localhost:8080/shop/orders/7/lines?page=2' | grep -oE '"(Method|Function|Rest|Query)":"[^"]*"'
curl -s -o /dev/null -w '%{http_code}\n' localhost:8080/shop/refund -d '{"order":7}'

# The app refuses who has no key, and takes everybody where it wants none.
curl -s -o /dev/null -w '%{http_code}\n' localhost:8080/open/orders
curl -s -o /dev/null -w '%{http_code}\n' localhost:8080/open/about

# A key that a client sends does not get there.
curl -s -o /dev/null -w '%{http_code}\n' -H 'x-functions-key: app-key' localhost:8080/open/orders
LINES
