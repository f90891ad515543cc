package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"github.com/sidecart/sidecart/e2e/chaos"
	"github.com/sidecart/sidecart/e2e/harness"
	"github.com/sidecart/sidecart/runtime/run"
	"github.com/sidecart/sidecart/runtime/servers"
)

// Exit codes of sidecart broker status.
const (
	canGo  = 0
	notYet = 3
)

// enoughSegments is what the journey asks the next broker to bring each follower in a row.
const enoughSegments = 20

// TestMoveToAnotherBroker moves a shop from JetStream to Redis Streams while it sells: 10, 50, 100 %, with the new broker killed
// on the way, then the old one is killed and taken out of the component set. The command says "not yet" until everything goes
// both ways, and then that the old one can go; it is right: the books balance without it, and events come by the new one.
func TestMoveToAnotherBroker(t *testing.T) {
	harness.SkipIfShort(t)
	set := twoBrokers(t)
	if _, err := servers.Check(set, os.Getenv); err != nil {
		cannotRun(t, err)
	}
	placement := harness.Split
	if slices.Equal(harness.Placements(), []harness.Placement{harness.Replicas}) {
		placement = harness.Replicas
	}
	m := newMove(t)
	m.say("SIDECART_PUBSUB_NEXT=pubsub-next")
	s := harness.Open(t, placement, append(chaos.Options(), harness.WithSet(set), m.program())...)
	trial, _ := begin(t, s)

	m.expect(s, notYet, "sets nothing on the next broker yet", func(a brokersAnswer) error {
		return a.each(func(l line) error { return wants(l.Broker == "pubsub-next" || l.Delivered > 0, "%+v", l) })
	})
	for _, percent := range []int{10, 50} {
		m.say("SIDECART_PUBSUB_NEXT=pubsub-next", fmt.Sprintf("SIDECART_PUBSUB_NEXT_PERCENT=%d", percent))
		m.roll(s)
		m.expect(s, notYet, "a share is not enough", func(a brokersAnswer) error {
			return a.each(func(l line) error {
				return wants(l.Broker == "pubsub" || l.Share == percent && l.Delivered > 0 && l.InARow == 0, "%+v", l)
			})
		})
	}
	s.Kill(t, "redis") // the next broker dies: nobody notices, and it is heard again when it is back
	s.AwaitReady(t)
	m.say("SIDECART_PUBSUB_NEXT=pubsub-next", "SIDECART_PUBSUB_NEXT_PERCENT=100")
	m.roll(s)
	last := m.expect(s, canGo, "the old broker can go", func(a brokersAnswer) error {
		return a.each(func(l line) error { return wants(l.InARow >= enoughSegments, "%+v", l) })
	})
	m.tell(last)
	for _, l := range last.lines() {
		assert.LessOrEqual(t, l.First, l.Delivered-l.Doubled, "%+v", l)
	}

	m.say("SIDECART_PUBSUB=pubsub-next")
	require.NoError(t, os.Remove(filepath.Join(set, "pubsub.yaml")))
	m.restart(s)
	ctx, cancel := context.WithTimeout(t.Context(), strikeWithin)
	defer cancel()
	require.NoError(t, s.Stack.KillProcess(ctx, "broker"))
	m.expect(s, notYet, "there is no next broker any more", func(a brokersAnswer) error {
		return wants(len(a.Missing) == 5 && strings.Contains(a.Missing[0], "knows no next broker"), "%v", a.Missing)
	})
	before := eventsDelivered(t, s)
	harness.Eventually(t, "the new broker brings what the shop sells", 0, func() error {
		now := eventsDelivered(t, s)
		return wants(now >= before+enoughSegments, "%v events after %v", now, before)
	})
	end(t, trial)
}

// twoBrokers is the embedded set with Redis Streams as a second broker, made as docs/moving-brokers.md says.
func twoBrokers(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "two-brokers")
	require.NoError(t, os.CopyFS(dir, os.DirFS(filepath.Join(harness.Root(), "components", "embedded"))))
	next, err := os.ReadFile(filepath.Join(harness.Root(), "components", "redis", "pubsub.yaml"))
	require.NoError(t, err)
	renamed := bytes.Replace(next, []byte("name: pubsub\n"), []byte("name: pubsub-next\n"), 1)
	require.NotEqual(t, next, renamed)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "pubsub-next.yaml"), renamed, 0o600))
	return dir
}

// move changes the settings of a running shop: a process reads them from a file when it starts.
type move struct {
	t             *testing.T
	file, wrapper string
}

func newMove(t *testing.T) *move {
	t.Helper()
	dir := t.TempDir()
	m := &move{t: t, file: filepath.Join(dir, "brokers.env"), wrapper: filepath.Join(dir, "sidecart")}
	script := fmt.Sprintf("#!/bin/sh\nset -a\n. '%s'\nexec '%s' \"$@\"\n", m.file, m.binary())
	require.NoError(t, os.WriteFile(m.wrapper, []byte(script), 0o700))
	return m
}

func (m *move) binary() string { return filepath.Join(harness.Root(), ".bin", "sidecart") }

// program starts every service through the file.
func (m *move) program() harness.Option { return harness.WithProgram("sidecart", m.wrapper) }

// say writes the settings that the next start of a process finds.
func (m *move) say(lines ...string) {
	m.t.Helper()
	require.NoError(m.t, os.WriteFile(m.file, []byte(strings.Join(lines, "\n")+"\n"), 0o600))
}

// roll starts one service after the other again, as one does with a shop that is open.
func (m *move) roll(s *harness.Shop) {
	m.t.Helper()
	ctx, cancel := context.WithTimeout(m.t.Context(), time.Minute)
	defer cancel()
	began := time.Now()
	for _, p := range s.Stack.Processes() {
		if p.Kind == run.KindApp && p.App != "gateway" { // which neither publishes nor follows
			require.NoError(m.t, s.Stack.Restart(ctx, p.Name))
		}
	}
	m.t.Logf("rolled in %.1f s", time.Since(began).Seconds())
}

// restart starts every service and its sidecar again, all at once: their order is left to chance.
func (m *move) restart(s *harness.Shop) {
	m.t.Helper()
	ctx, cancel := context.WithTimeout(m.t.Context(), time.Minute)
	defer cancel()
	began := time.Now()
	var g errgroup.Group
	for _, p := range s.Stack.Processes() {
		if p.Kind == run.KindApp || p.Kind == run.KindSidecar {
			g.Go(func() error { return s.Stack.Restart(ctx, p.Name) })
		}
	}
	require.NoError(m.t, g.Wait())
	m.t.Logf("restarted in %.1f s", time.Since(began).Seconds())
}

// line and brokersAnswer are what sidecart broker status --json prints, as far as it is read here.
type line struct {
	Source, Broker                                   string
	Share                                            int
	Delivered, First, Doubled, Late, Missed, Waiting uint64
	InARow                                           uint64 `json:"in_a_row"`
}

type brokersAnswer struct {
	CanGo   bool `json:"can_go"`
	Missing []string
	Items   []struct {
		Name    string
		Percent int
		Follows []line
	}
}

func (a brokersAnswer) lines() (all []line) {
	for _, item := range a.Items {
		all = append(all, item.Follows...)
	}
	return all
}

// each wants something of every line, of which there are two for each of the five followings.
func (a brokersAnswer) each(want func(line) error) error {
	wrong := []error{wants(len(a.lines()) == 10, "%d lines", len(a.lines()))}
	for _, l := range a.lines() {
		wrong = append(wrong, want(l))
	}
	return errors.Join(wrong...)
}

func wants(ok bool, format string, args ...any) error {
	if ok {
		return nil
	}
	return fmt.Errorf(format, args...)
}

// expect runs sidecart broker status until it exits with a code and says what is wanted.
func (m *move) expect(s *harness.Shop, code int, what string, want func(brokersAnswer) error) (answer brokersAnswer) {
	m.t.Helper()
	harness.Eventually(m.t, what, 0, func() error {
		out, got := m.status(s, "--json", "--quiet", "2s", "--segments", fmt.Sprint(enoughSegments))
		answer = brokersAnswer{}
		if err := json.Unmarshal(out, &answer); err != nil {
			return fmt.Errorf("exit code %d: %w: %s", got, err, out)
		}
		return errors.Join(wants(got == code, "exit code %d: %v", got, answer.Missing), want(answer))
	})
	return answer
}

// status runs the command against the shop.
func (m *move) status(s *harness.Shop, args ...string) ([]byte, int) {
	cmd := exec.CommandContext(m.t.Context(), m.binary(), append([]string{"broker", "status", "--url", s.Stack.URLs().Gateway}, args...)...)
	cmd.Env = append(os.Environ(), "SIDECART_TOKEN="+s.Token())
	out, err := cmd.Output()
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		return append(out, exit.Stderr...), exit.ExitCode()
	}
	return out, 0
}

// tell logs the table.
func (m *move) tell(a brokersAnswer) {
	for _, item := range a.Items {
		for _, l := range item.Follows {
			m.t.Logf("%-9s ← %+v", item.Name, l)
		}
	}
}
