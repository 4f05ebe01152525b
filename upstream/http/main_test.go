package http_test

import (
	"testing"

	"go.uber.org/goleak"
)

// TestMain checks that no connection outlives its upstream: each has goroutines.
func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }
