package compress

import (
	"bytes"
	"io"

	"github.com/andybalholm/brotli"
	"github.com/andybalholm/brotli/matchfinder"
	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

// The levels are those where another one costs much more time than it saves bytes, on pages of 1 to 50 KB (BenchmarkLevels,
// docs/terminals.md). windowBytes bounds what an encoder looks back on, and with it its memory.
const (
	gzipLevel   = 5
	windowBytes = 64 << 10
	// brotliTableBits makes a table of 64 KB instead of the library's 512 KB, which costs as much time to clear as an answer of
	// a few KB to compress, and finds as much in answers of this size.
	brotliTableBits = 14
	brotliHashBytes = 5
	// brotliPageLevel takes 24 ms for 127 KB of contract and leaves 9.9 KB; the best, 11, takes 240 ms and leaves 8.9 KB.
	brotliPageLevel = 9
	// brotliDistanceCost is the library's own: how many 256ths of a byte a bit of distance is worth.
	brotliDistanceCost = 66
)

// maxKeptBytes bounds the buffer that an encoder keeps from one answer to the next.
const maxKeptBytes = 64 << 10

// encoder compresses one body at a time.
type encoder struct {
	out   bytes.Buffer
	write resetter
}

// resetter is what brotli and gzip have in common.
type resetter interface {
	io.WriteCloser
	Reset(io.Writer)
}

// newEncoder makes an encoder of one of the codings; it takes its memory when it is first used.
func newEncoder(coding string) *encoder {
	switch coding {
	case "zstd":
		return &encoder{write: newZstd(zstd.SpeedFastest)}
	case "br":
		return &encoder{write: &matchfinder.Writer{
			MatchFinder: &matchfinder.M4{
				MaxDistance: windowBytes - 1, TableBits: brotliTableBits, HashLen: brotliHashBytes, DistanceBitCost: brotliDistanceCost,
			},
			Encoder: &brotli.Encoder{}, BlockSize: windowBytes,
		}}
	default:
		return &encoder{write: newGzip(gzipLevel)}
	}
}

// newBest is an encoder of a smaller result, for what is compressed once and sent often.
func newBest(coding string) *encoder {
	switch coding {
	case "zstd":
		return &encoder{write: newZstd(zstd.SpeedBestCompression)}
	case "br":
		return &encoder{write: brotli.NewWriterLevel(nil, brotliPageLevel)}
	default:
		return &encoder{write: newGzip(gzip.BestCompression)}
	}
}

// newZstd writes no checksum: TLS and TCP have theirs, and browsers do not look at it.
func newZstd(level zstd.EncoderLevel) *zstd.Encoder {
	z, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(level), zstd.WithEncoderConcurrency(1), zstd.WithLowerEncoderMem(true),
		zstd.WithWindowSize(windowBytes), zstd.WithEncoderCRC(false))
	if err != nil {
		panic(err) // the options are constants of ours
	}
	return z
}

func newGzip(level int) *gzip.Writer {
	g, err := gzip.NewWriterLevel(nil, level)
	if err != nil {
		panic(err) // the level is a constant of ours
	}
	return g
}

// encode gives body compressed; the result is the caller's.
func (e *encoder) encode(body []byte) ([]byte, error) {
	if z, ok := e.write.(*zstd.Encoder); ok { // in one piece it needs no buffers of its own
		return bytes.Clone(z.EncodeAll(body, e.scratch())), nil
	}
	e.out.Reset()
	e.write.Reset(&e.out)
	_, err := e.write.Write(body)
	if closed := e.write.Close(); err == nil {
		err = closed
	}
	result := bytes.Clone(e.out.Bytes())
	if e.out.Cap() > maxKeptBytes {
		e.out = bytes.Buffer{}
	}
	return result, err
}

// scratch is room that is used again and again, up to maxKeptBytes.
func (e *encoder) scratch() []byte {
	e.out.Reset()
	e.out.Grow(maxKeptBytes / 4)
	return e.out.AvailableBuffer()
}
