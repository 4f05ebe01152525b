//go:build !linux

package lambdatest

import "os/exec"

// noOrphan is for Linux; elsewhere only [Service.Close] ends processes.
func noOrphan(*exec.Cmd) {}
