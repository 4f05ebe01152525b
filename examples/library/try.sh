#!/usr/bin/env bash
# Calls the gateway in front of this example, by curl and by grpcurl.
# usage: try.sh [HOST:PORT]      default localhost:8080
exec "$(dirname "$0")/../try-lines.sh" "$@" <<'LINES'
# Get, by either of two bindings; list, with parameters.
curl -s localhost:8080/v1/shelves/1
curl -s localhost:8080/v1/isbn/9780375410673
curl -s 'localhost:8080/v1/books?pageSize=1&filter.genre=SCIENCE&filter.authors=Alan%20Turing'

# A response body that is one field of the message.
curl -s localhost:8080/v1/shelves/1/books/1/labels

# Create, change, lend, move, remove.
curl -s localhost:8080/v1/shelves -d '{"theme":"Drama"}'
curl -s localhost:8080/v1/shelves/4/books -d '{"title":"Antigone","authors":["Sophocles"],"genre":"FICTION","words":"11000"}'
curl -s -X PATCH 'localhost:8080/v1/shelves/4/books/1?updateMask=subtitle' -d '{"subtitle":""}'
curl -s localhost:8080/v1/shelves/4/books/1:checkout -d '{"reader":"ada","period":"3600s"}'
curl -s localhost:8080/v1/shelves/4/books/1:checkout -d '{"reader":"bob"}'
curl -s -X POST localhost:8080/v1/shelves/4/books/1:return
curl -s localhost:8080/v1/shelves/4/books/1:move -d '{"destination":"shelves/2"}'
curl -s -X DELETE localhost:8080/v1/shelves/4
curl -s -X DELETE localhost:8080/v1/shelves/2

# A stream, and one that fails: curl says that the answer is not whole.
curl -s localhost:8080/v1/shelves/3/books:stream
curl -sSN 'localhost:8080/v1/shelves/3/books:stream?failAfter=1'
curl -sSN -H 'Accept: application/x-ndjson' 'localhost:8080/v1/shelves/3/books:stream?failAfter=1'
curl -sN -H 'Accept: text/event-stream' localhost:8080/v1/shelves/3/books:stream

# A client's stream, both ways at once, and files.
curl -s localhost:8080/v1/shelves/3/books:import -d '[{"title":"Elements"},{"title":"Opticks"}]'
curl -sN --http2-prior-knowledge localhost:8080/v1/books:ask -d '[{"count":"POETRY"},{"title":"gawain"}]'
curl -s localhost:8080/v1/shelves/3/books:export
curl -s localhost:8080/v1/shelves/3/books:upload -H 'Content-Type: text/csv' --data-binary $'title,isbn\nAlmagest,9780691002606'
curl -s localhost:8080/v1/shelves/3/books:upload --data-binary 'Almagest'

# The route for api.example.com has a limit of its own and ignores a parameter.
curl -s -H 'Host: api.example.com' 'localhost:8080/v1/shelves/1?utm_source=letter'
curl -s 'localhost:8080/v1/shelves/1?utm_source=letter'

# gRPC on the same port: every kind of call.
grpcurl -plaintext localhost:8080 list library.v1.Library
grpcurl -plaintext localhost:8080 describe library.v1.GetLabelsRequest
grpcurl -plaintext -d '{"name":"shelves/1"}' localhost:8080 library.v1.Library/GetShelf
grpcurl -plaintext -d '{"parent":"shelves/1"}' localhost:8080 library.v1.Library/StreamBooks
grpcurl -plaintext -d '{"parent":"shelves/1","book":{"title":"A"}} {"book":{"title":"B"}}' localhost:8080 library.v1.Library/ImportBooks
grpcurl -plaintext -d '{"count":"POETRY"} {"title":"gawain"}' localhost:8080 library.v1.Library/Ask
LINES
