package servers

import (
	"bufio"
	"context"
	"crypto/pbkdf2"
	"crypto/rand"
	"crypto/sha512"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"syscall"
)

// mosquitto's own scheme for passwords: PBKDF2 with SHA-512 (`$7$iterations$salt$hash`), as mosquitto_passwd writes it. That program would
// have to be given the password in its command line.
const (
	mosquittoIterations = 101
	mosquittoSaltBytes  = 12
	mosquittoHashBytes  = 64
	// mosquittoQueued is how many messages wait for a client that is away, at most; its default is 1000.
	mosquittoQueued = 10_000
)

// mosquitto keeps sessions, and what waits for a client that is away, in a file that it writes once a second and when it stops. A kill
// loses that second of messages, which followers then pull.
var mosquitto = Server{
	Name:     "mosquitto",
	Variable: "SIDECART_MQTT_URL",
	programs: []program{{name: "mosquitto", pkg: "mosquitto", dirs: []string{"/usr/sbin"}}},
	version:  told("Mosquitto", "-h"),
	plan: func(p *place) ([]Process, map[string]string, error) {
		if err := p.notAsRoot("mosquitto"); err != nil {
			return nil, nil, err
		}
		password, port, addr, err := p.login()
		if err != nil {
			return nil, nil, err
		}
		hashed, err := mosquittoPassword(password)
		if err != nil {
			return nil, nil, err
		}
		conf := fmt.Sprintf(`listener %d %s
allow_anonymous false
password_file %s
persistence true
persistence_location %s/
autosave_interval 1
max_queued_messages %d
log_dest stdout
`, port, loopback, p.file("users"), p.dir, mosquittoQueued)
		if err := errors.Join(p.write("users", userName+":"+hashed+"\n"), p.write("mosquitto.conf", conf)); err != nil {
			return nil, nil, err
		}
		return []Process{{
			Name: p.server.Name, URL: "mqtt://" + addr, Port: port, User: p.user,
			Argv: []string{p.found["mosquitto"], "-c", p.file("mosquitto.conf")},
			Stop: syscall.SIGTERM,
			Ready: func(ctx context.Context) error {
				return ask(ctx, addr, mqttHello(userName, password), mqttAnswer)
			},
		}}, map[string]string{p.server.Variable: fmt.Sprintf("mqtt://%s:%s@%s", userName, password, addr)}, nil
	},
}

func mosquittoPassword(password string) (string, error) {
	salt := make([]byte, mosquittoSaltBytes)
	_, _ = rand.Read(salt) // never fails
	hash, err := pbkdf2.Key(sha512.New, password, salt, mosquittoIterations, mosquittoHashBytes)
	encode := base64.StdEncoding.EncodeToString
	return fmt.Sprintf("$7$%d$%s$%s", mosquittoIterations, encode(salt), encode(hash)), err
}

// mqttHello is a CONNECT of MQTT 3.1.1 with a clean session and no client id. Its length must fit one byte.
func mqttHello(name, password string) string {
	text := func(s string) string { return string([]byte{byte(len(s) >> 8), byte(len(s))}) + s }
	const protocol, cleanWithLogin, keepAlive = "\x04", "\xc2", "\x00\x0a"
	body := text("MQTT") + protocol + cleanWithLogin + keepAlive + text("") + text(name) + text(password)
	return string([]byte{0x10, byte(len(body))}) + body
}

// mqttAnswer wants CONNACK with return code 0.
func mqttAnswer(r *bufio.Reader) error {
	var got [4]byte
	if _, err := io.ReadFull(r, got[:]); err != nil {
		return err
	}
	if got[0] != 0x20 || got[3] != 0 {
		return fmt.Errorf("no CONNACK with code 0: % x", got)
	}
	return nil
}
