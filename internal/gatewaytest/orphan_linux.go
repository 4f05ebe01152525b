package gatewaytest

import (
	"os/exec"
	"syscall"
)

// NoOrphan makes the kernel kill a command that outlives the test's process: a
// timeout or a panic ends that without a clean-up. Call it before the start.
func NoOrphan(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
}
