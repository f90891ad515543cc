package identity

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// BenchmarkVerify compares a token that is remembered with one whose signature must be checked.
func BenchmarkVerify(b *testing.B) {
	f := newFixture(b).run(b)
	token := f.sign(b, ada())
	_, _, err := f.Verify(b.Context(), token)
	require.NoError(b, err)
	b.Run("remembered", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, _, err := f.Verify(b.Context(), token); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("signature", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := f.check(b.Context(), token); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// BenchmarkSign is what a sign-in or a refresh spends on its token.
func BenchmarkSign(b *testing.B) {
	keys := newTestKeys(b)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := keys.Sign(ada()); err != nil {
			b.Fatal(err)
		}
	}
}
