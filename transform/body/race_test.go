//go:build race

package body_test

// raceDetector says that pools forget on purpose.
const raceDetector = true
