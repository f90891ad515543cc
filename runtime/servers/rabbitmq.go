package servers

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strconv"
	"syscall"
	"time"
)

const (
	rabbitmqHome = "/usr/lib/rabbitmq/bin"
	epmdName     = "epmd"
	epmdEvery    = 50 * time.Millisecond
)

// rabbitmq is two processes: the broker, and the Erlang port mapper without which no Erlang node starts. The mapper is private too, or the
// first broker on a machine would leave one behind that every later one shares. The node is named after localhost, so that its
// data does not depend on the machine's name.
var rabbitmq = Server{
	Name:     "rabbitmq",
	Variable: "SIDECART_RABBITMQ_URL",
	late:     true,
	programs: []program{
		// Not Debian's script of the same name on the PATH, which runs as another user in a folder of its own.
		{name: "rabbitmq-server", pkg: "rabbitmq-server", dirs: []string{rabbitmqHome}, notOnPath: true},
		{name: epmdName, pkg: "rabbitmq-server"},
	},
	version: func(path string) string {
		found, _ := filepath.Glob(filepath.Join(filepath.Dir(path), "..", "lib", "rabbitmq_server-*"))
		if len(found) == 0 {
			return ""
		}
		return named("RabbitMQ", filepath.Base(found[len(found)-1]))
	},
	plan: planRabbitMQ,
}

func planRabbitMQ(p *place) ([]Process, map[string]string, error) {
	// Erlang reads the secret that nodes share from this name in the home folder.
	if _, err := p.secret(".erlang.cookie"); err != nil {
		return nil, nil, err
	}
	password, port, addr, err := p.login()
	if err != nil {
		return nil, nil, err
	}
	mapperPort, mapper, err := p.address()
	if err != nil {
		return nil, nil, err
	}
	nodePort, _, err := p.address()
	if err != nil {
		return nil, nil, err
	}
	conf := fmt.Sprintf("listeners.tcp.1 = %s\ndefault_user = %s\ndefault_pass = %s\n", addr, userName, password)
	if err := errors.Join(p.write("rabbitmq.conf", conf), p.write("enabled_plugins", "[].\n"), p.write("rabbitmq-env.conf", "")); err != nil {
		return nil, nil, err
	}
	env := []string{
		"HOME=" + p.dir,
		"RABBITMQ_NODENAME=" + userName + "@localhost",
		"RABBITMQ_MNESIA_BASE=" + p.file("data"),
		"RABBITMQ_CONFIG_FILE=" + p.file("rabbitmq.conf"),
		"RABBITMQ_CONF_ENV_FILE=" + p.file("rabbitmq-env.conf"),
		"RABBITMQ_ENABLED_PLUGINS_FILE=" + p.file("enabled_plugins"),
		"RABBITMQ_LOGS=-",
		"RABBITMQ_DIST_PORT=" + strconv.Itoa(nodePort),
		"RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS=-kernel inet_dist_use_interface {127,0,0,1}",
		// The script then becomes the broker instead of a parent that asks it to stop.
		"RUNNING_UNDER_SYSTEMD=1",
		"ERL_EPMD_ADDRESS=" + loopback,
		"ERL_EPMD_PORT=" + strconv.Itoa(mapperPort),
		// Else Erlang starts a mapper by itself when ours is away.
		"ERL_AFLAGS=-start_epmd false",
	}
	mapperReady := func(ctx context.Context) error { return ask(ctx, mapper, "\x00\x01n", epmdAnswer) }
	return []Process{
		{
			Name: p.server.Name + "-" + epmdName, URL: "epmd://" + mapper, Port: mapperPort, Env: env,
			Argv: []string{p.found[epmdName], "-address", loopback, "-port", strconv.Itoa(mapperPort)}, Stop: syscall.SIGTERM,
			Ready: mapperReady,
		},
		{
			Name: p.server.Name, URL: "amqp://" + addr, Port: port, Env: env,
			Argv: []string{p.found["rabbitmq-server"]}, Stop: syscall.SIGTERM,
			Setup: func(ctx context.Context) error { return await(ctx, mapperReady) },
			Ready: func(ctx context.Context) error { return ask(ctx, addr, "AMQP\x00\x00\x09\x01", amqpAnswer) },
		},
	}, map[string]string{p.server.Variable: fmt.Sprintf("amqp://%s:%s@%s/", userName, password, addr)}, nil
}

// await asks until the answer is good.
func await(ctx context.Context, ready func(context.Context) error) error {
	tick := time.NewTicker(epmdEvery)
	defer tick.Stop()
	for {
		err := ready(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("%s: %w", epmdName, err)
		}
	}
}

// epmdAnswer reads the answer to a question for all names: four bytes of port, then text.
func epmdAnswer(r *bufio.Reader) error {
	_, err := io.ReadFull(r, make([]byte, 4))
	return err
}

// amqpAnswer wants Connection.Start (class 10, method 10) as the first frame on channel 0.
func amqpAnswer(r *bufio.Reader) error {
	var got [11]byte
	if _, err := io.ReadFull(r, got[:]); err != nil {
		return err
	}
	if got[0] != 1 || !bytes.Equal(got[7:], []byte{0, 10, 0, 10}) {
		return fmt.Errorf("not AMQP 0-9-1: it begins with % x", got)
	}
	return nil
}
