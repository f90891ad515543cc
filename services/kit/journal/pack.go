package journal

import (
	"bytes"
	"fmt"
	"io"
	"sync"

	"github.com/klauspost/compress/gzip" // takes three fifths of the standard library's time, both ways

	"github.com/sidecart/sidecart/services/kit/sidecar"
)

// maxUnpackedBytes bounds what is unpacked, whatever a document says: a segment's events are bounded by maxSegmentBytes.
const maxUnpackedBytes = sidecar.MaxValueBytes

// A compressor has more than half a megabyte of tables, so they are used again. Both pools hold them as they come, and
// every use begins with Reset.
var (
	packers   = sync.Pool{New: func() any { return newPacker() }}
	unpackers = sync.Pool{New: func() any { return new(gzip.Reader) }}
)

func newPacker() *gzip.Writer {
	// The next levels take a tenth or a quarter longer and save at most 2 % of a hundred orders.
	w, err := gzip.NewWriterLevel(nil, gzip.BestSpeed)
	if err != nil {
		panic(err) // there is such a level
	}
	return w
}

// pack compresses b. Safe for concurrent use.
func pack(b []byte) ([]byte, error) {
	w := packers.Get().(*gzip.Writer) // only those are put there
	defer packers.Put(w)
	var to bytes.Buffer
	to.Grow(len(b) / 4) // what a hundred reservations take is a seventh
	w.Reset(&to)
	if _, err := w.Write(b); err != nil {
		return nil, err
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	return to.Bytes(), nil
}

// unpack gives what was packed, at most maxUnpackedBytes of it, and an error when it is more or was damaged. Safe for
// concurrent use.
func unpack(packed []byte) ([]byte, error) {
	r := unpackers.Get().(*gzip.Reader) // only those are put there
	defer unpackers.Put(r)
	if err := r.Reset(bytes.NewReader(packed)); err != nil {
		return nil, err
	}
	var to bytes.Buffer
	to.Grow(min(8*len(packed), maxUnpackedBytes))
	n, err := to.ReadFrom(io.LimitReader(r, maxUnpackedBytes+1))
	if err != nil {
		return nil, err
	}
	if n > maxUnpackedBytes {
		return nil, fmt.Errorf("they are more than %d bytes", maxUnpackedBytes)
	}
	return to.Bytes(), nil
}
