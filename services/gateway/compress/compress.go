package compress

import (
	"mime"
	"net/http"
	"strings"

	"github.com/prometheus/client_golang/prometheus"
)

// Compressor compresses answers. Its methods are safe for concurrent use.
type Compressor struct {
	cfg   Config
	free  map[string]chan *encoder // by coding; what is in it is nobody's
	count *counts
}

// New makes a compressor of a configuration that Check finds nothing wrong with. metrics may be nil.
func New(cfg Config, m *Metrics) *Compressor {
	cfg = cfg.withDefaults()
	c := &Compressor{cfg: cfg, free: map[string]chan *encoder{}, count: m.of(cfg.Codings)}
	for _, coding := range cfg.Codings {
		c.free[coding] = make(chan *encoder, cfg.Encoders)
		for range cfg.Encoders {
			c.free[coding] <- nil // made when it is first taken
		}
	}
	return c
}

// Encode gives what to send of an answer in place of body: body itself, or it compressed in a coding that
// acceptEncoding allows; h, the answer's header, is changed accordingly. Content-Length is left to whoever writes. body
// must not be changed while the result is in use. A nil Compressor compresses nothing.
func (c *Compressor) Encode(h http.Header, status int, acceptEncoding string, body []byte) []byte {
	if c == nil || c.cfg.Off || len(body) < c.cfg.MinBytes || !suitable(h, status) {
		return body
	}
	vary(h)
	coding := parseAccept(acceptEncoding).choose(c.cfg.Codings)
	if coding == "" {
		return body
	}
	free := c.free[coding]
	var e *encoder
	select {
	case e = <-free:
	default:
		c.count.busy.Inc()
		return body
	}
	if e == nil {
		e = newEncoder(coding)
	}
	short, err := e.encode(body)
	free <- e
	if err != nil || len(short) >= len(body) {
		c.count.larger.Inc()
		return body
	}
	c.count.of(coding).add(len(body), len(short))
	mark(h, coding)
	return short
}

// suitable tells whether an answer may be compressed, whoever asks.
func suitable(h http.Header, status int) bool {
	if status < http.StatusOK || status == http.StatusNoContent || status == http.StatusPartialContent || status == http.StatusNotModified {
		return false
	}
	if len(h["Content-Encoding"]) > 0 || len(h["Content-Range"]) > 0 || len(h["Set-Cookie"]) > 0 {
		return false
	}
	for _, value := range h["Cache-Control"] {
		for directive := range strings.SplitSeq(value, ",") {
			directive = strings.TrimSpace(directive)
			if strings.EqualFold(directive, "no-store") || strings.EqualFold(directive, "no-transform") {
				return false
			}
		}
	}
	return compressible(h.Get("Content-Type"))
}

// compressible tells the media types that are text. All of them are usual here but the suffixes.
func compressible(contentType string) bool {
	switch contentType {
	case "application/json", "text/html; charset=utf-8":
		return true
	case "":
		return false
	}
	mediaType, _, err := mime.ParseMediaType(contentType)
	if err != nil {
		return false
	}
	return strings.HasPrefix(mediaType, "text/") || strings.HasSuffix(mediaType, "+json") || strings.HasSuffix(mediaType, "+xml") ||
		mediaType == "application/json" || mediaType == "application/yaml" || mediaType == "application/javascript"
}

// vary says that the answer depends on Accept-Encoding, also where it is not compressed this time: a cache would
// otherwise give the plain one to all, or the compressed one to somebody who cannot read it.
func vary(h http.Header) {
	for _, value := range h["Vary"] {
		for name := range strings.SplitSeq(value, ",") {
			if name = strings.TrimSpace(name); name == "*" || strings.EqualFold(name, "Accept-Encoding") {
				return
			}
		}
	}
	h.Add("Vary", "Accept-Encoding")
}

// mark tells the coding. A strong ETag becomes a weak one: it promises the same bytes, and the plain answer has others.
// If-None-Match compares weakly, so a caller who has either still gets his 304.
func mark(h http.Header, coding string) {
	h["Content-Encoding"] = []string{coding}
	if tag := h["Etag"]; len(tag) == 1 && !strings.HasPrefix(tag[0], "W/") {
		h["Etag"] = []string{"W/" + tag[0]}
	}
}

// Metrics are the counters of all compressors that there are one after another.
type Metrics struct {
	answers *prometheus.CounterVec
	bytes   *prometheus.CounterVec
	skipped *prometheus.CounterVec
}

// NewMetrics registers the counters.
func NewMetrics(reg prometheus.Registerer) *Metrics {
	m := &Metrics{
		answers: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "gateway_compressed_answers_total", Help: "Answers that went out compressed.",
		}, []string{"coding"}),
		bytes: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "gateway_compressed_bytes_total", Help: "Bytes of the compressed answers, before and after.",
		}, []string{"coding", "side"}),
		skipped: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "gateway_compression_skipped_total",
			Help: "Answers that a caller would have taken compressed and got plain: no encoder was free (busy), or it would have been no shorter (larger).",
		}, []string{"why"}),
	}
	reg.MustRegister(m.answers, m.bytes, m.skipped)
	return m
}

// counts are the counters looked up once.
type counts struct {
	by           map[string]coded
	busy, larger prometheus.Counter
}

type coded struct{ answers, before, after prometheus.Counter }

func (m *Metrics) of(codings []string) *counts {
	if m == nil {
		m = NewMetrics(prometheus.NewRegistry())
	}
	c := &counts{by: map[string]coded{}, busy: m.skipped.WithLabelValues("busy"), larger: m.skipped.WithLabelValues("larger")}
	for _, coding := range codings {
		c.by[coding] = coded{m.answers.WithLabelValues(coding), m.bytes.WithLabelValues(coding, "before"), m.bytes.WithLabelValues(coding, "after")}
	}
	return c
}

func (c *counts) of(coding string) coded { return c.by[coding] }

func (c coded) add(before, after int) {
	c.answers.Inc()
	c.before.Add(float64(before))
	c.after.Add(float64(after))
}
