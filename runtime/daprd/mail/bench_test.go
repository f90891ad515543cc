package mail

import (
	"testing"

	"github.com/dapr/components-contrib/bindings"
	"github.com/dapr/components-contrib/bindings/smtp"
	"github.com/dapr/kit/logger"
)

// BenchmarkMail is one mail after another to a server on this machine, whose part is in the figures.
func BenchmarkMail(b *testing.B) {
	for _, c := range []struct {
		name string
		make func(logger.Logger) bindings.OutputBinding
	}{{"contrib", smtp.NewSMTP}, {"ours", New}} {
		b.Run(c.name, func(b *testing.B) {
			server := new(mailServer).start(b, false, false)
			binding := c.make(logger.NewLogger("test"))
			if err := binding.Init(b.Context(), server.component()); err != nil {
				b.Fatal(err)
			}
			b.ReportAllocs()
			for b.Loop() {
				if _, err := binding.Invoke(b.Context(), request("b@example.invalid")); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(server.opened.Load())/float64(b.N), "connections/op")
			if err := binding.Close(); err != nil {
				b.Fatal(err)
			}
		})
	}
}
