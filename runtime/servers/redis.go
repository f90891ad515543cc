package servers

import (
	"context"
	"fmt"
	"syscall"
)

// redis answers a write when it is in the append-only file on disk (appendfsync always): slower than the default, which
// loses up to a second of acknowledged writes at a power cut. See the comments in components/redis.
//
// The file is written anew from 512 MB on and not from Redis' 64 MB, which a flash sale fills in a minute: meanwhile writes were seen to
// wait 70 ms for the disk, and there is little to gain, because journals hardly replace what they wrote.
var redis = Server{
	Name:     "redis",
	Variable: "SIDECART_REDIS_HOST",
	programs: []program{{name: "redis-server", pkg: "redis-server"}},
	version:  told("Redis", "--version"),
	plan: func(p *place) ([]Process, map[string]string, error) {
		password, port, addr, err := p.login()
		if err != nil {
			return nil, nil, err
		}
		const conf = "redis.conf"
		if err := p.write(conf, fmt.Sprintf(`bind %s
port %d
requirepass %s
dir %q
appendonly yes
appendfsync always
auto-aof-rewrite-min-size 512mb
save ""
maxmemory-policy noeviction
daemonize no
`, loopback, port, password, p.dir)); err != nil {
			return nil, nil, err
		}
		return []Process{{
			Name: p.server.Name, URL: "redis://" + addr, Port: port,
			Argv: []string{p.found["redis-server"], p.file(conf)},
			Stop: syscall.SIGTERM,
			Ready: func(ctx context.Context) error {
				return ask(ctx, addr, "AUTH "+password+"\r\nPING\r\n", lines("+OK", "+PONG"))
			},
		}}, map[string]string{"SIDECART_REDIS_HOST": addr, "SIDECART_REDIS_PASSWORD": password}, nil
	},
}
