// Command google-function is three functions of Google Cloud on Google's functions
// framework, as they would be deployed: FUNCTION_TARGET says which of them is served.
package main

import (
	"cmp"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"log"
	"net/http"
	"os"
	"strconv"
	"strings"

	"github.com/GoogleCloudPlatform/functions-framework-go/funcframework"
	"github.com/GoogleCloudPlatform/functions-framework-go/functions"
	cloudevents "github.com/cloudevents/sdk-go/v2"
)

func main() {
	log.SetFlags(0)
	functions.HTTP("hello", hello)
	functions.HTTP("weather", weather)
	functions.CloudEvent("uploaded", uploaded)
	// In a container it would be funcframework.Start, for all addresses.
	log.Fatal(funcframework.StartHostPort("127.0.0.1", cmp.Or(os.Getenv("PORT"), "8000")))
}

// hello says what it is asked for, as which account, and what the client says of itself.
func hello(w http.ResponseWriter, r *http.Request) {
	// Where they are is the gateway's choice: authorization in dragoman.yaml.
	token, client := "Authorization", "X-Forwarded-Authorization"
	if r.Header.Get("X-Serverless-Authorization") != "" {
		token, client = "X-Serverless-Authorization", "Authorization"
	}
	out := map[string]string{"target": r.URL.RequestURI(), "account": accountOf(r.Header.Get(token))}
	if text := r.Header.Get(client); text != "" {
		out["client"] = client + ": " + text
	}
	answer(w, out)
}

// accountOf is whose token is in header. What is in front of a function has verified
// the token, and taken its signature away.
func accountOf(header string) string {
	parts := strings.Split(header, ".")
	if len(parts) != 3 {
		return ""
	}
	var claims struct {
		Email string `json:"email"`
	}
	payload, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil || json.Unmarshal(payload, &claims) != nil {
		return ""
	}
	return claims.Email
}

// celsius is what the stations have measured.
var celsius = map[string]float64{"oslo": 4.5, "cairo": 31}

// measurement is the message Report of weather.proto in JSON: an int64 is a string there.
type measurement struct {
	Station     string  `json:"station"`
	Temperature float64 `json:"temperature"`
	Unit        string  `json:"unit"`
	Measured    int64   `json:"measured,string"`
}

// weather is a REST service. It knows neither gRPC nor the code that is made of
// weather.proto.
func weather(w http.ResponseWriter, r *http.Request) {
	station, what, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/v1/stations/"), "/")
	degrees, ok := celsius[station]
	switch {
	case !ok:
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusNotFound)
		_ = json.NewEncoder(w).Encode(map[string]any{"code": 5, "message": fmt.Sprintf("no station %q", station)})
	case what == "report":
		answer(w, measurement{station, degrees, "CELSIUS", 1767225600})
	case what == "report:watch":
		hours, _ := strconv.Atoi(r.URL.Query().Get("hours"))
		watch(w, station, degrees, hours)
	default:
		http.NotFound(w, r)
	}
}

// watch sends an event for each hour, as soon as it is there.
func watch(w http.ResponseWriter, station string, degrees float64, hours int) {
	w.Header().Set("Content-Type", "text/event-stream")
	for hour := range hours {
		text, err := json.Marshal(measurement{station, degrees + float64(hour), "CELSIUS", 1767225600 + 3600*int64(hour)})
		if err != nil {
			panic(err) // strings and numbers
		}
		if _, err := fmt.Fprintf(w, "data: %s\n\n", text); err != nil {
			return
		}
		_ = http.NewResponseController(w).Flush()
	}
}

func answer(w http.ResponseWriter, body any) {
	w.Header().Set("Content-Type", "application/json")
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	_ = enc.Encode(body)
}

// uploaded takes events. Who has sent one gets to know whether it was taken.
func uploaded(_ context.Context, e cloudevents.Event) error {
	if len(e.Data()) == 0 {
		return cloudevents.NewHTTPResult(http.StatusBadRequest, "nothing was uploaded")
	}
	log.Printf("%s from %s: %s, %d bytes of %s", e.Type(), e.Source(), e.Subject(), len(e.Data()), e.DataContentType())
	return nil
}
