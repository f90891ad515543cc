package conformance

import (
	"context"
	"fmt"
	"strings"
)

// shapes are the keys that sidecart writes, one of each, as long as they get. TestShapesAreThoseOfTheProduct compares them
// with what a journal, an archive, a count of deliveries and a copy write.
var shapes = []string{
	"inventory/journal",
	"inventory/journal/0/1",
	"inventory/journal/255/18446744073709551615",
	"inventory/snapshot/255",
	"inventory/snapshot/255/01a1fa91-596a-7a46-93ac-b23dbe480a2d/0",
	"order/view/order/bd94bfa7-2092-577b-b5fb-65261d5a7b4f",
	"order/list/customer/2c26b46b68ffc68ff99b453c1d30413413422d70",
	"order/list/customer/2c26b46b68ffc68ff99b453c1d30413413422d70/fcde2b2edba56bf408601fb721fe9b5c338d10ee",
	"order/archived/order/255/4294967295",
	"order/delivered/payment",
	"sidecart/copy",
	"sidecart/copy/order/255",
}

// maxKeyBytes is more than any key of sidecart has; the longest shape has 101 bytes and service names may grow.
const maxKeyBytes = 160

// keyChecks are about keys staying what they are.
func keyChecks() []check {
	return []check{
		{Property{
			"key-shapes", "keys of every shape that sidecart uses can be written, and read alone and in bulk",
			"a kind of record cannot be stored at all", Unsafe,
		}, keyShapes},
		{Property{
			"keys-apart", "keys that begin alike, or are as long as sidecart's longest, are different keys",
			"one segment would be taken for another", Unsafe,
		}, keysApart},
		{Property{
			"keys-case", "keys that differ in upper and lower case only, or in a blank at the end, are different keys",
			"nothing today: the keys of sidecart have neither upper case nor blanks", Note,
		}, keysCase},
	}
}

func keyShapes(ctx context.Context, r *run) (string, error) {
	keys := make([]string, len(shapes))
	for i, shape := range shapes {
		keys[i] = r.key(shape)
	}
	return "", eachItsOwn(ctx, r, keys)
}

func keysApart(ctx context.Context, r *run) (string, error) {
	keys := []string{
		r.key("apart/journal/0/1"), r.key("apart/journal/0/10"), r.key("apart/journal/0/100"), r.key("apart/journal/01/1"), r.key("apart/journal/1/0"), r.key("apart/journal/0"),
		r.key("apart/journal"), r.key("apart-journal"), r.key("apart_journal"), r.key("apart.journal"), r.key("apart%journal"), r.key("apart/journal/0/1/"),
	}
	long := r.key("long/") + strings.Repeat("x", maxKeyBytes)
	for _, end := range []string{"1", "2"} {
		keys = append(keys, long[:maxKeyBytes-1]+end)
	}
	return "", eachItsOwn(ctx, r, keys)
}

func keysCase(ctx context.Context, r *run) (string, error) {
	return "", eachItsOwn(ctx, r, []string{r.key("case/abc"), r.key("case/ABC"), r.key("case/Abc"), r.key("case/abc ")})
}

// eachItsOwn gives every key a value of its own and finds it there, alone and in bulk.
func eachItsOwn(ctx context.Context, r *run, keys []string) error {
	values := make([][]byte, len(keys))
	for i, key := range keys {
		values[i] = []byte(fmt.Sprintf(`{"key":%d}`, i))
		if err := put(ctx, r.state, key, values[i]); err != nil {
			return fmt.Errorf("key …/%s: %w", strings.TrimPrefix(key, r.prefix), err)
		}
	}
	for i, key := range keys {
		if err := expect(ctx, r.state, key, values[i], "key …/"+strings.TrimPrefix(key, r.prefix)); err != nil {
			return err
		}
	}
	return expectAll(ctx, r, keys, values)
}
