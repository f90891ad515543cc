package probe

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/sidecart/sidecart/services/conformance"
	"github.com/sidecart/sidecart/services/kit/sidecar"
	"github.com/sidecart/sidecart/services/kit/sidecar/daprd"
)

// AppID is the app id of the sidecar with the app, otherID of the one without. Brokers name queues and groups after them, so
// they are always the same: a second run finds what the first one left and leaves nothing more.
const (
	AppID   = "sidecart-conformance"
	otherID = "sidecart-conformance-other"
)

// DefaultTopic is where events are published. A broker that does not make topics by itself needs it.
const DefaultTopic = "conformance"

// backKey is read and never there. It has a slash, as all keys of sidecart do and no topic does: on Redis, state and streams
// share one space of names.
const backKey = "conformance/back"

const (
	writeWithin = 10 * time.Second
	backWithin  = 30 * time.Second // for the sidecars to answer after a restart
	backEvery   = 50 * time.Millisecond
)

// Config says what to probe.
type Config struct {
	Daprd   string // path of the program, as daprd.Find gives it
	Set     string // folder of component files
	Store   bool   // try the component `state`
	Broker  bool   // try the component `pubsub`
	Topic   string // default DefaultTopic
	Environ []string
	PaceFor time.Duration // default 2 s
	// Restart, if set, kills the store itself and starts it again; the sidecars are restarted with it. Without it only they
	// are, which shows a store that lives in them and no more.
	Restart func(ctx context.Context) error
}

// Run tries the set. doing, if not nil, is told what takes time; report, if not nil, each result.
func Run(ctx context.Context, cfg Config, doing func(what string), report func(conformance.Result)) (conformance.Verdict, error) {
	if doing == nil {
		doing = func(string) {}
	}
	if cfg.Topic == "" {
		cfg.Topic = DefaultTopic
	}
	var opts []conformance.Option
	if cfg.PaceFor > 0 {
		opts = append(opts, conformance.PaceFor(cfg.PaceFor))
	}
	var state sidecar.State
	if cfg.Store {
		doing("starting two sidecars on the store")
		pair, err := startPair(ctx, cfg, sidecar.StateStore, nil)
		if err != nil {
			return conformance.Verdict{}, err
		}
		defer pair.stop()
		state = pair.one.Client
		opts = append(opts, conformance.WithPeer(pair.other.Client), conformance.WithOverwrite(pair.overwrite),
			conformance.WithRestart(killed(cfg), func(ctx context.Context) error { return pair.restart(ctx, cfg.Restart) }))
	} else {
		opts = append(opts, conformance.BrokerOnly())
	}
	if cfg.Broker {
		doing("starting two sidecars on the broker")
		broker, stop, err := startBroker(ctx, cfg)
		if ctx.Err() != nil {
			return conformance.Verdict{}, ctx.Err()
		}
		if err != nil {
			broker = conformance.NoBroker(err)
		} else {
			defer stop()
		}
		opts = append(opts, conformance.WithBroker(broker))
	}
	doing("trying")
	return conformance.Run(ctx, state, report, opts...)
}

// killed says what a restart kills.
func killed(cfg Config) string {
	if cfg.Restart == nil {
		return "the sidecars"
	}
	return "the store and the sidecars"
}

// pair is two sidecars on one component, the second one without an app.
type pair struct{ one, other *daprd.Process }

func startPair(ctx context.Context, cfg Config, component string, app *app) (*pair, error) {
	base := daprd.Config{Binary: cfg.Daprd, Set: cfg.Set, Only: []string{component}, Environ: cfg.Environ}
	other := base
	base.AppID, other.AppID = AppID, otherID
	if app != nil {
		base.AppPort, base.AppToken = app.port, app.token
	}
	p := &pair{}
	var err error
	if p.one, err = daprd.Start(ctx, base); err != nil {
		return nil, err
	}
	if p.other, err = daprd.Start(ctx, other); err != nil {
		p.one.Stop()
		return nil, err
	}
	return p, nil
}

func (p *pair) stop() {
	p.other.Stop()
	p.one.Stop()
}

// overwrite is a write without first-write, over HTTP as any tool would send it: kit/sidecar has no such call, because
// sidecart has no use for one.
func (p *pair) overwrite(ctx context.Context, key string, value []byte) error {
	body, err := json.Marshal([]struct {
		Key   string         `json:"key"`
		Value jsontext.Value `json:"value"`
	}{{key, value}})
	if err != nil {
		return fmt.Errorf("plain write: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, writeWithin)
	defer cancel()
	address := "http://127.0.0.1:" + strconv.Itoa(p.one.HTTPPort) + "/v1.0/state/" + sidecar.StateStore
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, address, bytes.NewReader(body))
	if err != nil {
		return fmt.Errorf("plain write: %w", err)
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("dapr-api-token", p.one.Token)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return fmt.Errorf("plain write: %w", err)
	}
	defer func() { _ = resp.Body.Close() }()
	_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, 1<<16))
	if resp.StatusCode/100 != 2 {
		return fmt.Errorf("plain write: the sidecar answers %d", resp.StatusCode)
	}
	return nil
}

// restart kills both sidecars, and the store if there is a way to, and returns when both answer reads again.
func (p *pair) restart(ctx context.Context, store func(ctx context.Context) error) error {
	if store != nil {
		if err := store(ctx); err != nil {
			return fmt.Errorf("restart of the store: %w", err)
		}
	}
	for _, s := range []*daprd.Process{p.one, p.other} {
		if err := s.Restart(ctx); err != nil {
			return err
		}
	}
	ctx, cancel := context.WithTimeout(ctx, backWithin)
	defer cancel()
	for _, s := range []*daprd.Process{p.one, p.other} {
		for {
			_, err := s.Get(ctx, backKey)
			if err == nil {
				break
			}
			select {
			case <-time.After(backEvery):
			case <-ctx.Done():
				return errors.Join(ctx.Err(), err)
			}
		}
	}
	return nil
}

// startBroker starts an app beside one sidecar and gives a Broker that publishes through the other.
func startBroker(ctx context.Context, cfg Config) (*conformance.Broker, func(), error) {
	app, err := newApp(cfg.Topic)
	if err != nil {
		return nil, nil, err
	}
	pair, err := startPair(ctx, cfg, sidecar.PubSub, app)
	if err != nil {
		app.stop()
		return nil, nil, err
	}
	broker := conformance.NewBroker(pair.other.Client, cfg.Topic)
	app.deliverTo(broker)
	return broker, func() { pair.stop(); app.stop() }, nil
}
