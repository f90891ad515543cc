package bench

import (
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"runtime"
	"strconv"
	"strings"
)

// loadAverage is the machine's, over the last minute; 0 where the kernel does not say.
func loadAverage() float64 {
	raw, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return 0
	}
	first, _, _ := strings.Cut(string(raw), " ")
	load, _ := strconv.ParseFloat(first, 64) // what is no number is as good as not said
	return load
}

// Machine says in a line what the figures were taken on.
func Machine() string {
	model := "unknown processor"
	if raw, err := os.ReadFile("/proc/cpuinfo"); err == nil {
		for line := range strings.Lines(string(raw)) {
			if name, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(name) == "model name" {
				model = strings.TrimSpace(value)
				break
			}
		}
	}
	kernel, _ := os.ReadFile("/proc/sys/kernel/osrelease")
	return fmt.Sprintf("%d cores of %s, %s %s, %s", runtime.NumCPU(), model, runtime.GOOS, majorMinor(string(kernel)), runtime.Version())
}

// majorMinor cuts a kernel's version down to what matters; the rest of its name tells whose machine it is.
func majorMinor(version string) string {
	return regexp.MustCompile(`^[0-9]+(\.[0-9]+)?`).FindString(version)
}

// Commit is the short name of the commit that the folder is at, with a mark if files differ from it; empty if git cannot say.
func Commit(dir string) string {
	out, err := exec.Command("git", "-C", dir, "describe", "--always", "--dirty", "--abbrev=12").Output()
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(out))
}
