// Package child has what tests and test beds need of the programs that they start.
package child

import (
	"os/exec"
	"syscall"
)

// NoOrphan makes the kernel kill a command that outlives this process: a timeout or a
// panic of a test ends that without a clean-up. Call it before the start.
func NoOrphan(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
}
