package conformance

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"strings"

	"github.com/sidecart/sidecart/services/kit/sidecar"
)

// valueChecks are about documents coming back as they went.
func valueChecks() []check {
	return []check{
		{Property{
			"value-sizes", fmt.Sprintf("values from 1 byte to %d KB come back whole", sidecar.MaxValueBytes>>10),
			"a full segment or a snapshot's chunk cannot be written, or is cut: a busy shop stops", Unsafe,
		}, valueSizes},
		{Property{
			"value-text", "text comes back character by character: any script, emoji, quotes, control characters, line separators",
			"names, titles and addresses of customers change, and replicas differ after a restart", Unsafe,
		}, func(ctx context.Context, r *run) (string, error) { return documents(ctx, r, "text", textDocuments) }},
		{Property{
			"value-shapes", "documents come back with all members and elements: empty, nested, long; the order of members does not matter",
			"a journal's segments cannot be read back", Unsafe,
		}, func(ctx context.Context, r *run) (string, error) { return documents(ctx, r, "shape", shapeDocuments()) }},
		{Property{
			"value-integers", "whole numbers of 64 bits come back exactly",
			"times (in nanoseconds) and numbers in journals and lists are rounded: lists lose entries, replicas differ", Unsafe,
		}, func(ctx context.Context, r *run) (string, error) {
			return documents(ctx, r, "integer", integerDocuments)
		}},
		{Property{
			"value-numbers", "fractions and numbers beyond 64 bits come back with every digit",
			"nothing today: money is whole numbers, and sidecart writes no fractions", Note,
		}, func(ctx context.Context, r *run) (string, error) { return documents(ctx, r, "number", numberDocuments) }},
	}
}

// textDocuments are strings that encoders and columns like to change. U+0000 is in none: kit/httpx lets none in.
var textDocuments = []string{
	`""`, `" "`, `"  two  blanks  "`, `"Köln, Ærø, Łódź, İstanbul"`, `"京都の急須 东京 서울"`, `"שלום مرحبا"`, `"👩‍👩‍👧‍👦 🇪🇺 🏴‍☠️"`, `"𝕏 𐍈 (beyond the first plane)"`,
	`"é is not é"`, `"quote \" backslash \\ slash / apostrophe '"`, `"tab\tline\nreturn\rbell\u0007escape\u001b"`, "\"line\u2028separator and paragraph\u2029separator\"",
	`"<script>&amp;</script> -- ; DROP TABLE state; %s %d ${x} {{y}}"`, `"\ud83d\ude00 by escapes"`, `"null"`, `"true"`, `"12"`, `"2026-11-20T22:08:00.000000001Z"`,
}

// shapeDocuments are a segment and a header as a journal writes them, and what is unusual about JSON.
func shapeDocuments() []string {
	return []string{
		`{}`, `[]`, `[[],{}]`, `{"":""}`, `{"a":null,"b":false,"c":true}`, `{"z":1,"y":2,"a":3,"A":4}`, `0`, `false`,
		strings.Repeat(`{"in":`, 30) + `[]` + strings.Repeat(`}`, 30),
		`[` + strings.TrimSuffix(strings.Repeat(`{"sku":"moka-pot","quantity":1},`, 1000), ",") + `]`,
		`{"version":1,"service":"order","shard":1,"seq":813,"writer":"01a1fa91-596a-7a46-93ac-b23dbe480a2d","batch":17,"at":"2026-11-20T20:06:30.986476812Z",` +
			`"events":[{"type":"order.placed","data":{"id":"bd94bfa7-2092-577b-b5fb-65261d5a7b4f","total":{"amount":2990,"currency":"EUR"}}}]}`,
		`{ "spaces" : [ 1 , 2 ] , "and" : { "lines" : "between"` + "\n\t" + `} }`,
	}
}

// integerDocuments go beyond 2^53, where a float of 64 bits begins to round: Unix nanoseconds are there.
var integerDocuments = []string{
	`0`, `1`, `-1`, `2147483648`, `4294967296`, `9007199254740993`, `1795557190986476812`, `9223372036854775807`, `-9223372036854775808`, `18446744073709551615`,
	`{"i":"x","t":1795557190986476813}`,
}

var numberDocuments = []string{`0.1`, `1.10`, `-0.000001`, `3.141592653589793238462643383279`, `1e-7`, `1.7976931348623157e308`, `123456789012345678901234567890`}

// documents writes each document, replaces it by itself once, and reads it back alone and in bulk.
func documents(ctx context.Context, r *run, name string, texts []string) (string, error) {
	keys, values := make([]string, len(texts)), make([][]byte, len(texts))
	rewritten := 0
	for i, text := range texts {
		keys[i], values[i] = r.key("value", name, i), []byte(text)
		etag, err := seeded(ctx, r, keys[i], values[i])
		if err != nil {
			return "", fmt.Errorf("%s: %w", brief(values[i]), err)
		}
		if err := replace(ctx, r.state, keys[i], values[i], etag); err != nil {
			return "", fmt.Errorf("%s: %w", brief(values[i]), err)
		}
		item, err := read(ctx, r.state, keys[i])
		if err != nil {
			return "", fmt.Errorf("%s: %w", brief(values[i]), err)
		}
		if err := holds(item, values[i], "a document"); err != nil {
			return "", err
		}
		if !bytes.Equal(item.Value, values[i]) {
			rewritten++
		}
	}
	if err := expectAll(ctx, r, keys, values); err != nil {
		return "", err
	}
	if rewritten > 0 {
		return fmt.Sprintf("the store writes %d of %d documents in other bytes, with the same meaning", rewritten, len(texts)), nil
	}
	return "", nil
}

func valueSizes(ctx context.Context, r *run) (string, error) {
	sizes := []int{1, 2, 100, 4 << 10, 64<<10 - 1, 64 << 10, 64<<10 + 1, 200_000, 240_000, sidecar.MaxValueBytes - 1, sidecar.MaxValueBytes}
	values := make([][]byte, 0, len(sizes)+1)
	for i, n := range sizes {
		values = append(values, document64(uint64(i), n))
	}
	// The same size in bytes has a third of the characters here, or six times as many bytes where a store escapes them.
	values = append(values, []byte(`"`+strings.Repeat("€", (sidecar.MaxValueBytes-2)/len("€"))+`"`))
	for i, value := range values {
		key := r.key("size", i)
		if err := put(ctx, r.state, key, value); err != nil {
			return "", fmt.Errorf("a value of %d bytes: %w", len(value), err)
		}
		if err := expect(ctx, r.state, key, value, fmt.Sprintf("a value of %d bytes", len(value))); err != nil {
			return "", err
		}
	}
	return "", nil
}

// document64 is a JSON document of n bytes that does not compress well, the same for the same seed.
func document64(seed uint64, n int) []byte {
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+-"
	switch n {
	case 1:
		return []byte(`7`)
	case 2:
		return []byte(`{}`)
	}
	random := rand.New(rand.NewPCG(seed, uint64(n)))
	text := make([]byte, n)
	for i := range text {
		text[i] = alphabet[random.IntN(len(alphabet))]
	}
	text[0], text[n-1] = '"', '"'
	return text
}
