package order

import (
	"crypto/sha1" // of version 5 UUIDs; nothing is secret here
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/mail"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/go-json-experiment/json"
	"github.com/google/uuid"

	"github.com/sidecart/sidecart/services/inventory/inventoryapi"
	"github.com/sidecart/sidecart/services/kit/errs"
	"github.com/sidecart/sidecart/services/kit/identity"
	"github.com/sidecart/sidecart/services/order/orderapi"
)

var (
	methodPattern = regexp.MustCompile(`^[a-z0-9][a-z0-9_-]{0,63}$`)
	phonePattern  = regexp.MustCompile(`^\+?[0-9(][0-9 ().-]*$`)
)

// Digits of a phone number.
const minPhoneDigits, maxPhoneDigits = 5, 15

// orderNamespace makes order ids; changing it would make every repeat a new order.
var orderNamespace = uuid.MustParse("5f0e2b0c-9a3d-5c1e-8f47-0d2c6b7a91e4")

// orderID follows from who asks and the Idempotency-Key, so that a repeat finds its order, and nobody finds another's by its key.
// Who asks from inside (identity.Of) has no name, as everybody had before there were accounts: see ADR 14. The length keeps
// two pairs with the same concatenation apart.
func orderID(by identity.Owner, key string) string {
	caller := listOwner(by.Tenant, by.Subject)
	name := make([]byte, 0, len(orderNamespace)+len("128:")+len(caller)+len(key))
	name = strconv.AppendInt(append(name, orderNamespace[:]...), int64(len(caller)), 10)
	name = append(append(append(name, ':'), caller...), key...)
	sum := sha1.Sum(name)
	id := uuid.UUID(sum[:len(uuid.UUID{})])
	id[6] = id[6]&0x0f | 0x50 // version 5 of RFC 9562: from a name
	id[8] = id[8]&0x3f | 0x80
	return id.String()
}

// fingerprint tells a repeat of a request from another one: equal requests have equal ones, however their JSON
// was written.
func fingerprint(r orderapi.PlaceRequest) string {
	text, err := json.Marshal(r, json.Deterministic(true))
	if err != nil {
		panic(fmt.Sprintf("order: a checked request does not encode: %v", err)) // strings and integers always do
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:])
}

// checkKey accepts an Idempotency-Key.
func checkKey(values []string) (string, error) {
	const field = orderapi.HeaderIdempotency
	if len(values) == 0 || values[0] == "" {
		return "", errs.InvalidField(field, "this header is required: a text of your choice that is the same when you repeat the request")
	}
	if len(values) > 1 {
		return "", errs.InvalidField(field, "is given %d times", len(values))
	}
	key := values[0]
	if len(key) > orderapi.MaxIdempotencyKey {
		return "", errs.InvalidField(field, "is over %d characters", orderapi.MaxIdempotencyKey)
	}
	if strings.IndexFunc(key, func(r rune) bool { return r < 0x20 || r > 0x7e }) >= 0 {
		return "", errs.InvalidField(field, "must be printable ASCII")
	}
	return key, nil
}

// checkOwner accepts whom an order or a list is for: customers are themselves, and need not say so; operators and services
// name anybody. field is where the name was given, or should have been.
func checkOwner(by identity.Caller, field, named string) (string, error) {
	if named == "" && by.Has(identity.RoleCustomer) {
		named = by.Subject
	}
	if err := checkCustomer(field, named); err != nil {
		return "", err
	}
	if !(identity.Owner{Tenant: by.Tenant, Subject: named}).Admits(by) {
		e := errs.Newf(errs.Forbidden, errs.CodeForbidden, "%s: must be yourself, or be left out", field)
		e.Fields = []errs.Field{{Field: field, Message: "must be yourself, or be left out"}}
		return "", e
	}
	return named, nil
}

// checkPlace accepts a PlaceRequest, but for its customer (checkOwner); the error names the first field that is wrong.
func checkPlace(r orderapi.PlaceRequest) error {
	if err := checkContact(r.Contact); err != nil {
		return err
	}
	if len(r.Lines) < 1 || len(r.Lines) > orderapi.MaxLines {
		return errs.InvalidField("/lines", "must have 1 to %d lines", orderapi.MaxLines)
	}
	for i, l := range r.Lines {
		if !inventoryapi.IsSKU(l.SKU) {
			return errs.InvalidField(skuField(i), "must be 1 to 64 letters, digits, dots, dashes or underscores, and no dot segment")
		}
		if l.Quantity < 1 || l.Quantity > orderapi.MaxLineQuantity {
			return errs.InvalidField(fmt.Sprintf("/lines/%d/quantity", i), "must be from 1 to %d", orderapi.MaxLineQuantity)
		}
		if slices.ContainsFunc(r.Lines[:i], func(before orderapi.LineRequest) bool { return before.SKU == l.SKU }) {
			e := errs.Newf(errs.Unprocessable, errs.CodeInvalidRequest, "%s: is in an earlier line already", skuField(i))
			e.Fields = []errs.Field{{Field: skuField(i), Message: "is in an earlier line already"}}
			return e
		}
	}
	return nil
}

func skuField(line int) string { return fmt.Sprintf("/lines/%d/sku", line) }

// checkCustomer accepts the caller's own name of a customer.
func checkCustomer(field, value string) error {
	switch {
	case value == "":
		return errs.InvalidField(field, "must not be empty")
	case !utf8.ValidString(value):
		return errs.InvalidField(field, "is not valid UTF-8")
	case utf8.RuneCountInString(value) > orderapi.MaxCustomerChars:
		return errs.InvalidField(field, "is over %d characters", orderapi.MaxCustomerChars)
	case strings.IndexFunc(value, func(r rune) bool { return !unicode.IsPrint(r) }) >= 0:
		return errs.InvalidField(field, "has a character that cannot be printed")
	}
	return nil
}

// checkContact accepts addresses that look like ones. Its errors do not repeat them: they are personal.
func checkContact(c orderapi.Contact) error {
	if c.Email == "" && c.Phone == "" {
		return errs.InvalidField("/contact", "must have an email or a phone")
	}
	if c.Email != "" {
		if len(c.Email) > orderapi.MaxEmailBytes {
			return errs.InvalidField("/contact/email", "is over %d bytes", orderapi.MaxEmailBytes)
		}
		parsed, err := mail.ParseAddress(c.Email)
		plain := strings.IndexFunc(c.Email, func(r rune) bool { return r <= ' ' || r == '<' || r == '"' || !unicode.IsPrint(r) }) < 0
		if err != nil || !plain || parsed.Address != c.Email {
			return errs.InvalidField("/contact/email", "is not an e-mail address")
		}
	}
	if c.Phone != "" {
		digits := 0
		for _, r := range c.Phone {
			if r >= '0' && r <= '9' {
				digits++
			}
		}
		if len(c.Phone) > orderapi.MaxPhoneBytes || !phonePattern.MatchString(c.Phone) || digits < minPhoneDigits || digits > maxPhoneDigits {
			return errs.InvalidField("/contact/phone", "is not a phone number of %d to %d digits", minPhoneDigits, maxPhoneDigits)
		}
	}
	return nil
}

// checkMethod accepts the name of a way to pay; whether it exists is for payment to say.
func checkMethod(method string) error {
	if !methodPattern.MatchString(method) {
		return errs.InvalidField("/method", "must be 1 to %d lower-case letters, digits, dashes or underscores", orderapi.MaxMethodBytes)
	}
	return nil
}
