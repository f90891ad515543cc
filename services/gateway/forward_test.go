package gateway

import (
	"bytes"
	"io"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// However an answer comes, and whatever is announced of it, there is never more of it than its bound.
func TestAnAnswerIsReadUpToItsBound(t *testing.T) {
	const text, bound = "0123456789", 10
	for name, c := range map[string]struct {
		body      io.Reader
		announced int64
		want      string
	}{
		"announced":                    {strings.NewReader(text), 10, text},
		"not announced":                {strings.NewReader(text), -1, text},
		"not announced, and too long":  {strings.NewReader(text + "+"), -1, text},
		"more than announced":          {strings.NewReader(text + "+"), 10, text},
		"more is announced than taken": {strings.NewReader(text + "+"), 11, text},
		"there already":                {piece{bytes.NewBufferString(text)}, 10, text},
		"there already, and too long":  {piece{bytes.NewBufferString(text + "+")}, 11, text},
		"there already, partly read":   {partlyRead(text, 4), 10, text[4:]},
		"nothing":                      {piece{&bytes.Buffer{}}, 0, ""},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := readAll(c.body, c.announced, bound, bound)
			require.NoError(t, err)
			require.Equal(t, c.want, string(got))
		})
	}
	_, err := readAll(strings.NewReader("short"), 10, bound, bound)
	require.ErrorIs(t, err, io.ErrUnexpectedEOF)
}

func partlyRead(text string, bytesRead int) piece {
	p := piece{bytes.NewBufferString(text)}
	p.Next(bytesRead)
	return p
}

// What is there already is not copied, which an answer pays for with its size.
func TestAnAnswerThatIsThereIsNotCopied(t *testing.T) {
	p := piece{bytes.NewBufferString("an answer")}
	require.Zero(t, testing.AllocsPerRun(100, func() {
		if b, err := readAll(p, 9, 100, 100); err != nil || len(b) != 9 {
			t.Fatal(b, err)
		}
	}))
}
