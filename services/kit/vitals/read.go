package vitals

import (
	"io/fs"
	"math"
	"os"
	"path"
	"runtime"
	"runtime/metrics"
	"strconv"
	"strings"
	"time"
)

// Unknown is a share that cannot be told here.
const Unknown = -1.0

// Reading is one look at the process.
type Reading struct {
	CPU        float64       // share of the processors that it may use since the look before, 0 to 1; Unknown at the first
	Memory     float64       // resident share of the memory that it may use, 0 to 1
	GCPause    time.Duration // the longest pause of the world for garbage collection since the look before
	Goroutines int
}

// Reader takes readings of this process. It is not safe for concurrent use.
type Reader struct {
	files  fs.FS // of the machine: /proc and /sys
	now    func() time.Time
	cpus   float64 // that the process may use
	limit  float64 // of memory, in bytes; 0 is unknown
	ticks  float64 // of CPU at the look before
	at     time.Time
	pauses []metrics.Sample
	counts []uint64 // of pauses at the look before
}

// NewReader looks for the limits of this process once; they do not change while it runs.
func NewReader(files fs.FS, now func() time.Time) *Reader {
	r := &Reader{files: files, now: now, pauses: []metrics.Sample{{Name: "/sched/pauses/total/gc:seconds"}}}
	r.cpus, r.limit = float64(runtime.NumCPU()), r.machineBytes()
	for _, dir := range r.cgroups() {
		if quota, period, ok := strings.Cut(r.line(path.Join(dir, "cpu.max")), " "); ok {
			q, err1 := strconv.ParseFloat(quota, 64) // "max" is no number and no limit
			p, err2 := strconv.ParseFloat(period, 64)
			if err1 == nil && err2 == nil && q > 0 && p > 0 {
				r.cpus = min(r.cpus, q/p)
			}
		}
		if most, err := strconv.ParseFloat(r.line(path.Join(dir, "memory.max")), 64); err == nil && most > 0 {
			r.limit = min(r.limit, most)
		}
	}
	r.Read() // what follows is since now
	return r
}

// OS is the machine's own files.
func OS() fs.FS { return os.DirFS("/") }

// Read takes a reading.
func (r *Reader) Read() Reading {
	return Reading{CPU: r.cpu(), Memory: r.memory(), GCPause: r.pause(), Goroutines: runtime.NumGoroutine()}
}

// cgroups are the folders of this process's control group (version 2) and of all above it: each may have a limit.
func (r *Reader) cgroups() []string {
	var dirs []string
	for line := range strings.Lines(r.text("proc/self/cgroup")) {
		own, ok := strings.CutPrefix(strings.TrimSpace(line), "0::")
		for ok && own != "/" && own != "." && own != "" {
			dirs = append(dirs, path.Join("sys/fs/cgroup", own))
			own = path.Dir(own)
		}
	}
	return append(dirs, "sys/fs/cgroup") // in a container the own group is mounted there
}

// ticksEachSecond is the unit of /proc/self/stat on every Linux.
const ticksEachSecond = 100

// cpu is the share since the look before.
func (r *Reader) cpu() float64 {
	text := r.text("proc/self/stat")
	fields := strings.Fields(text[strings.LastIndexByte(text, ')')+1:]) // the command's name before it may have spaces
	if len(fields) < 13 {
		return Unknown
	}
	user, err1 := strconv.ParseFloat(fields[11], 64)
	system, err2 := strconv.ParseFloat(fields[12], 64)
	if err1 != nil || err2 != nil {
		return Unknown
	}
	now, ticks := r.now(), user+system
	took, used := now.Sub(r.at).Seconds(), (ticks-r.ticks)/ticksEachSecond
	first := r.at.IsZero()
	r.at, r.ticks = now, ticks
	if first || took <= 0 {
		return Unknown
	}
	return min(max(used/took/r.cpus, 0), 1)
}

// memory is the share that is resident now.
func (r *Reader) memory() float64 {
	fields := strings.Fields(r.text("proc/self/statm"))
	if len(fields) < 2 || r.limit == 0 || math.IsInf(r.limit, 1) {
		return Unknown
	}
	pages, err := strconv.ParseFloat(fields[1], 64)
	if err != nil {
		return Unknown
	}
	return min(pages*float64(os.Getpagesize())/r.limit, 1)
}

// machineBytes is all memory that there is; infinite where that is not told.
func (r *Reader) machineBytes() float64 {
	for line := range strings.Lines(r.text("proc/meminfo")) {
		if rest, ok := strings.CutPrefix(line, "MemTotal:"); ok {
			if kib, err := strconv.ParseFloat(strings.TrimSuffix(strings.TrimSpace(rest), " kB"), 64); err == nil {
				return kib * 1024
			}
		}
	}
	return math.Inf(1)
}

// pause reads the runtime's histogram: the upper bound of the highest bucket that has grown.
func (r *Reader) pause() time.Duration {
	metrics.Read(r.pauses)
	if r.pauses[0].Value.Kind() != metrics.KindFloat64Histogram {
		return 0
	}
	h := r.pauses[0].Value.Float64Histogram()
	longest := 0.0
	for i, n := range h.Counts {
		if len(r.counts) == len(h.Counts) && n > r.counts[i] {
			if longest = h.Buckets[i+1]; math.IsInf(longest, 1) {
				longest = h.Buckets[i]
			}
		}
	}
	r.counts = append(r.counts[:0], h.Counts...)
	return time.Duration(longest * float64(time.Second))
}

// text is a file's content; "" if it is not there.
func (r *Reader) text(name string) string {
	b, err := fs.ReadFile(r.files, name)
	if err != nil {
		return ""
	}
	return string(b)
}

func (r *Reader) line(name string) string { return strings.TrimSpace(r.text(name)) }
