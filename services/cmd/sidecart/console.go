package main

import (
	"fmt"
	"io"
	"os"
	"sync"
	"time"
)

// quietEvery is how often a status is told where it cannot be rewritten in place.
const quietEvery = 5 * time.Second

// console is what a command for people writes to: results on out, progress on err. Colour and a live line are for
// terminals only; NO_COLOR and TERM=dumb turn colour off. It is safe for concurrent use.
type console struct {
	out, err io.Writer
	colour   bool // of out
	live     bool // err can rewrite its last line

	mu    sync.Mutex
	shown bool
	told  time.Time
}

func newConsole(out, err io.Writer, getenv func(string) string) *console {
	return &console{
		out: out, err: err, live: isTerminal(err), told: time.Now(),
		colour: isTerminal(out) && getenv("NO_COLOR") == "" && getenv("TERM") != "dumb",
	}
}

func isTerminal(w io.Writer) bool {
	f, isFile := w.(*os.File)
	if !isFile {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}

// status says what goes on now: one live line on a terminal, elsewhere a line every few seconds.
func (c *console) status(format string, args ...any) {
	c.mu.Lock()
	defer c.mu.Unlock()
	text := fmt.Sprintf(format, args...)
	if c.live {
		_, _ = fmt.Fprintf(c.err, "\r\x1b[K%s", text)
		c.shown = true
		return
	}
	if time.Since(c.told) >= quietEvery {
		c.told = time.Now()
		_, _ = fmt.Fprintln(c.err, text)
	}
}

// line writes a line of the result, in the place of the status.
func (c *console) line(format string, args ...any) {
	c.clear()
	c.mu.Lock()
	defer c.mu.Unlock()
	_, _ = fmt.Fprintf(c.out, format+"\n", args...)
}

// clear takes the live line away.
func (c *console) clear() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.shown {
		_, _ = fmt.Fprint(c.err, "\r\x1b[K")
		c.shown = false
	}
}

// paint is a colour, named by what it says.
type paint string

const (
	good    paint = "\x1b[32m"
	bad     paint = "\x1b[31m"
	careful paint = "\x1b[33m"
	strong  paint = "\x1b[1m"
)

func (c *console) paint(p paint, text string) string {
	if !c.colour {
		return text
	}
	return string(p) + text + "\x1b[0m"
}
