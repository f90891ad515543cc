package e2e

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/sidecart/sidecart/e2e/harness"
	"github.com/sidecart/sidecart/runtime/porttest"
)

// TestDocs runs every command of the README and of docs/*.md, in order, and compares what it prints with what the
// document says it prints. A document is a list of ```console blocks: "$ command" (continued by a trailing backslash),
// then the output. What differs from run to run is masked on both sides: ids, times, durations, process numbers; a
// line "…" stands for any number of lines. A document whose commands need a program that not every machine has says so in a
// comment: <!-- needs: PROGRAM -->.
func TestDocs(t *testing.T) {
	harness.SkipIfShort(t)
	root := harness.Root()
	docs, err := filepath.Glob(filepath.Join(root, "docs", "*.md"))
	require.NoError(t, err)
	for _, doc := range append([]string{filepath.Join(root, "README.md")}, docs...) {
		t.Run(filepath.Base(doc), func(t *testing.T) {
			text, err := os.ReadFile(doc)
			require.NoError(t, err)
			commands := consoleBlocks(t, string(text))
			if len(commands) == 0 {
				t.Skip("skipped: the document has no commands")
			}
			for _, needed := range needs.FindAllStringSubmatch(string(text), -1) {
				if _, err := exec.LookPath(needed[1]); err != nil {
					t.Skipf("skipped: its commands need %s, which this machine does not have: apt-get install %[1]s", needed[1])
				}
			}
			b := &bench{root: root, data: filepath.Join(t.TempDir(), "shop"), port: porttest.Free(t, 1)[0], env: []string{"TMPDIR=" + t.TempDir()}}
			t.Cleanup(func() { b.close(t) })
			for _, c := range commands {
				b.run(t, c)
			}
		})
	}
}

// command is one "$ …" of a document.
type command struct {
	line int
	text string
	want string
}

func consoleBlocks(t *testing.T, doc string) []command {
	t.Helper()
	var out []command
	inBlock, continued := false, false
	for i, line := range strings.Split(doc, "\n") {
		switch {
		case strings.HasPrefix(line, "```"):
			require.False(t, continued, "line %d: the block ends inside a command", i+1)
			inBlock = line == "```console"
			require.False(t, line == "```sh" || line == "```bash", "line %d: commands stand in console blocks, so that they are run", i+1)
		case !inBlock:
		case strings.HasPrefix(line, "$ "):
			out = append(out, command{line: i + 1, text: strings.TrimPrefix(line, "$ ")})
			continued = strings.HasSuffix(line, "\\")
		case continued:
			last := &out[len(out)-1]
			last.text += "\n" + line
			continued = strings.HasSuffix(line, "\\")
		case len(out) > 0:
			out[len(out)-1].want += line + "\n"
		}
	}
	return out
}

// bench runs a document's commands in one shell's environment, with the shop on a port and data of its own.
type bench struct {
	root, data string
	port       int
	env        []string // where mktemp makes things, and variables that commands have set
	shop       *exec.Cmd
}

var (
	needs        = regexp.MustCompile(`<!-- needs: (\S+) -->`)
	isUp         = regexp.MustCompile(`^(env (\S+=\S* )+)?scripts/up\b`)
	isRecursive  = regexp.MustCompile(`^(scripts/test|go run \S+task\S* test|git clone|cd )\b`)
	isAssignment = regexp.MustCompile(`^[A-Z_]+=`)
)

func (b *bench) run(t *testing.T, c command) {
	text := strings.ReplaceAll(c.text, ":8080", ":"+strconv.Itoa(b.port))
	switch {
	case isUp.MatchString(text):
		b.up(t, c, text)
	case isRecursive.MatchString(text):
		// This test is part of what scripts/test runs, in a clone that is already there.
		t.Logf("line %d: not run from inside itself: %s", c.line, c.text)
	default:
		b.compare(t, c, b.shell(t, c, text))
	}
}

// shell runs one command and keeps the variables that it sets.
func (b *bench) shell(t *testing.T, c command, text string) string {
	const within = 3 * time.Minute
	ctx, cancel := context.WithTimeout(t.Context(), within)
	defer cancel()
	script := "set -o pipefail\n" + text + "\n"
	if isAssignment.MatchString(text) {
		name, _, _ := strings.Cut(text, "=")
		script += "[ $? = 0 ] || exit 1\n" // or what could not be told would be empty from here on
		script += `printf 'SET:%s=%s\n' ` + name + ` "$` + name + `"` + "\n"
	}
	cmd := exec.CommandContext(ctx, "bash", "-c", script)
	cmd.Dir = b.root
	cmd.Env = append(append(os.Environ(), b.env...), "SIDECART_URL=http://127.0.0.1:"+strconv.Itoa(b.port))
	if strings.Contains(text, "scripts/") {
		cmd.Env = append(cmd.Env, "SIDECART_DATA="+b.data)
	}
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "line %d: %s\n%s", c.line, c.text, out)
	var kept strings.Builder
	for line := range strings.Lines(string(out)) {
		if set, ok := strings.CutPrefix(line, "SET:"); ok {
			b.env = append(b.env, strings.TrimSuffix(set, "\n"))
			continue
		}
		kept.WriteString(line)
	}
	return strings.ReplaceAll(kept.String(), ":"+strconv.Itoa(b.port), ":8080")
}

// up starts the shop as the document says (a running one is stopped first) and leaves it running.
func (b *bench) up(t *testing.T, c command, text string) {
	const within = 10 * time.Minute
	if strings.Contains(text, "--help") {
		b.compare(t, c, b.shell(t, c, text))
		return
	}
	b.close(t)
	cmd := exec.Command("bash", "-c", "exec "+text+fmt.Sprintf(" --port %d --data %s", b.port, b.data))
	cmd.Dir, cmd.Env = b.root, append(os.Environ(), b.env...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	stdout, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	b.shop = cmd
	ready := make(chan string, 1)
	go func() {
		var out strings.Builder
		lines := bufio.NewScanner(stdout)
		for lines.Scan() {
			out.WriteString(lines.Text() + "\n")
			if strings.HasPrefix(lines.Text(), "ready ") {
				ready <- out.String()
			}
		}
		close(ready)
	}()
	select {
	case out, ok := <-ready:
		require.True(t, ok, "line %d: %s ended before it was ready:\n%s", c.line, c.text, stderr.String())
		b.compare(t, c, strings.ReplaceAll(out, ":"+strconv.Itoa(b.port), ":8080"))
	case <-time.After(within):
		require.Fail(t, "not ready", "line %d: %s", c.line, c.text)
	}
}

// close stops the shop with SIGTERM and waits for it.
func (b *bench) close(t *testing.T) {
	if b.shop == nil {
		return
	}
	assert.NoError(t, b.shop.Process.Signal(syscall.SIGTERM))
	assert.NoError(t, b.shop.Wait(), "scripts/up must end cleanly on SIGTERM")
	b.shop = nil
}

// masks are what differs from run to run.
var masks = []struct {
	find *regexp.Regexp
	put  string
}{
	{regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}`), "UUID"},
	{regexp.MustCompile(`\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z`), "TIME"},
	{regexp.MustCompile(`\b[0-9a-f]{32}\b`), "TRACE"},
	{regexp.MustCompile(`127\.0\.0\.1:\d+`), "ADDRESS"},
	{regexp.MustCompile(`[ \t]+`), " "},
}

// compare checks a command's output against the document's.
func (b *bench) compare(t *testing.T, c command, got string) {
	t.Helper()
	if strings.TrimSpace(c.want) == "" {
		return
	}
	pattern := regexp.QuoteMeta(mask(c.want))
	pattern = strings.ReplaceAll(pattern, "…\n", `(?s:.*)`)
	assert.Regexp(t, "^"+pattern+"$", mask(got), "line %d: %s", c.line, c.text)
}

func mask(s string) string {
	for _, m := range masks {
		s = m.find.ReplaceAllString(s, m.put)
	}
	return strings.TrimSpace(s) + "\n"
}
