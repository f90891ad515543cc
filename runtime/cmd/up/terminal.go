package main

import (
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// quietEvery is how often a status is repeated where it cannot be rewritten in place.
const quietEvery = 5 * time.Second

// terminal writes results to standard output and progress to standard error. On a terminal a status is one live
// line; elsewhere it is a line every few seconds. It is safe for concurrent use.
type terminal struct {
	stdout, stderr io.Writer
	live, colour   bool

	mu     sync.Mutex
	shown  bool
	last   time.Time
	widthC int
}

func newTerminal(stdout, stderr *os.File) *terminal {
	live := isTerminal(stderr)
	return &terminal{
		stdout: stdout, stderr: stderr, live: live,
		colour: live && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb",
		widthC: columns(stderr),
	}
}

// status shows what is going on now.
func (t *terminal) status(text string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.live {
		if len(text) >= t.widthC {
			text = text[:t.widthC-1]
		}
		fmt.Fprintf(t.stderr, "\r\x1b[K%s", text)
		t.shown = true
		return
	}
	if time.Since(t.last) >= quietEvery {
		t.last = time.Now()
		fmt.Fprintln(t.stderr, text)
	}
}

// line shows something that stays.
func (t *terminal) line(text string) {
	t.clear()
	t.mu.Lock()
	defer t.mu.Unlock()
	fmt.Fprintln(t.stderr, text)
}

// clear takes the live line away.
func (t *terminal) clear() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.shown {
		fmt.Fprint(t.stderr, "\r\x1b[K")
		t.shown = false
	}
}

func (t *terminal) red(text string) string {
	if !t.colour {
		return text
	}
	return "\x1b[31m" + text + "\x1b[0m"
}

func isTerminal(f *os.File) bool {
	_, err := unix.IoctlGetWinsize(int(f.Fd()), unix.TIOCGWINSZ)
	return err == nil
}

func columns(f *os.File) int {
	size, err := unix.IoctlGetWinsize(int(f.Fd()), unix.TIOCGWINSZ)
	if err != nil || size.Col < 20 {
		return 80
	}
	return int(size.Col)
}
