package plot

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"math"
	"slices"
	"strconv"
)

// Series is one line. X and Y have the same length, X does not fall.
type Series struct {
	Name string
	X, Y []float64
}

// Panel is lines that share a unit. Its axis begins at zero.
type Panel struct {
	Title  string // with the unit
	Height int    // of the drawing area, in pixels
	Series []Series
}

// Sizes in pixels.
const (
	width      = 860
	left       = 64
	right      = 190 // where the names of lines stand
	top        = 40
	gap        = 52 // between panels: the next one's title
	bottom     = 52
	nameHeight = 15
	maxTicks   = 7
)

// The colours of Okabe and Ito, which also colour-blind readers can tell apart, without yellow.
var colours = []string{"#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00", "#000000", "#7f7f7f", "#882255", "#44aa99", "#999933"}

// Render draws the panels. xTitle stands below the last; all of them share the range of X.
func Render(title, xTitle string, panels ...Panel) []byte {
	var xMax float64
	height := top + bottom - gap
	for _, p := range panels {
		height += p.Height + gap
		for _, s := range p.Series {
			xMax = max(xMax, slices.Max(append(s.X, 0)))
		}
	}
	d := &drawing{xMax: max(xMax, 1e-9)}
	d.line(`<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" width="%d" height="%d" font-family="system-ui, sans-serif" font-size="12">`,
		width, height+gap, width, height+gap)
	d.line(`<rect width="100%%" height="100%%" fill="#ffffff"/>`)
	d.text(left, 22, `font-size="15" font-weight="600"`, title)
	y := top + gap/2
	for _, p := range panels {
		d.panel(p, y)
		y += p.Height + gap
	}
	base := y - gap
	for _, x := range ticks(d.xMax) {
		d.text(d.x(x), base+18, `text-anchor="middle" fill="#444444"`, number(x))
	}
	d.text((left+width-right)/2, base+38, `text-anchor="middle" fill="#444444"`, xTitle)
	d.line("</svg>")
	return d.out.Bytes()
}

// drawing is the text so far.
type drawing struct {
	out  bytes.Buffer
	xMax float64
}

func (d *drawing) line(format string, args ...any) {
	fmt.Fprintf(&d.out, format+"\n", args...)
}

func (d *drawing) text(x, y int, attributes, text string) {
	var escaped bytes.Buffer
	_ = xml.EscapeText(&escaped, []byte(text)) // a bytes.Buffer takes everything
	d.line(`<text x="%d" y="%d" %s>%s</text>`, x, y, attributes, escaped.Bytes())
}

func (d *drawing) x(v float64) int {
	return left + int(math.Round(v/d.xMax*(width-left-right)))
}

// panel draws one panel whose area begins at y.
func (d *drawing) panel(p Panel, y int) {
	yMax := 1e-9
	for _, s := range p.Series {
		yMax = max(yMax, slices.Max(append(s.Y, 0)))
	}
	marks := ticks(yMax * 1.05)
	yMax = max(yMax*1.05, marks[len(marks)-1])
	at := func(v float64) int { return y + p.Height - int(math.Round(v/yMax*float64(p.Height))) }
	d.text(left, y-10, `font-weight="600" fill="#222222"`, p.Title)
	for _, v := range marks {
		d.line(`<line x1="%d" x2="%d" y1="%d" y2="%d" stroke="#dddddd"/>`, left, width-right, at(v), at(v))
		d.text(left-8, at(v)+4, `text-anchor="end" fill="#444444"`, number(v))
	}
	for _, v := range ticks(d.xMax) {
		d.line(`<line x1="%d" x2="%d" y1="%d" y2="%d" stroke="#eeeeee"/>`, d.x(v), d.x(v), y, y+p.Height)
	}
	ends := make([]int, len(p.Series))
	for i, s := range p.Series {
		var points bytes.Buffer
		for k := range s.X {
			fmt.Fprintf(&points, "%d,%d ", d.x(s.X[k]), at(s.Y[k]))
			ends[i] = at(s.Y[k])
		}
		d.line(`<polyline points="%s" fill="none" stroke="%s" stroke-width="1.7" stroke-linejoin="round"/>`,
			bytes.TrimSpace(points.Bytes()), colours[i%len(colours)])
	}
	for i, at := range spread(ends, y, y+p.Height) {
		d.text(width-right+8, at+4, fmt.Sprintf(`fill="%s"`, colours[i%len(colours)]), p.Series[i].Name)
	}
}

// spread moves the places of names apart so that none covers another, in the order of their lines' ends.
func spread(ends []int, low, high int) []int {
	order := make([]int, len(ends))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return ends[a] - ends[b] })
	out := slices.Clone(ends)
	next := low
	for _, i := range order {
		out[i] = max(out[i], next)
		next = out[i] + nameHeight
	}
	last := high
	for _, i := range slices.Backward(order) {
		out[i] = min(out[i], last)
		last = out[i] - nameHeight
	}
	return out
}

// ticks are round values from 0 to at most limit, which is positive; 2 to maxTicks+1 of them.
func ticks(limit float64) []float64 {
	step := math.Pow(10, math.Floor(math.Log10(limit)))
	for _, part := range []float64{0.1, 0.2, 0.5, 1, 2} {
		if limit/(step*part) <= maxTicks {
			step *= part
			break
		}
	}
	var out []float64
	for i := 0; float64(i)*step <= limit*(1+1e-9); i++ {
		out = append(out, float64(i)*step)
	}
	return out
}

// number is a tick's value without needless digits.
func number(v float64) string {
	return strconv.FormatFloat(math.Round(v*1e6)/1e6, 'f', -1, 64)
}
