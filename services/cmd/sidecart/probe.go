package main

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/sidecart/sidecart/services/components"
	"github.com/sidecart/sidecart/services/conformance"
	"github.com/sidecart/sidecart/services/conformance/probe"
	"github.com/sidecart/sidecart/services/kit/sidecar/daprd"
)

// parts are what --only can name.
var parts = []string{"all", "store", "broker"}

func testCommand(getenv func(string) string) *cobra.Command {
	var binary, only, topic, restart string
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "test DIR",
		Short: "Try a set's store and broker through real sidecars, and say whether sidecart is safe on them",
		Long: "Start two sidecars on the set, try everything that sidecart stands on, and say in words whether it is safe.\n\n" +
			"The store and the broker must be running. The component files find them as in a shop, by SIDECART_* of this\n" +
			"environment. The store is written to: below conformance/ and a new name each time, some ten thousand keys, which\n" +
			"are deleted at the end. The broker is asked to carry some sixty events on a topic of their own; one that does not\n" +
			"make topics by itself needs it, and one that keeps a queue for an app (" + probe.AppID + ") keeps that.\n" +
			"It takes 10 s to a minute. Run it beside a shop that sells only if that shop can spare the store's time.\n\n" +
			"Exit code: 0 safe (also at a price), 1 not safe or not to be tested, 2 wrong use.",
		Example: "  SIDECART_REDIS_HOST=127.0.0.1:6379 sidecart components test components/redis\n" +
			"  sidecart components test components/redis --restart 'systemctl kill -s KILL redis; systemctl start redis'\n" +
			"  sidecart components test ./my-set --only store --json",
		Args: oneSet,
		RunE: func(cmd *cobra.Command, args []string) error {
			if !slices.Contains(parts, only) {
				return &usageError{fmt.Errorf("--only: %q is none of %s", only, strings.Join(parts, ", "))}
			}
			if topic == "" {
				return &usageError{errors.New("--topic is empty: want the name of a topic that nothing else uses")}
			}
			if err := isSet(args[0]); err != nil {
				return &usageError{err}
			}
			program, err := daprd.Find(binary)
			if err != nil {
				return &usageError{err}
			}
			cfg := probe.Config{Daprd: program, Set: args[0], Store: only != "broker", Broker: only != "store", Topic: topic}
			if restart != "" {
				cfg.Restart = restartBy(restart)
			}
			return testSet(cmd.Context(), newConsole(cmd.OutOrStdout(), cmd.ErrOrStderr(), getenv), cfg, asJSON)
		},
	}
	cmd.Flags().StringVar(&binary, "daprd", "", "the daprd to run (default: the one beside this program, in .bin, or on the PATH)")
	cmd.Flags().StringVar(&only, "only", "all", strings.Join(parts, ", "))
	cmd.Flags().StringVar(&topic, "topic", probe.DefaultTopic, "topic for the events; nothing else may use it")
	cmd.Flags().StringVar(&restart, "restart", "", "a shell command that kills the store and starts it again (default: only sidecars are killed)")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print the verdict as one JSON document")
	return cmd
}

// isSet refuses what has no component in it before anything is started. What is wrong with the files of a set is for daprd,
// and for components check, to say.
func isSet(dir string) error {
	if err := isFolder(dir); err != nil {
		return err
	}
	_, err := components.Check(dir)
	return err
}

// restartWithin bounds the user's command that restarts the store.
const restartWithin = time.Minute

// restartBy runs the user's command; what it printed last is in the error.
func restartBy(command string) func(ctx context.Context) error {
	return func(ctx context.Context) error {
		ctx, cancel := context.WithTimeout(ctx, restartWithin)
		defer cancel()
		shell := exec.CommandContext(ctx, "sh", "-c", command)
		shell.WaitDelay = time.Second // what it leaves running may keep the pipe
		out, err := shell.CombinedOutput()
		if err == nil || errors.Is(err, exec.ErrWaitDelay) {
			return nil
		}
		lines := strings.Split(strings.TrimSpace(string(out)), "\n")
		return fmt.Errorf("--restart: %w: %s", err, lines[len(lines)-1])
	}
}

// testSet probes the set and shows what is found as it is found.
func testSet(ctx context.Context, con *console, cfg probe.Config, asJSON bool) error {
	defer con.clear()
	plan, done := planned(cfg), 0
	progress := watch(con)
	told := make(chan struct{})
	early := context.AfterFunc(ctx, func() {
		defer close(told)
		progress.doing("interrupted, deleting what was written; once more ends it at once")
	})
	v, err := probe.Run(ctx, cfg, progress.doing, func(r conformance.Result) {
		done++
		if !asJSON {
			showResult(con, r)
		}
		if done < len(plan) {
			progress.doing(fmt.Sprintf("trying %s, %d of %d", plan[done], done+1, len(plan)))
		} else {
			progress.doing("deleting what was written")
		}
	})
	if !early() {
		<-told
	}
	progress.end()
	con.clear()
	switch {
	case ctx.Err() != nil:
		return errors.New("ended before the verdict; what was written has been deleted" + left(v))
	case err != nil:
		return fmt.Errorf("%w\nThe set was not tested. Is the server running, and does SIDECART_* name it (of SQLite: is the folder of its file there)? Are the files sound (sidecart components check %s)?", err, cfg.Set)
	}
	if asJSON {
		if err := writeJSON(con, testAnswer(cfg.Set, v)); err != nil {
			return err
		}
	} else {
		showVerdict(con, cfg.Set, v)
	}
	if v.Level() == conformance.LevelUnsafe {
		return fmt.Errorf("%s is not safe", cfg.Set)
	}
	return nil
}

func left(v conformance.Verdict) string {
	if v.Left == "" {
		return ""
	}
	return ", but for this: " + v.Left
}

// planned is what will be tried, in its order.
func planned(cfg probe.Config) (names []string) {
	for _, p := range conformance.Properties() {
		if p.AboutBroker() && cfg.Broker || !p.AboutBroker() && cfg.Store {
			names = append(names, p.Name)
		}
	}
	return names
}

func showResult(con *console, r conformance.Result) {
	const nameWidth = 26
	outcome := con.paint(good, "pass")
	switch {
	case r.Outcome == conformance.Skipped:
		outcome = con.paint(careful, "skip")
	case r.Outcome == conformance.Failed && r.Severity == conformance.Note:
		outcome = con.paint(careful, "fail")
	case r.Outcome == conformance.Failed:
		outcome = con.paint(bad, "fail")
	}
	con.line("%s", strings.TrimRight(fmt.Sprintf("%-*s  %s  %6d ms  %s", nameWidth, r.Name, outcome, r.Took.Milliseconds(), r.Detail), " "))
}

func showVerdict(con *console, set string, v conformance.Verdict) {
	first, rest, _ := strings.Cut(v.Words(), "\n")
	colour := map[conformance.Level]paint{conformance.LevelSafe: good, conformance.LevelDegraded: careful, conformance.LevelUnsafe: bad}[v.Level()]
	con.line("")
	con.line("%s: %s", set, con.paint(colour, first))
	if rest != "" {
		con.line("%s", rest)
	}
	if v.Level() != conformance.LevelUnsafe {
		return
	}
	// The files may give away a reason, and an alternative, that no trial can find.
	findings, err := components.Check(set)
	if err != nil || errorsIn(findings) == 0 {
		return
	}
	con.line("\nWhat the files say of it:")
	for _, f := range findings {
		if f.Severity == components.Error {
			con.line("%s", f)
		}
	}
}

// result is a conformance.Result for programs.
type result struct {
	Name     string `json:"name"`
	Outcome  string `json:"outcome"`
	Severity string `json:"severity"`
	Asks     string `json:"asks"`
	Breaks   string `json:"breaks"`
	Detail   string `json:"detail"`
	TookMS   int64  `json:"took_ms"`
}

// figures is a conformance.Pace for programs.
type figures struct {
	Callers    int     `json:"callers"`
	ValueBytes int     `json:"value_bytes"`
	PerSecond  float64 `json:"creates_per_second"`
	P50        float64 `json:"p50_ms"`
	P99        float64 `json:"p99_ms"`
	AloneP50   float64 `json:"alone_p50_ms"`
	AloneP99   float64 `json:"alone_p99_ms"`
}

func testAnswer(set string, v conformance.Verdict) any {
	results := make([]result, len(v.Results))
	for i, r := range v.Results {
		results[i] = result{r.Name, string(r.Outcome), string(r.Severity), r.Asks, r.Breaks, r.Detail, r.Took.Milliseconds()}
	}
	ms := func(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
	p := v.Pace
	return struct {
		Set     string   `json:"set"`
		Verdict string   `json:"verdict"`
		Words   string   `json:"words"`
		Pace    figures  `json:"pace"`
		Results []result `json:"results"`
	}{
		set, string(v.Level()), v.Words(),
		figures{p.Callers, p.ValueBytes, p.PerSecond, ms(p.P50), ms(p.P99), ms(p.AloneP50), ms(p.AloneP99)}, results,
	}
}

// watcher repeats the last status, with the time it has taken, so that nobody wonders whether anything goes on.
type watcher struct {
	what chan activity
	done chan struct{}
}

const tick = 500 * time.Millisecond

func watch(con *console) *watcher {
	w := &watcher{what: make(chan activity), done: make(chan struct{})}
	go func() {
		defer close(w.done)
		ticker := time.NewTicker(tick)
		defer ticker.Stop()
		what, since := "", time.Now()
		for {
			select {
			case next, more := <-w.what:
				if !more {
					return
				}
				if !next.goesOn {
					since = time.Now()
				}
				what = next.text
			case <-ticker.C:
			}
			if what != "" {
				con.status("%s (%d s)", what, int(time.Since(since).Seconds()))
			}
		}
	}()
	return w
}

// activity is what goes on; goesOn when it is the same as before in other words.
type activity struct {
	text   string
	goesOn bool
}

func (w *watcher) doing(what string) { w.what <- activity{text: what} }

// still is doing without starting to count the seconds anew.
func (w *watcher) still(what string) { w.what <- activity{what, true} }

// end returns when nothing more will be shown.
func (w *watcher) end() {
	close(w.what)
	<-w.done
}
