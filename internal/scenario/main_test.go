package scenario

import (
	"context"
	"encoding/json"
	"net/http"
	"os"
	"sync"
	"testing"

	"github.com/GoogleCloudPlatform/functions-framework-go/funcframework"
	cloudevents "github.com/cloudevents/sdk-go/v2"
	"go.uber.org/goleak"
)

// functionsOf is the variable that makes the test's program one of functions.
const functionsOf = "SCENARIO_FUNCTIONS_OF"

// Gateways, upstreams and clients of all sessions must be gone at the end.
func TestMain(m *testing.M) {
	if os.Getenv(functionsOf) == "google" {
		serveFunctions()
		return
	}
	goleak.VerifyTestMain(m)
}

// serveFunctions serves functions on Google's functions framework: below /event one of
// events, at /last the event that it had last, and elsewhere one that does as the upstream
// of HTTP "things" does.
func serveFunctions() {
	ctx := context.Background()
	check := func(err error) {
		if err != nil {
			panic(err)
		}
	}
	things := &restServer{name: "function", kind: []string{"things"}}
	check(funcframework.RegisterHTTPFunctionContext(ctx, "/", things.ServeHTTP))
	var mu sync.Mutex
	var last []byte
	check(funcframework.RegisterHTTPFunctionContext(ctx, "/last", func(w http.ResponseWriter, _ *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write(last)
	}))
	check(funcframework.RegisterCloudEventFunctionContext(ctx, "/event", func(_ context.Context, e cloudevents.Event) error {
		if err := e.Validate(); err != nil {
			return err
		}
		mu.Lock()
		defer mu.Unlock()
		var err error
		last, err = json.Marshal(e)
		return err
	}))
	check(funcframework.StartHostPort("127.0.0.1", os.Getenv("PORT")))
}
