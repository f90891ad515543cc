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

// A compressor has more than half a megabyte of tables, and a segment's events take some ten thousand bytes, so they are used again. Both
// pools hold them as they come, and every use begins with Reset.
var (
	packers   = sync.Pool{New: func() any { return newPacker() }}
	unpackers = sync.Pool{New: func() any { return new(unpacker) }}
)

// packer compresses, and keeps the memory that it takes for that.
type packer struct {
	gzip   *gzip.Writer
	events []byte // of a segment, bounded by maxSegmentBytes
	packed bytes.Buffer
}

func newPacker() *packer {
	// The next levels take a tenth or a quarter longer and save at most 2 % of a hundred orders.
	w, err := gzip.NewWriterLevel(nil, gzip.BestSpeed)
	if err != nil {
		panic(err) // there is such a level
	}
	return &packer{gzip: w}
}

// pack compresses p.events; the result is the packer's.
func (p *packer) pack() ([]byte, error) {
	p.packed.Reset()
	p.gzip.Reset(&p.packed)
	if _, err := p.gzip.Write(p.events); err != nil {
		return nil, err
	}
	if err := p.gzip.Close(); err != nil {
		return nil, err
	}
	return p.packed.Bytes(), nil
}

// unpacker undoes what a packer does, and keeps the memory that it takes for that.
type unpacker struct {
	gzip   gzip.Reader
	events bytes.Buffer // of a segment, bounded by maxUnpackedBytes
}

// unpack has what was packed read, at most maxUnpackedBytes of it; read must keep nothing of it. An error is read's, or says that it is
// more or was damaged. Safe for concurrent use.
func unpack(packed []byte, read func(events []byte) error) error {
	u := unpackers.Get().(*unpacker) // only those are put there
	defer unpackers.Put(u)
	if err := u.gzip.Reset(bytes.NewReader(packed)); err != nil {
		return err
	}
	u.events.Reset()
	n, err := u.events.ReadFrom(io.LimitReader(&u.gzip, maxUnpackedBytes+1))
	if err != nil {
		return err
	}
	if n > maxUnpackedBytes {
		return fmt.Errorf("they are more than %d bytes", maxUnpackedBytes)
	}
	return read(u.events.Bytes())
}
