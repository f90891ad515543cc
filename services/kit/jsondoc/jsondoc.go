// Package jsondoc compares JSON documents by what they say. Stores may keep a form of their own of one (PostgreSQL's jsonb,
// MySQL's JSON): other members first, other spaces, other escapes. What is read back is compared with what was written by this.
//
// It has no state; its function may be called at any time from anywhere.
package jsondoc

import (
	"bytes"
	"encoding/json" // for its numbers, which keep their digits
	"errors"
	"io"
	"math/big"
	"strings"
)

// Same tells whether two JSON texts say the same: members in any order, strings after unescaping, numbers by their exact
// value, so 1.50 is 1.5 and 9007199254740993 is not 9007199254740992 (RFC 8785's canonical form takes these for one: its
// numbers are floats of 64 bits). Texts that are no document are the same only to the letter.
func Same(a, b []byte) bool {
	if bytes.Equal(a, b) {
		return true
	}
	x, errX := document(a)
	y, errY := document(b)
	return errX == nil && errY == nil && same(x, y)
}

func document(text []byte) (value any, err error) {
	in := json.NewDecoder(bytes.NewReader(text))
	in.UseNumber()
	if err := in.Decode(&value); err != nil {
		return nil, err
	}
	if _, err := in.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("more than one document")
	}
	return value, nil
}

func same(a, b any) bool {
	switch x := a.(type) {
	case json.Number:
		y, ok := b.(json.Number)
		return ok && sameNumber(string(x), string(y))
	case []any:
		y, ok := b.([]any)
		if !ok || len(x) != len(y) {
			return false
		}
		for i := range x {
			if !same(x[i], y[i]) {
				return false
			}
		}
		return true
	case map[string]any:
		y, ok := b.(map[string]any)
		if !ok || len(x) != len(y) {
			return false
		}
		for name := range x {
			other, there := y[name]
			if !there || !same(x[name], other) {
				return false
			}
		}
		return true
	default: // strings, booleans and null
		return a == b
	}
}

// sameNumber compares exactly. Exponents are bounded, because 1e999999999 written out would fill the memory.
func sameNumber(a, b string) bool {
	const maxDigits, maxExponentDigits = 2000, 4
	if a == b {
		return true
	}
	for _, n := range []string{a, b} {
		_, exponent, _ := strings.Cut(strings.ToLower(n), "e")
		if len(n) > maxDigits || len(strings.TrimLeft(exponent, "+-0")) > maxExponentDigits {
			return false
		}
	}
	x, okX := new(big.Rat).SetString(a)
	y, okY := new(big.Rat).SetString(b)
	return okX && okY && x.Cmp(y) == 0
}
