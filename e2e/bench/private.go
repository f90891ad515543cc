package bench

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/sidecart/sidecart/e2e/harness"
	"github.com/sidecart/sidecart/runtime/servers"
)

// The stores that peers use, by the variable that leads to them.
const (
	redisVariable    = "SIDECART_REDIS_HOST"
	redisPassword    = "SIDECART_REDIS_PASSWORD"
	postgresVariable = "SIDECART_POSTGRES_DSN"
)

// private is a server of a peer's own, run as component sets run theirs.
type private struct {
	children  []*child
	variables map[string]string // that lead to it, password included
	words     []string          // of the server's own command lines
	version   string
}

// startPrivate starts the store of a component set, the server that the variable leads to, with its data below dir. The error is a
// *servers.MissingError when it is not installed.
//
// Another process may take the port before the server does: so it is tried twice.
func startPrivate(ctx context.Context, set, variable, dir string) (*private, error) {
	p, err := startOnce(ctx, set, variable, dir)
	if _, missing := errors.AsType[*servers.MissingError](err); err != nil && !missing && ctx.Err() == nil {
		p, err = startOnce(ctx, set, variable, dir)
	}
	return p, err
}

func startOnce(ctx context.Context, set, variable, dir string) (*private, error) {
	read, err := servers.ReadSet(setDir(set))
	if err != nil {
		return nil, err
	}
	// A server that the environment names is not used: what is measured is alone on its store.
	needed := servers.Needed(read, func(string) string { return "" })
	i := slices.IndexFunc(needed, func(s servers.Server) bool { return s.Variable == variable })
	if i < 0 {
		return nil, fmt.Errorf("component set %s has no server in %s", set, variable)
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	plans, variables, err := needed[i].Plan(servers.Where{Dir: dir, Port: freePort})
	if err != nil {
		return nil, err
	}
	p := &private{variables: variables}
	for _, plan := range plans {
		if plan.Setup != nil {
			if err := plan.Setup(ctx); err != nil {
				p.end()
				return nil, fmt.Errorf("%s: setting up: %w", plan.Name, err)
			}
		}
		c, err := spawn(plan, dir, false)
		if err != nil {
			p.end()
			return nil, err
		}
		p.children = append(p.children, c)
		p.words = append(p.words, plan.Argv...)
		p.version = cmp.Or(p.version, plan.Version)
		if err := c.await(ctx, plan.Ready); err != nil {
			p.end()
			return nil, err
		}
	}
	return p, nil
}

func (p *private) end() {
	for _, c := range slices.Backward(p.children) {
		c.end()
	}
}

// freePort finds a port that is free at this moment.
func freePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	port := l.Addr().(*net.TCPAddr).Port
	return port, l.Close()
}

// The choices of when Redis writes its log to disk.
const (
	FsyncAlways   = "always"   // before it answers
	FsyncEverysec = "everysec" // once a second: a power cut takes back what was promised last
)

// setFsync has the Redis that the variables lead to use a policy, and gives what the server then says of it.
func setFsync(ctx context.Context, variables map[string]string, policy string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", variables[redisVariable])
	if err != nil {
		return "", fmt.Errorf("the private redis: %w", err)
	}
	defer func() { _ = conn.Close() }()
	deadline, _ := ctx.Deadline()
	_ = conn.SetDeadline(deadline) // a TCP connection takes one
	_, err = fmt.Fprintf(conn, "AUTH %s\r\nCONFIG SET appendfsync %s\r\nCONFIG GET appendfsync\r\n", variables[redisPassword], policy)
	if err != nil {
		return "", fmt.Errorf("the private redis: %w", err)
	}
	// +OK, +OK, then an array of two bulk strings: *2 $11 appendfsync $N policy.
	var last string
	answers := bufio.NewReader(conn)
	for range 7 {
		line, err := answers.ReadString('\n')
		last = strings.TrimSpace(line)
		if refusal, refused := strings.CutPrefix(last, "-"); refused {
			err = errors.New(refusal)
		}
		if err != nil {
			return "", fmt.Errorf("the private redis: setting appendfsync: %w", err)
		}
	}
	return "Redis appendfsync " + last, nil
}

// postgresDurability reads what the server was started with.
func (p *private) postgresDurability() string {
	var said []string
	for _, word := range p.words {
		for _, setting := range []string{"fsync=", "synchronous_commit="} {
			if value, ok := strings.CutPrefix(word, setting); ok {
				said = append(said, strings.TrimSuffix(setting, "=")+" "+value)
			}
		}
	}
	return "PostgreSQL " + cmp.Or(strings.Join(said, ", "), "as it is by default")
}

// environ gives variables as an environment.
func environ(variables map[string]string) []string {
	var out []string
	for name, value := range variables {
		out = append(out, name+"="+value)
	}
	return out
}

// setDir is the folder of a component set.
func setDir(set string) string { return filepath.Join(harness.Root(), "components", set) }
