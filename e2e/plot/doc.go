// Package plot draws lines over one common axis as SVG: panels below each other, a name at the end of every line. It is for
// the figures in docs/, which are to be read without a program and to change only where the data does: the same data gives
// the same bytes.
package plot
