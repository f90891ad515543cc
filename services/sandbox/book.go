package sandbox

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"

	"github.com/go-json-experiment/json"
)

// maxLineBytes bounds one record of a book.
const maxLineBytes = 512 << 10

// recentRecords is how many of the last records a book can show backwards.
const recentRecords = 50

// book is an append-only file of JSON lines. A record is on disk when append returns; records that are appended at
// the same time share one sync. It is safe for concurrent use.
type book[R any] struct {
	file *os.File

	mu      sync.Mutex
	next    *batch  // what the next write takes along
	writing bool    // somebody writes; whoever comes waits for their batch
	end     int64   // offset behind the last record that is on disk
	recent  []int64 // offsets of the last records
	count   int
	broken  error // the file could not be repaired after a failed write
}

// batch is some records that are written together.
type batch struct {
	lines bytes.Buffer
	ends  []int // where each line ends in lines
	start int64 // offset of the first line, valid after done
	done  chan struct{}
	err   error
}

// openBook opens or makes the file and gives every record in it to each, with its offset. A last line that is not
// whole is cut off; a broken line elsewhere is an error that names it.
func openBook[R any](path string, each func(offset int64, r R) error) (*book[R], error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return nil, err
	}
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	b := &book[R]{file: file, next: newBatch()}
	if err := b.load(each); err != nil {
		return nil, errors.Join(fmt.Errorf("sandbox: %s: %w", path, err), file.Close())
	}
	return b, nil
}

func newBatch() *batch { return &batch{done: make(chan struct{})} }

// load reads every whole line and cuts off what comes after the last one.
func (b *book[R]) load(each func(int64, R) error) error {
	reader := bufio.NewReaderSize(b.file, 64<<10)
	for {
		line, err := readLine(reader)
		if err == io.EOF {
			break // a rest without a line end was never answered to
		}
		if err != nil {
			return err
		}
		var r R
		if err := json.Unmarshal(line, &r); err != nil {
			return fmt.Errorf("record %d at byte %d cannot be read; move the file away to start anew: %w", b.count+1, b.end, err)
		}
		if err := each(b.end, r); err != nil {
			return err
		}
		b.remember(b.end)
		b.end += int64(len(line))
	}
	return b.cut()
}

// readLine gives the next line with its end; io.EOF when there is no whole one.
func readLine(r *bufio.Reader) ([]byte, error) {
	var line []byte
	for {
		part, err := r.ReadSlice('\n')
		line = append(line, part...)
		switch {
		case err == nil:
			return line, nil
		case err != bufio.ErrBufferFull:
			return nil, err
		case len(line) > maxLineBytes:
			return nil, fmt.Errorf("a record is over %d bytes", maxLineBytes)
		}
	}
}

// cut removes what is behind the last whole record.
func (b *book[R]) cut() error {
	if err := b.file.Truncate(b.end); err != nil {
		return err
	}
	return b.file.Sync()
}

// remember notes a record for the list of recent ones.
func (b *book[R]) remember(offset int64) {
	b.count++
	if b.recent = append(b.recent, offset); len(b.recent) > 2*recentRecords {
		b.recent = append(b.recent[:0], b.recent[len(b.recent)-recentRecords:]...)
	}
}

// append writes the record and returns its offset once it is on disk. After an error it is not in the book.
func (b *book[R]) append(r R) (int64, error) {
	line, err := json.Marshal(r)
	if err != nil {
		return 0, err
	}
	if len(line) >= maxLineBytes {
		return 0, fmt.Errorf("a record is over %d bytes", maxLineBytes)
	}
	b.mu.Lock()
	mine := b.next
	at := mine.lines.Len()
	mine.lines.Write(append(line, '\n'))
	mine.ends = append(mine.ends, mine.lines.Len())
	if !b.writing {
		b.writing = true
		b.write()
	}
	b.mu.Unlock()
	<-mine.done
	return mine.start + int64(at), mine.err
}

// write writes batches until none waits. It is called, and returns, with the lock held.
func (b *book[R]) write() {
	for b.next.lines.Len() > 0 {
		now, end, err := b.next, b.end, b.broken
		b.next = newBatch()
		b.mu.Unlock()
		if err == nil {
			if _, err = b.file.WriteAt(now.lines.Bytes(), end); err == nil {
				err = b.file.Sync()
			}
		}
		b.mu.Lock()
		now.start, now.err = end, err
		if err != nil {
			if b.broken == nil {
				b.broken = b.cut()
			}
		} else {
			start := end
			for _, lineEnd := range now.ends {
				b.remember(start)
				start = end + int64(lineEnd)
			}
			b.end = start
		}
		close(now.done)
	}
	b.writing = false
}

// read gives the record at an offset and the offset behind it.
func (b *book[R]) read(offset int64) (r R, next int64, err error) {
	b.mu.Lock()
	end := b.end
	b.mu.Unlock()
	if offset < 0 || offset >= end {
		return r, end, io.EOF
	}
	line, err := readLine(bufio.NewReader(io.NewSectionReader(b.file, offset, end-offset)))
	if err != nil {
		return r, offset, err
	}
	return r, offset + int64(len(line)), json.Unmarshal(line, &r)
}

// scan gives the records from an offset on that keep wants, at most limit, and the offset to go on from, which is 0
// at the end.
func (b *book[R]) scan(offset int64, limit int, keep func(R) bool) (items []R, next int64, err error) {
	b.mu.Lock()
	end := b.end
	b.mu.Unlock()
	if offset < 0 || offset > end {
		return nil, 0, errOffset
	}
	reader := bufio.NewReaderSize(io.NewSectionReader(b.file, offset, end-offset), 64<<10)
	for offset < end && len(items) < limit {
		line, err := readLine(reader)
		if err != nil {
			return nil, 0, err
		}
		var r R
		if err := json.Unmarshal(line, &r); err != nil {
			return nil, 0, errOffset
		}
		offset += int64(len(line))
		if keep(r) {
			items = append(items, r)
		}
	}
	if offset >= end {
		offset = 0
	}
	return items, offset, nil
}

// errOffset says that an offset is not the beginning of a record.
var errOffset = errors.New("not the beginning of a record")

// last gives the newest records, the newest first, and how many there are in all.
func (b *book[R]) last() (items []R, count int) {
	b.mu.Lock()
	offsets, count := append([]int64{}, b.recent...), b.count
	b.mu.Unlock()
	for i := len(offsets) - 1; i >= 0 && len(items) < recentRecords; i-- {
		if r, _, err := b.read(offsets[i]); err == nil {
			items = append(items, r)
		}
	}
	return items, count
}

func (b *book[R]) close() error { return b.file.Close() }
