package bench

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strings"

	"github.com/sidecart/sidecart/e2e/harness"
	"github.com/sidecart/sidecart/e2e/token"
)

// Bytes of what goes through a door; e2e/peers/upstream.go takes and answers nothing else.
const (
	passedBytes   = 250
	answeredBytes = 600
)

// door is a gateway or a proxy of e2e/peers in front of an upstream, which is a process of its own and keeps the books. Their
// connections are on loopback. Both doors collect garbage as late as the program sidecart does: the comparison is not to be one of settings
// of Go.
func door(name, about string) Contender {
	return Contender{Name: name, About: about, Keeps: true, start: func(ctx context.Context, g Ground, dir string) (_ *Running, err error) {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return nil, err
		}
		root, keyFile := harness.Root(), filepath.Join(dir, token.FileName)
		variables := map[string]string{"BENCH_CONTRACTS": filepath.Join(root, "services"), "BENCH_KEYS": keyFile}
		upstream, err := startPeer(ctx, g, "upstream", dir, variables)
		if err != nil {
			return nil, err
		}
		defer func() {
			if err != nil {
				upstream.end()
			}
		}()
		keys, err := token.Read(keyFile)
		if err != nil {
			return nil, fmt.Errorf("the keys of the upstream: %w", err)
		}
		front := map[string]string{
			"BENCH_UPSTREAM": upstream.url, "BENCH_RULES": filepath.Join(root, "dapr-config", "gateway.yaml"),
		}
		maps.Copy(front, variables)
		shown, err := startPeer(ctx, g, name, dir, front)
		if err != nil {
			return nil, err
		}
		r := &Running{
			Gateway: shown.url, Reservations: []string{upstream.url + "/inventory"}, Header: map[string]string{}, Tokens: tokensOf(keys),
			Durability: "the upstream counts in memory",
			pids: func() map[string]int {
				return map[string]int{name: shown.cmd.Process.Pid, "upstream": upstream.cmd.Process.Pid}
			},
			stop: func(context.Context) error {
				shown.end()
				upstream.end()
				return nil
			},
		}
		if g.Profile != "" {
			r.profile = profiler(g.Profile, filepath.Base(dir), map[string]string{name: shown.url, "upstream": upstream.url})
		}
		return r, nil
	}}
}

// passage is what follows the id in a request that goes through a door: an order of several lines, with an address as long as it takes.
func passage() string {
	lines := make([]string, 4)
	for i := range lines {
		lines[i] = fmt.Sprintf(`{"sku":%q,"quantity":1}`, fmt.Sprintf("moka-pot-%04d", i))
	}
	head, tail := `","contact":{"email":"`, `@example.com"},"lines":[`+strings.Join(lines, ",")+`]}`
	// Of the body, the brace stands in the place of the quote and the comma.
	return head + strings.Repeat("b", passedBytes-1+len(`",`)-len(head)-len(tail)) + tail
}

// ownAnswer tells whether the upstream's answer came through whole and is that to the request with this id.
func ownAnswer(body, id []byte) bool {
	const before = `"customer":"`
	at := bytes.Index(body, []byte(before))
	return len(body) == answeredBytes && at >= 0 && bytes.HasPrefix(body[at+len(before):], id)
}
