package servers

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"strings"
	"time"
)

// askWithin bounds one question to a server.
const askWithin = 2 * time.Second

// ask connects, sends and judges the answer.
func ask(ctx context.Context, addr, send string, judge func(*bufio.Reader) error) error {
	ctx, cancel := context.WithTimeout(ctx, askWithin)
	defer cancel()
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", addr)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }()
	deadline, _ := ctx.Deadline()
	if err := conn.SetDeadline(deadline); err != nil {
		return err
	}
	if _, err := conn.Write([]byte(send)); err != nil {
		return err
	}
	return judge(bufio.NewReader(conn))
}

// lines wants these lines in this order; an answer that is something else is the error.
func lines(want ...string) func(*bufio.Reader) error {
	return func(r *bufio.Reader) error {
		for _, w := range want {
			line, err := r.ReadString('\n')
			if err != nil {
				return err
			}
			if got := strings.TrimRight(line, "\r\n"); got != w {
				return fmt.Errorf("it says %q", got)
			}
		}
		return nil
	}
}
