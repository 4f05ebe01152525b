package googletest

import (
	"os/exec"
	"syscall"
)

// noOrphan makes the kernel kill a process that outlives this one: a timeout of
// the tests or a panic ends that without a clean-up.
func noOrphan(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
}
