//go:build race

package jq_test

const raceDetector = true
