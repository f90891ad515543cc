package compress

import (
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"testing"

	"github.com/andybalholm/brotli"
	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

// orders is a page of n orders as the contract shapes them, about 520 bytes each.
func orders(n int) []byte {
	r := rand.New(rand.NewPCG(1, 2))
	var b bytes.Buffer
	b.WriteString(`{"items":[`)
	for i := range n {
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, `{"id":"%08x-%04x-5%03x-9c58-%012x","status":"paid","customer":"c-%d","lines":[`, r.Uint32(), r.IntN(1<<16), r.IntN(1<<12), r.Int64N(1<<48), r.IntN(1e6))
		for l := range 2 {
			if l > 0 {
				b.WriteByte(',')
			}
			fmt.Fprintf(&b, `{"sku":"mug-%d","title":"Mug, glazed, %d ml","quantity":%d,"unit_price":{"amount":%d,"currency":"EUR"}}`,
				r.IntN(500), 200+r.IntN(300), 1+r.IntN(4), 500+r.IntN(4000))
		}
		fmt.Fprintf(&b, `],"total":{"amount":%d,"currency":"EUR"},"pay_by":"2026-05-%02dT10:%02d:00.%06dZ","placed_at":"2026-05-%02dT09:%02d:00.%06dZ","payment":{"method":"card","status":"charged","attempt":1}}`,
			r.IntN(9000), 1+r.IntN(28), r.IntN(60), r.IntN(1e6), 1+r.IntN(28), r.IntN(60), r.IntN(1e6))
	}
	b.WriteString(`],"next_cursor":"b2Zmc2V0OjUw"}`)
	return b.Bytes()
}

// BenchmarkLevels is what the choice of levels comes from: microseconds and what is left of a page, by coding and level.
func BenchmarkLevels(b *testing.B) {
	for _, n := range []int{2, 10, 25, 100} {
		body := orders(n)
		measure := func(name string, once func(out *bytes.Buffer)) {
			b.Run(fmt.Sprintf("%dB/%s", len(body), name), func(b *testing.B) {
				var out bytes.Buffer
				for b.Loop() {
					out.Reset()
					once(&out)
				}
				b.ReportMetric(100*float64(out.Len())/float64(len(body)), "%left")
			})
		}
		for _, level := range []int{1, 3, 5} {
			w := brotli.NewWriterOptions(io.Discard, brotli.WriterOptions{Quality: level, LGWin: 18})
			measure(fmt.Sprintf("br-%d", level), func(out *bytes.Buffer) { w.Reset(out); _, _ = w.Write(body); _ = w.Close() })
		}
		for _, level := range []int{1, 2, 4} {
			w := brotli.NewWriterV2(io.Discard, level)
			measure(fmt.Sprintf("br2-%d", level), func(out *bytes.Buffer) { w.Reset(out); _, _ = w.Write(body); _ = w.Close() })
		}
		for _, coding := range preference {
			e := newEncoder(coding)
			measure("ours-"+coding, func(out *bytes.Buffer) {
				short, _ := e.encode(body)
				out.Write(short)
			})
		}
		for _, level := range []zstd.EncoderLevel{zstd.SpeedFastest, zstd.SpeedDefault, zstd.SpeedBetterCompression} {
			w, _ := zstd.NewWriter(nil, zstd.WithEncoderLevel(level), zstd.WithEncoderConcurrency(1), zstd.WithWindowSize(128<<10), zstd.WithLowerEncoderMem(true))
			measure("zstd-"+level.String(), func(out *bytes.Buffer) { out.Write(w.EncodeAll(body, out.AvailableBuffer())) })
		}
		for _, level := range []int{1, 3, 5, 6} {
			w, _ := gzip.NewWriterLevel(io.Discard, level)
			measure(fmt.Sprintf("gzip-%d", level), func(out *bytes.Buffer) { w.Reset(out); _, _ = w.Write(body); _ = w.Close() })
		}
	}
}

// BenchmarkEncode is what the gateway's stage costs an answer of 12 KB, and one that is too short for it.
func BenchmarkEncode(b *testing.B) {
	c := New(Config{}, nil)
	for name, body := range map[string][]byte{"12KB": orders(25), "short": orders(1)[:600]} {
		for _, accept := range []string{"", "gzip", "br", "zstd, br, gzip"} {
			b.Run(name+"/"+accept, func(b *testing.B) {
				h := http.Header{}
				b.ReportAllocs()
				for b.Loop() {
					clear(h)
					h["Content-Type"] = []string{"application/json"}
					c.Encode(h, http.StatusOK, accept, body)
				}
			})
		}
	}
}
