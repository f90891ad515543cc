package servers

import (
	"bufio"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"strconv"
	"strings"
	"syscall"
)

// kafka is a stand-in, a broker of one process that speaks Kafka's protocol (cmd/fakekafka): the real one is a Java server of hundreds of
// megabytes. Topics and groups are on disk; there is no login.
var kafka = Server{
	Name:     "kafka",
	Variable: "SIDECART_KAFKA_BROKERS",
	late:     true,
	programs: []program{{name: "fakekafka"}},
	version:  func(string) string { return "a stand-in for Kafka (kfake)" },
	plan: func(p *place) ([]Process, map[string]string, error) {
		port, addr, err := p.address()
		if err != nil {
			return nil, nil, err
		}
		return []Process{{
			Name: p.server.Name, URL: "kafka://" + addr, Port: port,
			Argv: []string{p.found["fakekafka"], "--port", strconv.Itoa(port), "--dir", p.file("data"), "--topics", strings.Join(p.Topics, ",")},
			Stop: syscall.SIGTERM,
			Ready: func(ctx context.Context) error {
				return ask(ctx, addr, kafkaHello(), kafkaAnswer)
			},
		}}, map[string]string{p.server.Variable: addr}, nil
	},
}

// kafkaHello is ApiVersions version 0 with correlation id 1 and an empty client id.
func kafkaHello() string {
	const request = "\x00\x12\x00\x00\x00\x00\x00\x01\x00\x00"
	return string(binary.BigEndian.AppendUint32(nil, uint32(len(request)))) + request
}

// kafkaAnswer wants the answer to it without an error code.
func kafkaAnswer(r *bufio.Reader) error {
	var got struct {
		Size        uint32
		Correlation uint32
		ErrorCode   uint16
	}
	if err := binary.Read(io.LimitReader(r, 10), binary.BigEndian, &got); err != nil {
		return err
	}
	if got.Correlation != 1 || got.ErrorCode != 0 {
		return fmt.Errorf("not Kafka's answer: %+v", got)
	}
	return nil
}
