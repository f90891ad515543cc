package mail

import (
	"context"
	"fmt"
	"time"

	"github.com/dapr/components-contrib/bindings"
	"github.com/dapr/components-contrib/bindings/smtp"
	"github.com/dapr/kit/logger"
	kitmeta "github.com/dapr/kit/metadata"
)

// sendWithin bounds a mail whose caller sets no limit of its own: waiting for
// a connection, opening one and sending.
const sendWithin = time.Minute

// New returns the binding; Init makes it usable. Invoke may be called from any
// goroutine, Close at any time: mails under way are still sent.
func New(log logger.Logger) bindings.OutputBinding {
	return &binding{OutputBinding: smtp.NewSMTP(log), log: log}
}

// binding embeds contrib's, which knows its operations and metadata and checks
// a component; it sends nothing.
type binding struct {
	bindings.OutputBinding
	log  logger.Logger
	meta smtp.Metadata
	pool *pool
}

// Init refuses what contrib's mailer refuses, in its words. It connects to
// nobody: a mail server may be away when the sidecar starts.
func (b *binding) Init(ctx context.Context, meta bindings.Metadata) error {
	if err := b.OutputBinding.Init(ctx, meta); err != nil {
		return err
	}
	if err := kitmeta.DecodeMetadata(meta.Properties, &b.meta); err != nil {
		return err
	}
	var err error
	if b.meta.Priority, err = priority(meta.Properties["priority"]); err != nil {
		return err
	}
	b.pool = newPool(usual, newServer(b.meta).dial)
	return nil
}

// Invoke sends one mail, whatever the operation is.
func (b *binding) Invoke(ctx context.Context, req *bindings.InvokeRequest) (*bindings.InvokeResponse, error) {
	l, err := compose(b.meta, req)
	if err != nil {
		return nil, fmt.Errorf("smtp binding error: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, sendWithin)
	defer cancel()
	if err := b.pool.send(ctx, l); err != nil {
		return nil, fmt.Errorf("error from smtp binding, sending email failed: %w", err)
	}
	b.log.Debug("smtp binding: sent email successfully")
	return nil, nil
}

// Close ends the connections that wait for a mail.
func (b *binding) Close() error {
	if b.pool != nil {
		b.pool.close()
	}
	return b.OutputBinding.Close()
}
