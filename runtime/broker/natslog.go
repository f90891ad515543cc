package broker

import (
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"syscall"
)

// natsLog passes the server's own log on. NATS announces every step of its
// start as a notice; here that is detail.
type natsLog struct {
	log *slog.Logger
	// fatal has the first message with which the server gave up starting: it
	// reports that to its log alone. Later ones are only logged.
	fatal chan string
}

func (l *natsLog) Noticef(format string, v ...any) { l.log.Debug(fmt.Sprintf(format, v...)) }
func (l *natsLog) Warnf(format string, v ...any)   { l.log.Warn(fmt.Sprintf(format, v...)) }
func (l *natsLog) Errorf(format string, v ...any)  { l.log.Error(fmt.Sprintf(format, v...)) }
func (l *natsLog) Debugf(format string, v ...any)  { l.log.Debug(fmt.Sprintf(format, v...)) }
func (l *natsLog) Tracef(format string, v ...any)  { l.log.Debug(fmt.Sprintf(format, v...)) }

func (l *natsLog) Fatalf(format string, v ...any) {
	msg := fmt.Sprintf(format, v...)
	select {
	case l.fatal <- msg:
	default:
		l.log.Error(msg)
	}
}

// explainListen turns the text of a failed start into an error; the common
// case, a port in use, into one that says what to do.
func explainListen(text string, port int) error {
	if strings.Contains(text, syscall.EADDRINUSE.Error()) {
		return fmt.Errorf("%w: %s; stop that process or choose another port", ErrPortTaken, hostPort(port))
	}
	return errors.New(text)
}
