package bench

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"syscall"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// Figures are one load on one contender.
type Figures struct {
	Phase     string
	PerSecond float64 // requests served, which is accepted or told sold out, in the window
	Offered   float64 // requests a second that were due; 0 in the closed loop
	Window    Tally
	// CPUMicros is user and system time of every process of the contender for each request answered in the window, LoadMicros that
	// of the load's own process.
	CPUMicros, LoadMicros float64
	Parts                 map[string]float64 // CPUMicros by process
	Memory                float64            // proportional set size of every process of the contender after the load, bytes
	Heap                  float64            // live heap of sidecart's services after the load, bytes; not a number where it is not measured
	Kept                  int64              // requests accepted in the turn so far
	// PerWrite is how many requests were accepted for each segment written; not a number where there are no segments.
	PerWrite float64
	Took     *hdrhistogram.Histogram // µs
	Late     *hdrhistogram.Histogram // µs that requests of the open loop were sent after they were due
}

// Percentile is a wait in milliseconds; percent is below 100.
func (f Figures) Percentile(percent float64) float64 {
	return float64(f.Took.ValueAtPercentile(percent)) / 1000
}

// ByCPU is how many requests a second this machine's cores could serve and send if they did nothing else and nothing waited for a disk. It
// hardly changes with what else runs on the machine, which PerSecond does.
func (f Figures) ByCPU() float64 {
	return float64(runtime.NumCPU()) * 1e6 / (f.CPUMicros + f.LoadMicros)
}

// edge is what is read at both ends of the window.
type edge struct {
	cpu    map[string]time.Duration // by process of the contender, and of the load under loadName
	writes float64
}

// loadName stands for the load's process; no process of a contender is called so.
const loadName = "(load)"

// reaction bounds how long the load may take beyond its plan before it is given up.
const reaction = 30 * time.Second

// drive has the load's process carry out a plan against r. command is that process. It gives the figures and every request's outcome, also of
// those outside the window.
func drive(ctx context.Context, command []string, r *Running, phase string, plan Plan) (f Figures, all Tally, err error) {
	ctx, cancel := context.WithTimeout(ctx, plan.Pace.Warm+plan.Pace.Measure+plan.Pace.Drain+plan.Target.Within+reaction)
	defer cancel()
	// The kernel ends the load with the thread that started it.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	asked, err := json.Marshal(plan)
	if err != nil {
		return f, all, err
	}
	load := exec.CommandContext(ctx, command[0], command[1:]...)
	load.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	dieWithParent(load.SysProcAttr)
	load.Stdin, load.Stderr = strings.NewReader(string(asked)), os.Stderr
	out, err := load.StdoutPipe()
	if err != nil {
		return f, all, err
	}
	if err := load.Start(); err != nil {
		return f, all, fmt.Errorf("starting the load: %w", err)
	}
	look := func() (e edge, err error) {
		roots := r.pids()
		roots[loadName] = load.Process.Pid
		if e.cpu, err = CPUTimes(roots); err == nil && r.writes != nil {
			e.writes, err = r.writes(ctx)
		}
		return e, err
	}
	profiled := func() error { return nil }
	begun, ended, done, err := listen(out, func() {
		if r.profile != nil {
			profiled = r.profile(ctx, phase, plan.Pace.Measure)
		}
	}, look)
	if err != nil {
		cancel()
	}
	if err := errors.Join(err, load.Wait(), profiled()); err != nil {
		return f, all, fmt.Errorf("the load: %w", err)
	}
	f = Figures{Phase: phase, Offered: plan.Pace.Rate, Window: done.Window, PerWrite: math.NaN(), Heap: math.NaN(), Parts: map[string]float64{}}
	f.PerSecond = float64(done.Window[Accepted]+done.Window[SoldOut]) / done.Seconds
	answered := float64(done.Window.Answered())
	for name, cpu := range ended.cpu {
		micros := float64((cpu - begun.cpu[name]).Microseconds()) / answered
		if name == loadName {
			f.LoadMicros = micros
			continue
		}
		f.Parts[name] = micros
		f.CPUMicros += micros
	}
	if segments := ended.writes - begun.writes; segments > 0 {
		f.PerWrite = float64(done.Window[Accepted]) / segments
	}
	f.Took, err = unpack(done.Took)
	if err == nil {
		f.Late, err = unpack(done.Late)
	}
	f.Memory = Memory(r.pids()) // not at the end of the window: it takes a while, and who is asked stands still
	return f, done.All, err
}

// listen follows the reports of a load to the end, and looks at both ends of the window, which it tells the beginning of.
func listen(out io.Reader, begins func(), look func() (edge, error)) (begun, ended edge, done Report, err error) {
	reports := json.NewDecoder(out)
	for {
		var r Report
		if err := reports.Decode(&r); err != nil {
			return begun, ended, done, fmt.Errorf("it ended without a result: %w", err)
		}
		switch r.Event {
		case "begun":
			begins()
			begun, err = look()
		case "ended":
			ended, err = look()
		case "done":
			return begun, ended, r, nil
		}
		if err != nil {
			return begun, ended, done, err
		}
	}
}
