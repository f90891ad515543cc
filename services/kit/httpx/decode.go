package httpx

import (
	"bytes"
	"errors"
	"io"
	"mime"
	"net/http"
	"reflect"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/labstack/echo/v4"

	"github.com/sidecart/sidecart/services/kit/errs"
)

// maxDepth bounds the nesting of a body; no contract of ours goes deeper than a handful.
const maxDepth = 32

// Decode reads the request's JSON body into the pointer into, strictly: the content type must be JSON, the body
// within its bound and valid UTF-8, no member unknown or given twice, every value of the right type, no escaped NUL
// (some stores cannot keep it). The error is an *errs.Error that names the JSON pointer of what is wrong.
// A member that is absent or null keeps the zero value: what is required is the domain's to say.
func Decode(c echo.Context, into any) error {
	r := c.Request()
	if err := CheckJSONContent(r); err != nil {
		return err
	}
	body := takeBuffer()
	defer giveBuffer(body) // what is decoded has copies of its own
	if err := readBody(body, r); err != nil {
		return err
	}
	return DecodeBytes(body.Bytes(), into)
}

// DecodeBytes is Decode for a body that is already read.
func DecodeBytes(body []byte, into any) error {
	trimmed := bytes.TrimLeft(body, " \t\r\n")
	if len(trimmed) == 0 {
		return errs.InvalidField("body", "must not be empty")
	}
	if err := checkShape(body); err != nil {
		return err
	}
	if trimmed[0] != '{' && wantsObject(into) {
		return errs.InvalidField("body", "must be a JSON object")
	}
	if err := json.Unmarshal(body, into, json.RejectUnknownMembers(true)); err != nil {
		return JSONError(err)
	}
	return nil
}

// CheckJSONContent refuses (415) a request whose body is not said to be JSON, in UTF-8.
func CheckJSONContent(r *http.Request) error {
	given := r.Header.Get("Content-Type")
	if given == "application/json" && len(r.Header["Content-Type"]) == 1 {
		return nil
	}
	mediaType, params, err := mime.ParseMediaType(given)
	charset, hasCharset := params["charset"]
	if err == nil && (mediaType == "application/json" || strings.HasSuffix(mediaType, "+json")) &&
		(!hasCharset || strings.EqualFold(charset, "utf-8")) && len(r.Header.Values("Content-Type")) == 1 {
		return nil
	}
	e := errs.New(errs.UnsupportedMedia, CodeUnsupportedMedia, "Content-Type: must be application/json")
	e.Fields = []errs.Field{{Field: "Content-Type", Message: "must be application/json"}}
	return e
}

// readBody reads what the edge has bounded into body.
func readBody(body *bytes.Buffer, r *http.Request) error {
	if encoding := r.Header.Get("Content-Encoding"); encoding != "" && encoding != "identity" {
		e := errs.New(errs.UnsupportedMedia, CodeUnsupportedMedia, "Content-Encoding: compressed bodies are not read")
		e.Fields = []errs.Field{{Field: "Content-Encoding", Message: "compressed bodies are not read"}}
		return e
	}
	_, err := body.ReadFrom(r.Body)
	if err == nil {
		return nil
	}
	if over, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return tooLarge(over.Limit)
	}
	// The sender stopped in the middle or was too slow; it may still be there to read the answer.
	return errs.InvalidField("body", "could not be read to its end").Wrap(err)
}

// checkShape bounds the nesting and finds escaped NULs. Both need a walk over the tokens only when a cheap look
// at the bytes says that they are possible.
func checkShape(body []byte) error {
	if deepest(body) <= maxDepth && !bytes.Contains(body, []byte(`\u0000`)) {
		return nil
	}
	dec := jsontext.NewDecoder(bytes.NewReader(body))
	for {
		tok, err := dec.ReadToken()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return JSONError(err)
		}
		if dec.StackDepth() > maxDepth {
			return errs.InvalidField(fieldOf(shorten(dec.StackPointer())), "is nested deeper than %d levels", maxDepth)
		}
		if tok.Kind() == '"' && strings.ContainsRune(tok.String(), 0) {
			return errs.InvalidField(fieldOf(shorten(dec.StackPointer())), "must not contain NUL")
		}
	}
}

// deepest is how deep values are nested, in what of body is JSON; beyond the first mistake it means nothing.
func deepest(body []byte) (levels int) {
	now, quoted := 0, false
	for i := 0; i < len(body); i++ {
		switch c := body[i]; {
		case c == '"':
			quoted = !quoted
		case quoted && c == '\\':
			i++ // what is escaped ends no string
		case quoted:
		case c == '{', c == '[':
			now++
			levels = max(levels, now)
		case c == '}', c == ']':
			now--
		}
	}
	return levels
}

// JSONError words what a decoder of JSON found for the caller; it names types of JSON, never of Go.
func JSONError(err error) error {
	if syntax, ok := errors.AsType[*jsontext.SyntacticError](err); ok {
		field := fieldOf(shorten(syntax.JSONPointer))
		switch {
		case errors.Is(syntax.Err, jsontext.ErrDuplicateName):
			return errs.InvalidField(field, "is given twice").Wrap(err)
		case errors.Is(err, io.ErrUnexpectedEOF):
			return errs.InvalidField(field, "is not complete JSON: it ends after %d bytes", syntax.ByteOffset).Wrap(err)
		}
		return errs.InvalidField(field, "is not valid JSON at byte %d", syntax.ByteOffset).Wrap(err)
	}
	if semantic, ok := errors.AsType[*json.SemanticError](err); ok {
		field := fieldOf(shorten(semantic.JSONPointer))
		if errors.Is(semantic.Err, json.ErrUnknownName) {
			return errs.InvalidField(field, "is not a known member").Wrap(err)
		}
		return errs.InvalidField(field, "%s", expected(semantic.GoType)).Wrap(err)
	}
	return errs.InvalidField("body", "is not valid JSON").Wrap(err)
}

// expected says what a member must be, from the Go type that could not take it.
func expected(t reflect.Type) string {
	if t == nil {
		return "has the wrong type"
	}
	if t == reflect.TypeFor[time.Time]() {
		return "must be an RFC 3339 time"
	}
	switch t.Kind() {
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return "must be a whole number that fits " + bitsOf(t) + " bits"
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return "must be a whole number from 0 that fits " + bitsOf(t) + " bits"
	case reflect.Float32, reflect.Float64:
		return "must be a number"
	case reflect.String:
		return "must be a string"
	case reflect.Bool:
		return "must be true or false"
	case reflect.Slice, reflect.Array:
		return "must be an array"
	case reflect.Struct, reflect.Map:
		return "must be an object"
	case reflect.Pointer:
		return expected(t.Elem())
	}
	return "has the wrong type"
}

func bitsOf(t reflect.Type) string {
	return map[int]string{8: "8", 16: "16", 32: "32", 64: "64"}[t.Bits()]
}

func wantsObject(into any) bool {
	t := reflect.TypeOf(into)
	for t != nil && t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	return t != nil && (t.Kind() == reflect.Struct || t.Kind() == reflect.Map) && t != reflect.TypeFor[time.Time]()
}

// fieldOf is how a pointer is named in a problem document; the whole document is "body".
func fieldOf(p string) string {
	if p == "" {
		return "body"
	}
	return p
}

// shorten keeps a hostile member name from filling the answer and the log.
func shorten(p jsontext.Pointer) string {
	const maxShownBytes = 128
	s := string(p)
	if len(s) > maxShownBytes {
		s = s[:maxShownBytes] + "…"
	}
	return strings.ToValidUTF8(s, "�")
}
