package scenario

import (
	"testing"

	"go.uber.org/goleak"
)

// Gateways, upstreams and clients of all sessions must be gone at the end.
func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }
