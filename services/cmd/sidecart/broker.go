package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/spf13/cobra"

	"github.com/sidecart/sidecart/services/kit/delivery"
	"github.com/sidecart/sidecart/services/kit/httpx"
)

// askWithin bounds the one question of broker status; the gateway gives its services 2 s.
const askWithin = 10 * time.Second

// maxAnswerBytes bounds what is read of the gateway's answer.
const maxAnswerBytes = 4 << 20

// errNotYet says that the old broker cannot go: no failure, but not a yes either.
var errNotYet = errors.New("the present broker cannot go yet")

func brokerCommand(getenv func(string) string) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "broker",
		Short:   "See how moving from one broker to another goes",
		Long:    "See how moving from one broker to another goes. docs/operating.md says how to move, step by step.",
		Example: "  sidecart broker status",
		Args:    cobra.NoArgs,
		RunE:    func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(brokerStatusCommand(getenv))
	return cmd
}

// question is what broker status asks.
type question struct {
	gateway  string
	token    string // of an operator; empty: none
	quiet    time.Duration
	segments int
}

func brokerStatusCommand(getenv func(string) string) *cobra.Command {
	var q question
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "status",
		Short: "Say what each broker delivered, and whether the present one can go",
		Long: "Ask a running shop what its present broker (SIDECART_PUBSUB) and the next one (SIDECART_PUBSUB_NEXT) delivered to each\n" +
			"service, compared with the journals and counted over all replicas, and whether the present one can go.\n\n" +
			"  first     brought before the other broker and before a pull\n" +
			"  doubled   brought again\n" +
			"  late      brought after it had been counted as missed\n" +
			"  missed    given to the broker and not brought within " + delivery.Grace.String() + "\n" +
			"  in a row  brought since the broker is given everything and missed nothing\n\n" +
			"It needs an operator's access token in the variable SIDECART_TOKEN: scripts/token and `sidecart token` make one.\n\n" +
			"Exit code: 0 the present broker can go, 1 the shop does not answer, 2 wrong usage, 3 not yet.",
		Example: "  SIDECART_TOKEN=$(scripts/token) sidecart broker status\n  sidecart broker status --quiet 1h --segments 1000 --json",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := q.check(); err != nil {
				return &usageError{err}
			}
			q.token = getenv("SIDECART_TOKEN") // not a flag, which every user of the machine could read in the list of processes
			con := newConsole(cmd.OutOrStdout(), cmd.ErrOrStderr(), getenv)
			con.status("asking %s", q.gateway)
			answer, raw, err := q.ask(cmd.Context())
			con.clear()
			if err != nil {
				return err
			}
			if asJSON {
				con.line("%s", strings.TrimSpace(string(raw)))
			} else {
				showBrokers(con, answer)
			}
			if !answer.CanGo {
				return errNotYet
			}
			return nil
		},
	}
	cmd.Flags().StringVar(&q.gateway, "url", "http://127.0.0.1:8080", "the shop's gateway")
	cmd.Flags().DurationVar(&q.quiet, "quiet", 10*time.Minute, "how long the next broker must have missed nothing, 0s to 24h; below "+
		delivery.Grace.String()+" a miss may not have been seen yet")
	cmd.Flags().IntVar(&q.segments, "segments", 100, "how many segments in a row it must have brought to every follower, 0 to 1000000")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print the gateway's answer as it is")
	return cmd
}

func (q question) check() error {
	u, err := url.Parse(q.gateway)
	switch {
	case err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https":
		return fmt.Errorf("--url: %q is not an address such as http://127.0.0.1:8080", q.gateway)
	case q.quiet < 0 || q.quiet > 24*time.Hour:
		return fmt.Errorf("--quiet: %s is not from 0s to 24h", q.quiet)
	case q.segments < 0 || q.segments > 1_000_000:
		return fmt.Errorf("--segments: %d is not from 0 to 1000000", q.segments)
	}
	return nil
}

// brokersAnswer is what the gateway says.
type brokersAnswer struct {
	delivery.Verdict
	Items []struct {
		Name    string          `json:"name"`
		Health  string          `json:"health"`
		Present string          `json:"present"`
		Next    string          `json:"next"`
		Percent int             `json:"percent"`
		Follows []delivery.Line `json:"follows"`
	} `json:"items"`
}

func (q question) ask(ctx context.Context) (answer brokersAnswer, raw []byte, err error) {
	ctx, cancel := context.WithTimeout(ctx, askWithin)
	defer cancel()
	query := url.Values{"quiet_seconds": {strconv.Itoa(int(q.quiet.Seconds()))}, "segments": {strconv.Itoa(q.segments)}}
	target := strings.TrimSuffix(q.gateway, "/") + "/v1/ops/brokers?" + query.Encode()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, target, nil)
	if err != nil {
		return answer, nil, fmt.Errorf("ask the gateway: %w", err)
	}
	if q.token != "" {
		req.Header.Set("Authorization", "Bearer "+q.token)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return answer, nil, fmt.Errorf("the shop does not answer; is it running, and is --url its gateway? %w", err)
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode == http.StatusUnauthorized || resp.StatusCode == http.StatusForbidden {
		return answer, nil, fmt.Errorf("the gateway wants an operator's access token: SIDECART_TOKEN=$(scripts/token) has one of the shop that scripts/up runs; it answered %s: %s",
			resp.Status, httpx.ReadProblem(resp).Message)
	}
	if resp.StatusCode != http.StatusOK {
		return answer, nil, fmt.Errorf("the gateway answered %s: %s", resp.Status, httpx.ReadProblem(resp).Message)
	}
	raw, err = io.ReadAll(io.LimitReader(resp.Body, maxAnswerBytes))
	if err == nil {
		err = json.Unmarshal(raw, &answer)
	}
	if err == nil && len(answer.Items) == 0 {
		err = errors.New("it names no service")
	}
	if err != nil {
		return answer, nil, fmt.Errorf("the answer of %s cannot be read; is it a gateway of sidecart? %w", q.gateway, err)
	}
	return answer, raw, nil
}

// showBrokers prints the table and the judgement in words.
func showBrokers(con *console, a brokersAnswer) {
	var table strings.Builder
	w := tabwriter.NewWriter(&table, 0, 0, 2, ' ', tabwriter.AlignRight)
	_, _ = fmt.Fprintln(w, "service\tfollows\tbroker\tshare\tdelivered\tfirst\tdoubled\tlate\tmissed\tin a row\tlast missed\t")
	rows := 0
	for _, item := range a.Items {
		for _, l := range item.Follows {
			rows++
			last := "-"
			if l.LastMissedAt != nil {
				last = l.LastMissed + " at " + l.LastMissedAt.Format(time.TimeOnly)
			}
			_, _ = fmt.Fprintf(w, "%s\t%s\t%s\t%d %%\t%d\t%d\t%d\t%d\t%d\t%d\t%s\t\n",
				item.Name, l.Source, l.Broker, l.Share, l.Delivered, l.First, l.Doubled, l.Late, l.Missed, l.InARow, last)
		}
	}
	_ = w.Flush() // into memory
	if rows > 0 {
		con.line("%s", table.String())
	}
	if a.CanGo {
		next := a.Items[0].Next
		con.line("%s: everything is published on %s, and it has missed nothing.", con.paint(good, a.Items[0].Present+" can go"), next)
		con.line("Start the shop with SIDECART_PUBSUB=%s and without SIDECART_PUBSUB_NEXT.", next)
		return
	}
	con.line("%s:", con.paint(careful, "not yet"))
	for _, reason := range a.Missing {
		con.line("  - %s", reason)
	}
}
