package mail

import (
	"context"

	"github.com/dapr/components-contrib/bindings"
	"github.com/dapr/components-contrib/bindings/smtp"
	"github.com/dapr/kit/logger"
)

// New returns the binding; Init makes it usable. Invoke may be called from any
// goroutine.
func New(log logger.Logger) bindings.OutputBinding {
	return &binding{OutputBinding: smtp.NewSMTP(log)}
}

// binding embeds the one mailer that answers what is the same for all messages.
type binding struct {
	bindings.OutputBinding
	meta  bindings.Metadata
	quiet logger.Logger
}

// Init checks meta as contrib does.
func (b *binding) Init(ctx context.Context, meta bindings.Metadata) error {
	b.meta = meta
	// A mailer repeats its remarks about the configuration each time it is
	// made. They have been logged once, here.
	b.quiet = logger.NewLogger("sidecart.mail")
	b.quiet.SetOutputLevel(logger.ErrorLevel)
	return b.OutputBinding.Init(ctx, meta)
}

// Invoke sends one message.
func (b *binding) Invoke(ctx context.Context, req *bindings.InvokeRequest) (*bindings.InvokeResponse, error) {
	mailer := smtp.NewSMTP(b.quiet)
	if err := mailer.Init(ctx, b.meta); err != nil {
		return nil, err
	}
	return mailer.Invoke(ctx, req)
}
