// Command grpc-to-lambda is three functions of AWS Lambda, as _HANDLER says. They take
// and return JSON, and know neither gRPC nor the code that is made of weather.proto.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"os"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-lambda-go/lambda"
)

func main() {
	switch handler := os.Getenv("_HANDLER"); handler {
	case "report":
		lambda.Start(report)
	case "watch":
		lambda.Start(watch)
	case "average":
		lambda.Start(average)
	default:
		log.Fatalf("no handler %q", handler)
	}
}

// celsius is what the stations have measured.
var celsius = map[string]float64{"oslo": 4.5, "cairo": 31}

// measurement is the message Report in JSON: an int64 is a string there.
type measurement struct {
	Station     string  `json:"station"`
	Temperature float64 `json:"temperature"`
	Unit        string  `json:"unit"`
	Measured    int64   `json:"measured,string"`
}

// report answers GetReport by its HTTP rule: it may have stood behind API Gateway for
// years.
func report(_ context.Context, event events.APIGatewayV2HTTPRequest) (events.APIGatewayV2HTTPResponse, error) {
	station := event.PathParameters["station"]
	degrees, ok := celsius[station]
	if !ok {
		return answer(http.StatusNotFound, map[string]any{"code": 5, "message": fmt.Sprintf("no station %q", station)})
	}
	m := measurement{station, degrees, "CELSIUS", 1767225600}
	if event.QueryStringParameters["unit"] == "FAHRENHEIT" {
		m.Temperature, m.Unit = degrees*9/5+32, "FAHRENHEIT"
	}
	return answer(http.StatusOK, m)
}

func answer(status int, body any) (events.APIGatewayV2HTTPResponse, error) {
	text, err := json.Marshal(body)
	return events.APIGatewayV2HTTPResponse{
		StatusCode: status, Headers: map[string]string{"Content-Type": "application/json"}, Body: string(text),
	}, err
}

// watch answers Watch: its event is the message, and each line of its stream is one.
func watch(_ context.Context, event struct {
	Station string
	Hours   int
},
) (*events.LambdaFunctionURLStreamingResponse, error) {
	degrees, ok := celsius[event.Station]
	if !ok {
		return nil, fmt.Errorf("no station %q", event.Station)
	}
	r, w := io.Pipe()
	go func() {
		out := json.NewEncoder(w)
		for hour := range event.Hours {
			if out.Encode(measurement{event.Station, degrees + float64(hour), "CELSIUS", 1767225600 + 3600*int64(hour)}) != nil {
				return
			}
		}
		_ = w.Close() // that of a pipe cannot fail
	}()
	return &events.LambdaFunctionURLStreamingResponse{Headers: map[string]string{"Content-Type": "application/x-ndjson"}, Body: r}, nil
}

// average answers Average: its event is the message, and so is what it returns.
func average(_ context.Context, event struct{ Temperatures []float64 }) (map[string]float64, error) {
	if len(event.Temperatures) == 0 {
		return nil, errors.New("nothing to make an average of")
	}
	sum := 0.0
	for _, t := range event.Temperatures {
		sum += t
	}
	return map[string]float64{"temperature": sum / float64(len(event.Temperatures))}, nil
}
