package httpx

import (
	"bytes"
	"sync"
)

// maxKeptBytes bounds a buffer that is kept for later: one large body must not hold its memory for ever.
const maxKeptBytes = 64 << 10

// buffers are empty and of no request.
var buffers = sync.Pool{New: func() any { return bytes.NewBuffer(make([]byte, 0, 2<<10)) }}

// takeBuffer gives an empty buffer. Who took it gives it back when nothing refers to its bytes any more.
func takeBuffer() *bytes.Buffer { return buffers.Get().(*bytes.Buffer) }

func giveBuffer(b *bytes.Buffer) {
	if b.Cap() > maxKeptBytes {
		return
	}
	b.Reset()
	buffers.Put(b)
}
