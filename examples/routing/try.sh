#!/usr/bin/env bash
# Calls the gateway in front of this example, by curl and by grpcurl.
# usage: try.sh [HOST:PORT]      default localhost:8080
exec "$(dirname "$0")/../try-lines.sh" "$@" <<'LINES'
# A template captures, and the rewrite puts it somewhere else. GET takes HEAD too.
curl -s 'localhost:8080/v1/books/7?lang=en'
curl -s -o /dev/null -w '%{http_code}\n' -I localhost:8080/v1/books/7
curl -s -X DELETE localhost:8080/v1/books/7

# A prefix is whole segments, and prefix_string text; / takes the prefix away.
curl -s localhost:8080/static/css/site.css
curl -s localhost:8080/static/
curl -s localhost:8080/static
curl -s -o /dev/null -w '%{http_code}\n' localhost:8080/statics
curl -s localhost:8080/release-7/notes

# One path, and regular expressions.
curl -s localhost:8080/robots.txt
curl -s localhost:8080/v2/items/42
curl -s -o /dev/null -w '%{http_code}\n' localhost:8080/v3/items/42
curl -s localhost:8080/swap/mid/end/more

# Headers and query parameters choose among routes with one path.
curl -s localhost:8080/orders/1
curl -s -H 'X-Canary: 1' localhost:8080/orders/1
curl -s -H 'X-Canary: 0' 'localhost:8080/orders/1?version=2.10'
curl -s -A 'ExampleBot/1.0' localhost:8080/
curl -s -A 'ExampleBot/1.0' -H 'X-Invited: yes' -o /dev/null -w '%{http_code}\n' localhost:8080/

# One in ten goes to the canary: which one is left to chance.
curl -s 'localhost:8080/pets?[1-400]' | grep -o '"service":"[a-z]*"' | sort -u

# Headers are changed on the way to the service, and on the way back.
curl -s -H 'X-Debug: 1' -w 'x-from: %header{x-from}, x-internal-host: %header{x-internal-host}\n' localhost:8080/tenants/acme/bills

# Redirects, and an answer that a jq program makes.
curl -s -o /dev/null -w '%{http_code} %header{location}\n' 'localhost:8080/old/page?a=1'
curl -s -o /dev/null -w '%{http_code} %header{location}\n' 'localhost:8080/account/mail?token=1'
curl -s -H 'X-Forwarded-For: 203.0.113.7' 'localhost:8080/hello/ada?a=1'

# What the service is told of the client.
curl -s -H 'X-Forwarded-For: 203.0.113.7' localhost:8080/orders/1

# Three attempts are enough here. A POST is sent once, for it may not be safe to repeat.
curl -s localhost:8080/flaky/get
curl -s localhost:8080/flaky/post -d ''
curl -s localhost:8080/nobody

# Paths that servers read in different ways are not forwarded.
curl -s --path-as-is localhost:8080/static/../admin
curl -s localhost:8080/static/a%2Fb
LINES
