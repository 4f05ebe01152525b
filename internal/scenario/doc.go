// Package scenario runs the files in scenarios/: what a client sends, what then
// arrives at the upstream, what the upstream answers, and what the client gets.
//
// A file is a txtar archive. Its comment says what it is about. A member whose
// name is an identifier (A01, A-12) is a session; its name becomes the name of a
// subtest. Other members are files for the gateway: dragoman.yaml replaces the
// default configuration, a .proto file replaces the shared ones below
// scenarios/protos. A member named ID/NAME is for that session only.
//
// The identifier may have a suffix, A01-other, for a second session of one row.
//
// A session is read from top to bottom. A line that begins with # is a comment;
// one that begins with white space continues the line above it. Anywhere,
// ${repeat 3 "ab"} stands for ababab and ${gateway} for the gateway's
// address; ${gateway NAME} is that of its listener NAME.
//
//	rule One: get: "/a/{name}"        a method with this rule, instead of the shared protos
//	route: timeout: 1s                more settings for the transcode of the default configuration
//	route transform: [{when: .a}]     more for its route; "listener", "upstream" likewise, and
//	                                  "programs:" and "jq:" for the file. All are YAML, which the
//	                                  lines that continue them may be too
//	rest pets: pets                   an upstream of HTTP beside the gRPC one, of this name, whose
//	                                  address is in ${PETS}: "pets" has two below /api/pets, "echo"
//	                                  answers with the request, "answers 404" always so, "answers as
//	                                  asked" with the status at the end of the path, "streams" with a
//	                                  list of two, "things" as the methods of the fixture ask, "fails 2
//	                                  times with 503" (and Retry-After: 1) before it echoes, "hangs"
//	                                  never answers, at "refuses" nobody listens
//	lambda hello: echo                a function of AWS Lambda, of this name, that the emulator runs: one of
//	  event: raw                      internal/lambdatest/functions; "echo, slow 1 times for 20s" says what
//	                                  goes wrong with its first calls: they may be slow, "throttled 2 times",
//	                                  "fails 2 times with 500" or "breaks 1 times", without an answer.
//	                                  The lines that continue it are further settings of the upstream
//	google hello: gen 2               a function of Google Cloud behind a front door, which is in ${HELLO}; gen 1 has
//	                                  a path there. It does as "rest hello: things" does, but at /event
//	                                  takes events, the last of which is at /last. Tokens are those of the
//	                                  metadata server, the key of an account is in ${GOOGLE_KEY}
//	azure shop: a function, b admin   an app of Azure with two functions and their levels, in ${SHOP}; they answer
//	                                  with what they were called with. "a anonymous behind api://a" lets only
//	                                  those in who have a token for api://a, as a managed identity gets it
//	upstreams:                        more upstreams, as YAML
//	routes:                           the routes, in place of that of the default configuration
//	env: NAME=value                   an environment variable of the gateway
//	upstream is down                  nobody listens at the upstream's address
//	upstream reflects: v1alpha        descriptors come by server reflection, of this version alone
//	load fails: "text"                the gateway does not start, and says so
//	each rule fails: "text"           likewise, for each rule alone
//
//	> POST /v1/things/a?x=1           a request, as it goes over the wire; HTTP/1.0 may follow
//	> content-type: application/json
//	>
//	> {"i32": 1}                      its body, line by line,
//	>> "\xff"                         or quoted as in Go
//	> WEBSOCKET /v1/things:chat       an upgrade; then each line of the body is a text frame, or
//	                                  "wire 0a61" a binary one, and an empty frame ends them. The
//	                                  answer is an array of frames, its header close says the end
//	shares of 100: a 80…95, b 0       the request is sent so often, and these upstreams that echo answer
//	took at least 1s                  how long the answer took
//	again while 200                   the request is sent again and again while that is the status of its
//	                                  answer; then the answer is the one below
//	again until 2 keys                until calls of AWS Lambda were signed with so many keys
//	credentials expire                before the request; so are temporary ones of AWS
//	sts is down                       from here on; so may google and entra be, which issue tokens
//	client leaves                     when the call has reached the upstream
//	call t.v1.Things/Get: 0a0161      a gRPC request: the bytes of each message, in hexadecimal;
//	> x-a: b                          its metadata
//
//	upstream got: t.v1.Things/Get {"name": "a"}
//	upstream got wire: 0a0161         the same, byte for byte
//	upstream got header: x-a: b       metadata; "no header: NAME" for its absence, and a line for
//	                                  each of several values to tell them from one with commas
//	upstream got deadline within: 1s  what is left of it; "got no deadline" for none
//	upstream is cancelled             the call ended for the upstream before it had answered
//
//	upstream answers: {"name": "a"}   a message, or several for a stream
//	upstream answers 9 times: {}      nine of them
//	upstream answers wire: 0a0161     the same, as bytes
//	upstream answers header: x-a: b   "trailer:" likewise
//	upstream answers status: 5 text
//	upstream answers detail: {"@type": "type.googleapis.com/google.rpc.RequestInfo"}
//	upstream waits                    until the client has read what follows "so far"
//	upstream hangs                    until the call is cancelled
//	upstream answers forever: {...}   the same message without end
//	upstream stops within: 1000       bytes of messages, because the client reads nothing
//	upstream answers http: 504        a server that is not a gRPC server; "http header:",
//	                                  "http body:" (quoted) and "http trailer:" may follow
//
//	lambda got: {"body": "a"}         the event that AWS Lambda was last called with in this exchange; a string
//	                                  that begins with ~ is found anywhere in it, and "~" alone is any value
//	lambda got includes: {...}        what the event has; "got wire:" its bytes, quoted
//	lambda got header: x-a: b         the call's, with "got no header:" as with the upstream
//	lambda got 2 calls                so many
//	google issued 1 tokens            so many in the session so far
//	lambda refused: TypeException     the service's error, of this type; otherwise there is none
//
//	< 200                             the answer; the connection is in order unless it is "aborted",
//	                                  and a body that is compressed is inflated
//	< content-type: application/json
//	< no x-a                          several values as with the upstream; ~text is found anywhere
//	< trailer x-b: c                  "no trailer x-b" for its absence
//	<
//	< {"name": "a"}                   the body, compared as a JSON value
//	< includes {"message": "~text"}   the body, which may have more members and elements; a string
//	                                  that begins with ~ is found anywhere in the other
//	< text "ab"                       the body, byte for byte
//	< so far [{"name": "a"}           how the body begins, while the upstream waits
//	< aborted                         the connection breaks after this body
//
//	log has: {"status": 200}          the access log's line, which may have more; "log has no: NAME"
//
//	$ grpcurl -plaintext ${gateway} list
//	t.v1.Things                       a command, and what it prints
//
// An exchange that says nothing of the upstream demands that nothing reached it.
package scenario
