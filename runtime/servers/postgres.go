package servers

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"syscall"
)

const (
	postgresDatabase = "postgres"
	maxAnswerBytes   = 64 << 10
)

// postgres runs with its default durability (fsync and synchronous_commit on), no Unix socket, and a password for everybody.
var postgres = Server{
	Name:     "postgres",
	Variable: "SIDECART_POSTGRES_DSN",
	programs: []program{
		{name: "postgres", pkg: "postgresql", dirs: []string{"/usr/lib/postgresql/*/bin"}},
		{name: "initdb", pkg: "postgresql", dirs: []string{"/usr/lib/postgresql/*/bin"}},
	},
	version: told("PostgreSQL", "--version"),
	plan: func(p *place) ([]Process, map[string]string, error) {
		if err := p.notAsRoot("postgres"); err != nil {
			return nil, nil, err
		}
		password, port, addr, err := p.login()
		if err != nil {
			return nil, nil, err
		}
		return []Process{{
				Name: p.server.Name, URL: "postgres://" + addr, Port: port, User: p.user,
				Argv: []string{p.found["postgres"], "-D", p.file("data"), "-h", loopback, "-p", strconv.Itoa(port),
					"-c", "unix_socket_directories=", "-c", "fsync=on", "-c", "synchronous_commit=on"},
				Stop: syscall.SIGINT, // "fast": SIGTERM would wait for every client to leave
				Setup: func(ctx context.Context) error {
					return p.once(ctx, "data", func(ctx context.Context, dir string) error {
						return p.run(ctx, p.found["initdb"], "-D", dir, "-U", userName, "--pwfile", p.file(passwordFile), "-A", "scram-sha-256",
							"-E", "UTF8", "--locale", "C")
					})
				},
				Ready: func(ctx context.Context) error { return ask(ctx, addr, postgresHello(), postgresAnswer) },
			}}, map[string]string{p.server.Variable: fmt.Sprintf(
				"host=%s port=%d user=%s password=%s dbname=%s sslmode=disable connect_timeout=2", loopback, port, userName, password, postgresDatabase,
			)}, nil
	},
}

// postgresHello is the start-up message of protocol 3.0.
func postgresHello() string {
	body := binary.BigEndian.AppendUint32(nil, 3<<16)
	body = append(body, "user\x00"+userName+"\x00database\x00"+postgresDatabase+"\x00\x00"...)
	return string(append(binary.BigEndian.AppendUint32(nil, uint32(len(body)+4)), body...))
}

// postgresAnswer wants to be asked for a password: a server that is starting or stopping answers with an error instead.
func postgresAnswer(r *bufio.Reader) error {
	kind, err := r.ReadByte()
	if err != nil {
		return err
	}
	if kind == 'R' {
		return nil
	}
	if kind != 'E' {
		return fmt.Errorf("not PostgreSQL's protocol: it begins with %q", kind)
	}
	var size uint32
	if err := binary.Read(r, binary.BigEndian, &size); err != nil {
		return err
	}
	text := make([]byte, min(size, maxAnswerBytes))
	n, _ := io.ReadFull(r, text)
	for field := range strings.SplitSeq(string(text[:n]), "\x00") {
		if message, ok := strings.CutPrefix(field, "M"); ok {
			return errors.New(message)
		}
	}
	return errors.New("refused without a reason")
}
