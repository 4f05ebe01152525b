//go:build !race

package rest

// RaceDetector is for the tests of both packages.
const RaceDetector = false
