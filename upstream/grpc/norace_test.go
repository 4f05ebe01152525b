//go:build !race

package grpc_test

const raceDetector = false
