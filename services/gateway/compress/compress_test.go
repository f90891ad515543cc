package compress

import (
	"bytes"
	"io"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/andybalholm/brotli"
	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// plain undoes a coding.
func plain(t require.TestingT, coding string, b []byte) []byte {
	var r io.Reader = bytes.NewReader(b)
	var err error
	switch coding {
	case "gzip":
		r, err = gzip.NewReader(r)
	case "br":
		r = brotli.NewReader(r)
	case "zstd":
		var z *zstd.Decoder
		z, err = zstd.NewReader(r, zstd.WithDecoderConcurrency(1))
		defer z.Close()
		r = z
	}
	require.NoError(t, err)
	out, err := io.ReadAll(r)
	require.NoError(t, err)
	return out
}

func TestEveryCodingGivesBackWhatWentIn(t *testing.T) {
	for _, coding := range preference {
		e := newEncoder(coding) // used again for every body
		rapid.Check(t, func(t *rapid.T) {
			var body []byte
			switch rapid.IntRange(0, 2).Draw(t, "sort") {
			case 0:
				body = rapid.SliceOf(rapid.Byte()).Draw(t, "bytes")
			case 1:
				body = orders(rapid.IntRange(0, 40).Draw(t, "orders"))
			default: // longer than what an encoder looks back on
				body = bytes.Repeat(rapid.SliceOfN(rapid.Byte(), 1, 300).Draw(t, "unit"), rapid.IntRange(1, 900).Draw(t, "times"))
			}
			short, err := e.encode(body)
			require.NoError(t, err)
			assert.True(t, bytes.Equal(body, plain(t, coding, short)), coding)
		})
	}
}

func TestWhatIsCompressed(t *testing.T) {
	page := orders(10)
	cases := map[string]struct {
		status int
		header http.Header
		accept string
		body   []byte
		coding string
		varies bool
	}{
		"zstd before others":       {200, nil, "gzip, deflate, br, zstd", page, "zstd", true},
		"what the caller prefers":  {200, nil, "zstd;q=0.5, gzip;q=0.9", page, "gzip", true},
		"nothing asked for":        {200, nil, "", page, "", true},
		"only what we do not have": {200, nil, "deflate, compress", page, "", true},
		"created":                  {201, nil, "br", page, "br", true},
		"a problem that is long":   {400, http.Header{"Content-Type": {"application/problem+json"}}, "br", page, "br", true},
		"too short":                {200, nil, "br", page[:1000], "", false},
		"has a coding":             {200, http.Header{"Content-Encoding": {"gzip"}}, "br", page, "", false},
		"a secret":                 {200, http.Header{"Cache-Control": {"private, No-Store"}}, "br", page, "", false},
		"must stay as it is":       {200, http.Header{"Cache-Control": {"no-transform"}}, "br", page, "", false},
		"sets a cookie":            {200, http.Header{"Set-Cookie": {"a=b"}}, "br", page, "", false},
		"a range":                  {200, http.Header{"Content-Range": {"bytes 0-1/2"}}, "br", page, "", false},
		"a part":                   {206, nil, "br", page, "", false},
		"not modified":             {304, nil, "br", page, "", false},
		"a picture":                {200, http.Header{"Content-Type": {"image/png"}}, "br", page, "", false},
		"of no type":               {200, http.Header{"Content-Type": {""}}, "br", page, "", false},
		"of a broken type":         {200, http.Header{"Content-Type": {";"}}, "br", page, "", false},
		"with a charset":           {200, http.Header{"Content-Type": {"application/json; charset=utf-8"}}, "br", page, "br", true},
		"may be cached":            {200, http.Header{"Cache-Control": {"private, no-cache"}}, "br", page, "br", true},
	}
	c := New(Config{}, nil)
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			h := http.Header{"Content-Type": {"application/json"}}
			for k, v := range tc.header {
				h[k] = v
			}
			before := h.Clone()
			got := c.Encode(h, tc.status, tc.accept, tc.body)
			if tc.coding == "" {
				assert.Equal(t, tc.body, got)
				assert.Equal(t, before["Content-Encoding"], h["Content-Encoding"])
			} else {
				require.Equal(t, []string{tc.coding}, h["Content-Encoding"])
				assert.Less(t, len(got), len(tc.body)/2)
				assert.Equal(t, tc.body, plain(t, tc.coding, got))
			}
			assert.Equal(t, tc.varies, h.Get("Vary") == "Accept-Encoding", h.Get("Vary"))
		})
	}
}

func TestHeadersOfACompressedAnswer(t *testing.T) {
	c := New(Config{Codings: []string{"gzip"}}, nil)
	encode := func(h http.Header, accept string) http.Header {
		h["Content-Type"] = []string{"application/json"}
		c.Encode(h, http.StatusOK, accept, orders(10))
		return h
	}
	assert.Equal(t, `W/"1"`, encode(http.Header{"Etag": {`"1"`}}, "gzip").Get("ETag"), "it promised the same bytes")
	assert.Equal(t, `W/"1"`, encode(http.Header{"Etag": {`W/"1"`}}, "gzip").Get("ETag"))
	assert.Equal(t, `"1"`, encode(http.Header{"Etag": {`"1"`}}, "br").Get("ETag"))
	assert.Equal(t, []string{"X-Client", "Accept-Encoding"}, encode(http.Header{"Vary": {"X-Client"}}, "gzip")["Vary"])
	for _, there := range []string{"*", "X-Client, accept-encoding"} {
		assert.Equal(t, []string{there}, encode(http.Header{"Vary": {there}}, "gzip")["Vary"])
	}
}

func TestAccept(t *testing.T) {
	for header, want := range map[string]string{
		"":                             "",
		"gzip":                         "gzip",
		"GZIP":                         "gzip",
		"x-gzip":                       "gzip",
		"*":                            "zstd",
		"*;q=0":                        "",
		"*, zstd;q=0":                  "br",
		"br;q=1.0, gzip;q=1":           "br",
		"br;q=0.001":                   "br",
		"br;q=0":                       "",
		"br;q=0.000":                   "",
		"br ; q = 0.5 , gzip;q=0.6":    "gzip",
		"identity, gzip;q=0.5":         "",
		"identity;q=0.5, gzip;q=0.5":   "gzip",
		"identity;q=0":                 "",
		"gzip;q=1.001":                 "",
		"gzip;q=2":                     "",
		"gzip;q=0.5555":                "",
		"gzip;q=.5":                    "",
		"gzip;q=":                      "",
		"gzip;level=9":                 "",
		"gzip;q=0.x":                   "",
		",,;,gzip,":                    "gzip",
		strings.Repeat("x,", 5000):     "",
		"deflate, gzip;q=1.0, *;q=0.5": "gzip",
	} {
		assert.Equal(t, want, parseAccept(header).choose(preference), header)
	}
}

func FuzzAccept(f *testing.F) {
	f.Add("gzip;q=0.5, *;q=0, br")
	f.Fuzz(func(t *testing.T, header string) {
		chosen := parseAccept(header).choose(preference)
		if chosen != "" && !strings.Contains(strings.ToLower(header), chosen) && !strings.Contains(header, "*") {
			t.Fatalf("%q was chosen of %q, which has not heard of it", chosen, header)
		}
	})
}

func TestWhoFindsNoEncoderSendsPlain(t *testing.T) {
	reg := prometheus.NewRegistry()
	c := New(Config{Encoders: 1, Codings: []string{"br", "gzip"}}, NewMetrics(reg))
	taken := <-c.free["br"]
	ask := func() http.Header {
		h := http.Header{"Content-Type": {"application/json"}}
		c.Encode(h, http.StatusOK, "br", orders(10))
		return h
	}
	h := ask()
	assert.Empty(t, h["Content-Encoding"])
	assert.Equal(t, "Accept-Encoding", h.Get("Vary"))
	c.free["br"] <- taken
	assert.Equal(t, "br", ask().Get("Content-Encoding"))
	assert.NoError(t, testutil.GatherAndCompare(reg, strings.NewReader(`
# HELP gateway_compression_skipped_total Answers that a caller would have taken compressed and got plain: no encoder was free (busy), or it would have been no shorter (larger).
# TYPE gateway_compression_skipped_total counter
gateway_compression_skipped_total{why="busy"} 1
gateway_compression_skipped_total{why="larger"} 0
`), "gateway_compression_skipped_total"))
	assert.InDelta(t, float64(len(orders(10))), testutil.ToFloat64(c.count.of("br").before), 0)
}

func TestWhatGetsNoShorterGoesOutPlain(t *testing.T) {
	noise := make([]byte, 2000)
	r := rand.New(rand.NewPCG(3, 4))
	for i := range noise {
		noise[i] = byte(r.Uint32())
	}
	h := http.Header{"Content-Type": {"text/plain"}}
	assert.Equal(t, noise, New(Config{}, nil).Encode(h, http.StatusOK, "gzip", noise))
	assert.Empty(t, h["Content-Encoding"])
}

func TestManyAtOnce(t *testing.T) {
	c := New(Config{Encoders: 2}, nil)
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			body := orders(5 + i)
			for _, accept := range []string{"br", "zstd", "gzip", "br", "zstd", "gzip"} {
				h := http.Header{"Content-Type": {"application/json"}}
				got := c.Encode(h, http.StatusOK, accept, body)
				assert.Equal(t, body, plain(t, h.Get("Content-Encoding"), got))
			}
		})
	}
	wg.Wait()
	for coding, free := range c.free {
		assert.Len(t, free, 2, coding)
	}
}

func TestPagesAreCompressedOnce(t *testing.T) {
	body := orders(20)
	p := NewPage(body)
	assert.Equal(t, body, p.Plain())
	for accept, coding := range map[string]string{"gzip, br, zstd": "br", "zstd": "zstd", "gzip": "gzip", "": ""} {
		h := http.Header{"Etag": {`"1"`}}
		assert.Equal(t, body, plain(t, coding, p.Encode(h, accept)), accept)
		assert.Equal(t, coding, h.Get("Content-Encoding"))
		assert.Equal(t, "Accept-Encoding", h.Get("Vary"))
	}
	tiny := NewPage([]byte("x"))
	h := http.Header{}
	assert.Equal(t, []byte("x"), tiny.Encode(h, "br"))
	assert.Empty(t, h["Content-Encoding"])
}

func TestFaultsOfTheConfiguration(t *testing.T) {
	assert.Empty(t, Config{}.Check())
	assert.Empty(t, Config{Off: true, MinBytes: 256, Codings: []string{"gzip"}, Encoders: 1}.Check())
	var places []string
	for _, f := range (Config{MinBytes: 100, Codings: []string{"gzip", "lz4", "gzip"}, Encoders: -1}).Check() {
		places = append(places, f.Place)
	}
	assert.Equal(t, []string{"/min_bytes", "/encoders", "/codings/1", "/codings/2"}, places)
	assert.Len(t, Config{Codings: []string{}}.Check(), 1)

	off := New(Config{Off: true}, nil)
	assert.Equal(t, orders(9), off.Encode(http.Header{"Content-Type": {"application/json"}}, 200, "br", orders(9)))
	assert.Equal(t, orders(9), (*Compressor)(nil).Encode(http.Header{}, 200, "br", orders(9)))
}
