package run

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"regexp"
	"strconv"
	"strings"
	"sync"
)

const (
	defaultLogBytes = 16 << 20
	tailBytes       = 16 << 10
	maxReasonBytes  = 600
)

// logFile is a log bounded in bytes: when full it becomes the one old file (".1") and a new one begins. It is safe
// for concurrent use. A log that cannot be written loses lines rather than stopping the process that logs.
type logFile struct {
	path     string
	maxBytes int64

	mu   sync.Mutex
	f    *os.File
	size int64
}

func openLog(path string, maxBytes int64) (*logFile, error) {
	l := &logFile{path: path, maxBytes: maxBytes}
	return l, l.open()
}

func (l *logFile) open() error {
	f, err := os.OpenFile(l.path, os.O_CREATE|os.O_WRONLY|os.O_APPEND, privatePerm)
	if err != nil {
		return fmt.Errorf("log: %w", err)
	}
	info, err := f.Stat()
	if err != nil {
		_ = f.Close()
		return fmt.Errorf("log: %w", err)
	}
	l.f, l.size = f, info.Size()
	return nil
}

// Write never fails: an error here would end the copying and in time block the process at its full pipe.
func (l *logFile) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.size > 0 && l.size+int64(len(p)) > l.maxBytes {
		l.rotate()
	}
	if l.f != nil {
		n, _ := l.f.Write(p)
		l.size += int64(n)
	}
	return len(p), nil
}

func (l *logFile) rotate() {
	if l.f != nil {
		_ = l.f.Close()
		l.f = nil
	}
	_ = os.Rename(l.path, l.path+".1")
	_ = l.open()
}

func (l *logFile) close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.f != nil {
		_ = l.f.Close()
		l.f = nil
	}
}

// offset is where the log stands now, for lastWords.
func (l *logFile) offset() int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.size
}

// lastWords is the line that best says why a process ended: its last fatal or error line after the offset, else
// its last line. Empty if it said nothing.
func lastWords(path string, offset int64) string {
	f, err := os.Open(path)
	if err != nil {
		return ""
	}
	defer func() { _ = f.Close() }()
	info, err := f.Stat()
	if err != nil {
		return ""
	}
	if offset > info.Size() {
		offset = 0 // rotated since
	}
	if info.Size()-offset > tailBytes {
		offset = info.Size() - tailBytes
	}
	raw, err := io.ReadAll(io.NewSectionReader(f, offset, tailBytes))
	if err != nil {
		return ""
	}
	best, rank := "", 0
	for line := range strings.SplitSeq(string(raw), "\n") {
		if line = strings.TrimSpace(line); line == "" {
			continue
		}
		text, r := readLine(line)
		if r >= rank {
			best, rank = text, r
		}
	}
	if len(best) > maxReasonBytes {
		best = strings.ToValidUTF8(best[:maxReasonBytes], "") + "…"
	}
	return best
}

var logfmtLevel = regexp.MustCompile(`\blevel=(\w+)`)
var logfmtMessage = regexp.MustCompile(`\bmsg=("(?:[^"\\]|\\.)*")`)

// readLine takes the message out of a JSON or logfmt line and ranks it: fatal 3, error 2, plain text 1, other levels 0.
func readLine(line string) (text string, rank int) {
	var entry struct{ Level, Msg, Message, Err, Error string }
	if strings.HasPrefix(line, "{") && json.Unmarshal([]byte(line), &entry) == nil {
		text = entry.Msg + entry.Message
		if cause := entry.Err + entry.Error; cause != "" {
			text += ": " + cause
		}
		return text, levelRank(entry.Level)
	}
	level := logfmtLevel.FindStringSubmatch(line)
	if level == nil {
		// The trace that follows a Go panic says less than its first line.
		if strings.HasPrefix(line, "panic: ") || strings.HasPrefix(line, "fatal error: ") {
			return line, 3
		}
		return line, 1
	}
	text = line
	if m := logfmtMessage.FindStringSubmatch(line); m != nil {
		if s, err := strconv.Unquote(m[1]); err == nil {
			text = s
		}
	}
	return text, levelRank(level[1])
}

func levelRank(level string) int {
	switch strings.ToLower(level) {
	case "fatal", "panic":
		return 3
	case "error":
		return 2
	}
	return 0
}
