package e2e

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"

	"github.com/GoogleCloudPlatform/functions-framework-go/funcframework"
	"github.com/aws/aws-lambda-go/lambdaurl"
)

// oracleSource is the API of oracle: what knows it speaks HTTP and no gRPC.
const oracleSource = `
syntax = "proto3";
package e2e.oracle.v1;
import "google/api/annotations.proto";
service Oracle {
  rpc Ask(Question) returns (Answer) {
    option (google.api.http) = {get: "/v1/{topic=topics/*}/answer"};
  }
  // Watch answers three times.
  rpc Watch(Question) returns (stream Answer) {
    option (google.api.http) = {get: "/v1/{topic=topics/*}/answers"};
  }
}
message Question {
  string topic = 1;
  // Form is that of the answers, as HTTP has them.
  string form = 2;
}
message Answer {
  string text = 1;
  // Seconds is how long the caller waits.
  double seconds = 2;
}
`

// oracleMood is a field of answers that no descriptor has.
const oracleMood = `"mood":{"good":true}`

const oracleLost = `{"code":5,"message":"no such topic","details":[{"@type":"type.googleapis.com/google.rpc.ErrorInfo","reason":"LOST","domain":"oracle.test"}]}`

// oracleForms are the forms of streams: their content types, and what stands before,
// between and behind the answers, and around an error.
var oracleForms = map[string]struct{ media, begin, before, after, between, end, failure string }{
	"lines":   {media: "application/x-ndjson", after: "\n", failure: `{"error":%s}` + "\n"},
	"array":   {media: "application/json", begin: "[", between: ",", end: "]", failure: `{"error":%s}]`},
	"events":  {media: "text/event-stream", before: "data: ", after: "\n\n", failure: "event: error\ndata: %s\n\n"},
	"wrapped": {media: "application/json", before: `{"result":`, after: "}\n", failure: `{"error":%s}` + "\n"},
}

// oracle is a REST service, or the handler of a function. Before it goes on with a
// stream it waits until somebody has answered at the URL next.
func oracle(next string) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /v1/topics/{topic}/answer", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		if r.PathValue("topic") == "lost" {
			w.WriteHeader(http.StatusNotFound)
			_, _ = io.WriteString(w, oracleLost)
			return
		}
		_, _ = io.WriteString(w, oracleAnswer(r, 1))
	})
	mux.HandleFunc("GET /v1/topics/{topic}/answers", func(w http.ResponseWriter, r *http.Request) {
		form := oracleForms[r.FormValue("form")]
		w.Header().Set("Content-Type", form.media)
		out := form.begin
		for n := range 3 {
			if n > 0 {
				if err := waitAt(r.Context(), next); err != nil {
					panic(http.ErrAbortHandler)
				}
				if out = form.between; r.PathValue("topic") == "lost" {
					_, _ = fmt.Fprintf(w, out+form.failure, oracleLost)
					return
				}
			}
			_, _ = io.WriteString(w, out+form.before+oracleAnswer(r, n+1)+form.after)
			// Lambda's has no flush: it does it with each write.
			_ = http.NewResponseController(w).Flush()
		}
		_, _ = io.WriteString(w, form.end)
	})
	return mux
}

func oracleAnswer(r *http.Request, n int) string {
	seconds, _ := strconv.ParseFloat(r.Header.Get("X-Server-Timeout"), 64)
	return fmt.Sprintf(`{"text":"%s %d",%s,"seconds":%g}`, r.PathValue("topic"), n, oracleMood, seconds)
}

func waitAt(ctx context.Context, url string) error {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		return err
	}
	return res.Body.Close()
}

// nextVariable has the URL for oracle as a program of its own.
const nextVariable = "DRAGOMAN_E2E_NEXT"

// runLambda is the program of a function of AWS Lambda, runGoogle that of one of Google
// Cloud, on the functions framework.
func runLambda() { lambdaurl.Start(oracle(os.Getenv(nextVariable))) }

func runGoogle() {
	h := oracle(os.Getenv(nextVariable))
	if err := funcframework.RegisterHTTPFunctionContext(context.Background(), "/", h.ServeHTTP); err != nil {
		panic(err)
	}
	if err := funcframework.StartHostPort("127.0.0.1", os.Getenv("PORT")); err != nil {
		panic(err)
	}
}
