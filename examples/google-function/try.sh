#!/usr/bin/env bash
# Calls the gateway in front of this example, by curl and by grpcurl.
# usage: try.sh [HOST:PORT]      default localhost:8080
exec "$(dirname "$0")/../try-lines.sh" "$@" <<'LINES'
# Sub-path and query are the client's. The caller is the gateway's account.
curl -s 'localhost:8080/hello/a/b?x=1'

# What the client says of itself is moved, or kept where it was.
curl -s -u ada:secret localhost:8080/hello
curl -s -u ada:secret localhost:8080/keep

# A client cannot pretend to have been moved, nor to be another account.
curl -s -H 'X-Forwarded-Authorization: forged' -H 'X-Serverless-Authorization: Bearer forged' localhost:8080/hello

# A function of the first generation sees the path behind its name.
curl -s 'localhost:8080/gen1/a/b?x=1'

# Without a token nobody comes in.
curl -s -o /dev/null -w '%{http_code}\n' localhost:8080/open
curl -s -o /dev/null -w '%{http_code}\n' -u ada:secret localhost:8080/open

# An event, and one that the function does not take.
curl -s -o /dev/null -w '%{http_code}\n' -H 'Content-Type: text/csv' -d 'a,b,c' localhost:8080/uploads/report.csv
curl -s -o /dev/null -w '%{http_code}\n' -X POST localhost:8080/uploads/report.csv

# A stream of events for browsers, as it comes.
curl -sN 'localhost:8080/stations/cairo/report:watch?hours=2'

# The same function, called by gRPC.
grpcurl -plaintext -d '{"station":"oslo"}' localhost:8080 weather.v1.Weather/GetReport
grpcurl -plaintext -d '{"station":"cairo","hours":2}' localhost:8080 weather.v1.Weather/Watch
grpcurl -plaintext -d '{"station":"atlantis"}' localhost:8080 weather.v1.Weather/GetReport
LINES
