package compress

import "net/http"

// Page is a document that is made once and sent often: it is compressed once, as small as it gets.
type Page struct {
	plain []byte
	coded map[string][]byte
}

// NewPage compresses plain in every coding; it takes a few hundred milliseconds for a megabyte.
func NewPage(plain []byte) *Page {
	p := &Page{plain: plain, coded: map[string][]byte{}}
	for _, coding := range preference {
		if short, err := newBest(coding).encode(plain); err == nil && len(short) < len(plain) {
			p.coded[coding] = short
		}
	}
	return p
}

// pagePreference is by size alone: these bytes cost nothing any more.
var pagePreference = []string{"br", "zstd", "gzip"}

// Encode is Compressor.Encode for this page.
func (p *Page) Encode(h http.Header, acceptEncoding string) []byte {
	vary(h)
	coding := parseAccept(acceptEncoding).choose(pagePreference)
	if short := p.coded[coding]; short != nil {
		mark(h, coding)
		return short
	}
	return p.plain
}

// Plain is the page uncompressed.
func (p *Page) Plain() []byte { return p.plain }
