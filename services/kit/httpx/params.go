package httpx

import (
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/labstack/echo/v4"

	"github.com/sidecart/sidecart/services/kit/errs"
)

// Bounds of identifiers and pages.
const (
	MaxIDBytes       = 128
	MaxCursorBytes   = 512
	DefaultPageItems = 50
	MaxPageItems     = 200
)

// List is the answer of everything that lists; Items is never null in JSON.
type List[T any] struct {
	Items      []T    `json:"items"`
	NextCursor string `json:"next_cursor"` // "" on the last page
}

// PathParam is the decoded path parameter name, checked by CheckID.
func PathParam(c echo.Context, name string) (string, error) {
	value := c.Param(name)
	if c.Request().URL.RawPath != "" { // Echo routed on the escaped form
		decoded, err := url.PathUnescape(value)
		if err != nil {
			return "", errs.InvalidField(name, "is not properly escaped")
		}
		value = decoded
	}
	return value, CheckID(name, value)
}

// CheckID accepts an identifier: 1 to MaxIDBytes of printable text without '|' and '/', which have a
// meaning in the keys of state stores. The error names field.
func CheckID(field, value string) error {
	switch {
	case value == "":
		return errs.InvalidField(field, "must not be empty")
	case len(value) > MaxIDBytes:
		return errs.InvalidField(field, "is over %d bytes", MaxIDBytes)
	case isPlain(value, MaxIDBytes) && !strings.ContainsAny(value, "|/") && value[0] != '.':
		return nil // nearly all are
	case !utf8.ValidString(value):
		return errs.InvalidField(field, "is not valid UTF-8")
	case strings.ContainsAny(value, "|/"):
		return errs.InvalidField(field, "must not contain '|' or '/'")
	case strings.IndexFunc(value, func(r rune) bool { return !unicode.IsPrint(r) }) >= 0:
		return errs.InvalidField(field, "has a character that cannot be printed")
	case value != strings.TrimSpace(value):
		return errs.InvalidField(field, "begins or ends with a space")
	case value == "." || value == "..":
		return errs.InvalidField(field, "must not be a dot segment")
	}
	return nil
}

// Query is the query parameter name, "" if it is absent; a parameter that is given twice is refused.
func Query(c echo.Context, name string) (string, error) {
	query, err := parseQuery(c.Request())
	if err != nil {
		return "", err
	}
	switch values := query[name]; len(values) {
	case 0:
		return "", nil
	case 1:
		return values[0], nil
	default:
		return "", errs.InvalidField(name, "is given %d times", len(values))
	}
}

// QueryInt is the query parameter name as a whole number from low to high; byDefault if it is absent.
func QueryInt(c echo.Context, name string, byDefault, low, high int) (int, error) {
	text, err := Query(c, name)
	if err != nil || text == "" {
		return byDefault, err
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < low || n > high || text[0] == '+' {
		return 0, errs.InvalidField(name, "must be a whole number from %d to %d", low, high)
	}
	return n, nil
}

// Page reads the query parameters cursor and limit of a list.
func Page(c echo.Context) (cursor string, limit int, err error) {
	if limit, err = QueryInt(c, "limit", DefaultPageItems, 1, MaxPageItems); err != nil {
		return "", 0, err
	}
	if cursor, err = Query(c, "cursor"); err != nil {
		return "", 0, err
	}
	if len(cursor) > MaxCursorBytes {
		return "", 0, errs.InvalidField("cursor", "is over %d bytes", MaxCursorBytes)
	}
	return cursor, limit, nil
}

func parseQuery(r *http.Request) (url.Values, error) {
	query, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return nil, errs.InvalidField("query", "is not properly escaped")
	}
	return query, nil
}
