package servers

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"syscall"
)

// greetingVersion is the first byte of the greeting that MySQL and MariaDB send to who connects.
const greetingVersion = 10

// mariadb runs with its default durability (innodb_flush_log_at_trx_commit=1), no names from DNS, text that is equal only when its
// bytes are (keys that differ in case are two), and a user that every start makes sure of (init_file).
var mariadb = Server{
	Name:     "mariadb",
	Variable: "SIDECART_MYSQL_DSN",
	programs: []program{
		{name: "mariadbd", pkg: "mariadb-server", dirs: []string{"/usr/sbin"}},
		{name: "mariadb-install-db", pkg: "mariadb-server", dirs: []string{"/usr/bin"}},
	},
	version: told("MariaDB", "--version"),
	plan: func(p *place) ([]Process, map[string]string, error) {
		if err := p.notAsRoot("mysql"); err != nil {
			return nil, nil, err
		}
		password, port, addr, err := p.login()
		if err != nil {
			return nil, nil, err
		}
		sql := fmt.Sprintf("CREATE USER IF NOT EXISTS '%[1]s'@'%[2]s' IDENTIFIED BY '%[3]s';\nGRANT ALL ON *.* TO '%[1]s'@'%[2]s';\n",
			userName, loopback, password)
		// The socket's path is short because it is relative to the data folder: the kernel allows 107 bytes.
		conf := fmt.Sprintf(`[mariadbd]
datadir=%[1]s
init_file=%[2]s
bind_address=%[3]s
port=%[4]d
socket=mariadb.sock
pid_file=mariadb.pid
skip_name_resolve=1
character_set_server=utf8mb4
collation_server=utf8mb4_bin
innodb_flush_log_at_trx_commit=1
max_allowed_packet=64M
max_connect_errors=4294967295
`, p.file("data"), p.file("init.sql"), loopback, port)
		if err := errors.Join(p.write("init.sql", sql), p.write("my.cnf", conf)); err != nil {
			return nil, nil, err
		}
		return []Process{{
			Name: p.server.Name, URL: "mysql://" + addr, Port: port, User: p.user,
			Argv: []string{p.found["mariadbd"], "--defaults-file=" + p.file("my.cnf")},
			Stop: syscall.SIGTERM,
			Setup: func(ctx context.Context) error {
				return p.once(ctx, "data", func(ctx context.Context, dir string) error {
					return p.run(ctx, p.found["mariadb-install-db"], "--no-defaults", "--datadir="+dir, "--auth-root-authentication-method=socket",
						"--skip-test-db", "--skip-name-resolve")
				})
			},
			Ready: func(ctx context.Context) error { return ask(ctx, addr, "", mysqlGreeting) },
		}}, map[string]string{p.server.Variable: fmt.Sprintf("%s:%s@tcp(%s)/?timeout=2s&readTimeout=6s&writeTimeout=6s", userName, password, addr)}, nil
	},
}

// mysqlGreeting wants the greeting of protocol 10; the server says nothing before it takes logins.
func mysqlGreeting(r *bufio.Reader) error {
	var head [4]byte // length in three bytes, little end first, and a number
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return err
	}
	first, err := r.ReadByte()
	if err != nil {
		return err
	}
	if first != greetingVersion {
		return fmt.Errorf("no greeting of protocol 10: %d bytes that begin with %d", binary.LittleEndian.Uint16(head[:2]), first)
	}
	return nil
}
