package plot

import (
	"encoding/xml"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestRenderGivesWellFormedSVGWithEveryName(t *testing.T) {
	panels := []Panel{
		{Title: "memory, MB", Height: 200, Series: []Series{
			{Name: "a <b>", X: []float64{0, 1, 2}, Y: []float64{10, 20, 20}},
			{Name: "c", X: []float64{0, 1, 2}, Y: []float64{10, 19, 20}},
		}},
		{Title: "orders/s", Height: 80, Series: []Series{{Name: "nothing"}}},
	}
	svg := Render("title & more", "minutes", panels...)
	decoder := xml.NewDecoder(strings.NewReader(string(svg)))
	lines := 0
	for {
		token, err := decoder.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		require.NoError(t, err)
		if start, ok := token.(xml.StartElement); ok && start.Name.Local == "polyline" {
			lines++
		}
	}
	assert.Equal(t, 3, lines)
	for _, text := range []string{"title &amp; more", "a &lt;b&gt;", ">c<", "nothing", "minutes", "memory, MB"} {
		assert.Contains(t, string(svg), text)
	}
	assert.Equal(t, svg, Render("title & more", "minutes", panels...))
}

func TestTicksAreRoundAndFew(t *testing.T) {
	assert.Equal(t, []float64{0, 50, 100, 150, 200}, ticks(210))
	assert.Equal(t, []float64{0, 5, 10, 15, 20, 25}, ticks(25))
	for _, limit := range []float64{1e-9, 0.3, 1, 7, 10, 99, 1234, 1e9} {
		n := len(ticks(limit))
		assert.True(t, n >= 2 && n <= maxTicks+1, "%v: %d", limit, n)
	}
}

func TestSpreadKeepsNamesApart(t *testing.T) {
	out := spread([]int{100, 101, 99, 10}, 0, 120)
	assert.Less(t, out[2], out[0])
	assert.Less(t, out[0], out[1])
	for i, a := range out {
		for k, b := range out {
			if i != k {
				assert.GreaterOrEqual(t, max(a-b, b-a), nameHeight)
			}
		}
	}
	assert.LessOrEqual(t, out[1], 120)
}
