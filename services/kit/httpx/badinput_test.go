package httpx

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/labstack/echo/v4"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// sample is a body with a member of every sort that contracts use.
type sample struct {
	Title string `json:"title"`
	Price struct {
		Amount   int64  `json:"amount"`
		Currency string `json:"currency"`
	} `json:"price"`
	Count uint32       `json:"count"`
	Lines []sampleLine `json:"lines"`
	Gift  bool         `json:"gift"`
	At    time.Time    `json:"at"`
	Ratio float64      `json:"ratio"`
}

type sampleLine struct {
	SKU      string `json:"sku"`
	Quantity int    `json:"quantity"`
}

// sampleEcho serves one route that only decodes.
func sampleEcho() *echo.Echo {
	e := NewEcho(Config{}, Deps{})
	e.PUT("/things/:id", func(c echo.Context) error {
		if _, err := PathParam(c, "id"); err != nil {
			return err
		}
		if _, _, err := Page(c); err != nil {
			return err
		}
		var in sample
		if err := Decode(c, &in); err != nil {
			return err
		}
		return c.JSON(http.StatusOK, in)
	})
	return e
}

func send(h http.Handler, method, target, contentType, body string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, "http://x/", strings.NewReader(body))
	path, query, _ := strings.Cut(target, "?")
	r.URL.Path, r.URL.RawPath, r.URL.RawQuery = unescaped(path), path, query
	if r.URL.Path == path {
		r.URL.RawPath = ""
	}
	if contentType != "" {
		r.Header.Set("Content-Type", contentType)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

// unescaped is the lenient unescaping that lets a test send what a URL parser would refuse.
func unescaped(path string) string {
	for escaped, raw := range map[string]string{"%2F": "/", "%00": "\x00", "%FF": "\xff", "%7C": "|", "%0A": "\n", "%20": " "} {
		path = strings.ReplaceAll(path, escaped, raw)
	}
	return path
}

func TestBadInputIsRefusedAndNamed(t *testing.T) {
	const (
		ok       = "/things/a"
		jsonType = "application/json"
	)
	cases := map[string]struct {
		target, contentType, body string
		status                    int
		field                     string
	}{
		"empty body":           {ok, jsonType, ``, 400, "body"},
		"blank body":           {ok, jsonType, " \n\t ", 400, "body"},
		"not JSON":             {ok, jsonType, `hello`, 400, "body"},
		"cut off":              {ok, jsonType, `{"title":"x"`, 400, "body"},
		"cut off inside":       {ok, jsonType, `{"price":{"amount":`, 400, "/price/amount"},
		"trailing garbage":     {ok, jsonType, `{"title":"x"} x`, 400, "body"},
		"two documents":        {ok, jsonType, `{"title":"x"}{"title":"y"}`, 400, "body"},
		"trailing comma":       {ok, jsonType, `{"title":"x",}`, 400, "body"},
		"array for object":     {ok, jsonType, `[1]`, 400, "body"},
		"string for object":    {ok, jsonType, `"x"`, 400, "body"},
		"null for object":      {ok, jsonType, `null`, 400, "body"},
		"unknown member":       {ok, jsonType, `{"titel":"x"}`, 400, "/titel"},
		"member in other case": {ok, jsonType, `{"Title":"x"}`, 400, "/Title"},
		"unknown nested":       {ok, jsonType, `{"lines":[{"sku":"a","qty":1}]}`, 400, "/lines/0/qty"},
		"duplicate member":     {ok, jsonType, `{"title":"x","title":"y"}`, 400, "/title"},
		"duplicate nested":     {ok, jsonType, `{"price":{"amount":1,"amount":2}}`, 400, "/price/amount"},
		"number for string":    {ok, jsonType, `{"title":1}`, 400, "/title"},
		"string for number":    {ok, jsonType, `{"price":{"amount":"1"}}`, 400, "/price/amount"},
		"object for number":    {ok, jsonType, `{"price":{"amount":{}}}`, 400, "/price/amount"},
		"number for object":    {ok, jsonType, `{"price":7}`, 400, "/price"},
		"object for array":     {ok, jsonType, `{"lines":{}}`, 400, "/lines"},
		"string for bool":      {ok, jsonType, `{"gift":"true"}`, 400, "/gift"},
		"float for int":        {ok, jsonType, `{"lines":[{"quantity":1.5}]}`, 400, "/lines/0/quantity"},
		"whole float for int":  {ok, jsonType, `{"lines":[{"quantity":1.0}]}`, 400, "/lines/0/quantity"},
		"exponent for int":     {ok, jsonType, `{"lines":[{"quantity":1e3}]}`, 400, "/lines/0/quantity"},
		"huge number":          {ok, jsonType, `{"price":{"amount":9223372036854775808}}`, 400, "/price/amount"},
		"hugely negative":      {ok, jsonType, `{"price":{"amount":-9223372036854775809}}`, 400, "/price/amount"},
		"negative for uint":    {ok, jsonType, `{"count":-1}`, 400, "/count"},
		"huge for uint32":      {ok, jsonType, `{"count":4294967296}`, 400, "/count"},
		"huge float":           {ok, jsonType, `{"ratio":1e999}`, 400, "/ratio"},
		"NaN":                  {ok, jsonType, `{"ratio":NaN}`, 400, "/ratio"},
		"leading zero":         {ok, jsonType, `{"count":007}`, 400, "body"},
		"bad time":             {ok, jsonType, `{"at":"yesterday"}`, 400, "/at"},
		"bad UTF-8":            {ok, jsonType, "{\"title\":\"\xff\"}", 400, "/title"},
		"bad UTF-8 in a name":  {ok, jsonType, "{\"\xff\":1}", 400, "body"},
		"lone surrogate":       {ok, jsonType, `{"title":"\ud800"}`, 400, "/title"},
		"raw NUL":              {ok, jsonType, "{\"title\":\"a\x00b\"}", 400, "/title"},
		"escaped NUL":          {ok, jsonType, `{"title":"a\u0000b"}`, 400, "/title"},
		"raw newline":          {ok, jsonType, "{\"title\":\"a\nb\"}", 400, "/title"},
		"deep nesting":         {ok, jsonType, `{"lines":` + strings.Repeat("[", 30000), 400, "/lines" + strings.Repeat("/0", 31)},
		"oversized":            {ok, jsonType, `{"title":"` + strings.Repeat("x", 64<<10) + `"}`, 413, "body"},
		"no content type":      {ok, "", `{}`, 415, "Content-Type"},
		"form":                 {ok, "application/x-www-form-urlencoded", `title=x`, 415, "Content-Type"},
		"text":                 {ok, "text/plain", `{}`, 415, "Content-Type"},
		"other charset":        {ok, "application/json; charset=latin1", `{}`, 415, "Content-Type"},
		"broken content type":  {ok, "application/json; charset", `{}`, 415, "Content-Type"},
		"limit no number":      {ok + "?limit=ten", jsonType, `{}`, 400, "limit"},
		"limit zero":           {ok + "?limit=0", jsonType, `{}`, 400, "limit"},
		"limit negative":       {ok + "?limit=-1", jsonType, `{}`, 400, "limit"},
		"limit with plus":      {ok + "?limit=%2B5", jsonType, `{}`, 400, "limit"},
		"limit too big":        {ok + "?limit=201", jsonType, `{}`, 400, "limit"},
		"limit beyond int":     {ok + "?limit=99999999999999999999", jsonType, `{}`, 400, "limit"},
		"limit twice":          {ok + "?limit=1&limit=2", jsonType, `{}`, 400, "limit"},
		"cursor too long":      {ok + "?cursor=" + strings.Repeat("c", 513), jsonType, `{}`, 400, "cursor"},
		"query bad escape":     {ok + "?limit=%zz", jsonType, `{}`, 400, "query"},
		"query semicolon":      {ok + "?a=1;b=2", jsonType, `{}`, 400, "query"},
		"query bad UTF-8":      {ok + "?customer=%FF", jsonType, `{}`, 400, "customer"},
		"query NUL":            {ok + "?customer=%00", jsonType, `{}`, 400, "customer"},
		"query too long":       {ok + "?customer=" + strings.Repeat("c", 5000), jsonType, `{}`, 400, "path"},
		"path bad UTF-8":       {"/things/%FF", jsonType, `{}`, 400, "path"},
		"path NUL":             {"/things/a%00", jsonType, `{}`, 400, "path"},
		"path newline":         {"/things/a%0A", jsonType, `{}`, 400, "path"},
		"path with slash":      {"/things/a%2Fb", jsonType, `{}`, 400, "id"},
		"path with bar":        {"/things/a%7Cb", jsonType, `{}`, 400, "id"},
		"path ends in space":   {"/things/a%20", jsonType, `{}`, 400, "id"},
		"path too long":        {"/things/" + strings.Repeat("a", 129), jsonType, `{}`, 400, "id"},
	}
	h := sampleEcho()
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			w := send(h, http.MethodPut, tc.target, tc.contentType, tc.body)
			require.Equal(t, tc.status, w.Code, w.Body.String())
			require.Equal(t, ContentTypeProblem, w.Header().Get("Content-Type"))
			var p Problem
			require.NoError(t, json.Unmarshal(w.Body.Bytes(), &p))
			require.Len(t, p.Errors, 1, w.Body.String())
			assert.Equal(t, tc.field, p.Errors[0].Field, w.Body.String())
			assert.NotEmpty(t, p.Errors[0].Message)
			assert.Contains(t, p.Detail, p.Errors[0].Message)
			assert.Len(t, p.TraceID, 32)
			assert.NotContains(t, w.Body.String(), "httpx.", "Go types are nobody's business")
			assert.Less(t, w.Body.Len(), 2<<10)
		})
	}
}

func TestGoodInputIsTaken(t *testing.T) {
	body := `{"title":"Tea ☕","price":{"amount":-9223372036854775808,"currency":"EUR"},"count":4294967295,` +
		`"lines":[{"sku":"a","quantity":1}],"gift":true,"at":"2026-01-02T03:04:05Z","ratio":0.5}`
	for _, contentType := range []string{"application/json", "application/json; charset=UTF-8", "application/merge-patch+json"} {
		w := send(sampleEcho(), http.MethodPut, "/things/a?limit=200&cursor=x", contentType, body)
		require.Equal(t, http.StatusOK, w.Code, w.Body.String())
		assert.JSONEq(t, body, w.Body.String())
		assert.Equal(t, "application/json", w.Header().Get("Content-Type"))
	}
	// Many short arrays are not deep, and a percent-escaped id is decoded.
	flat := `{"lines":[` + strings.TrimSuffix(strings.Repeat(`{"sku":"a","quantity":1},`, 100), ",") + `]}`
	assert.Equal(t, http.StatusOK, send(sampleEcho(), http.MethodPut, "/things/a%20b", "application/json", flat).Code)
}

func TestDepthIsOfValuesAndNotOfText(t *testing.T) {
	for body, levels := range map[string]int{
		``: 0, `1`: 0, `{}`: 1, `{"a":[1,[2]],"b":{}}`: 3, `[[],[],[]]`: 2, `{"a":"[[[[","b":"\\"}`: 1, `{"a":"\"[[","b":[]}`: 2, `"[[`: 0,
	} {
		assert.Equal(t, levels, deepest([]byte(body)), body)
	}
	deep := func(levels int) []byte {
		return []byte(strings.Repeat(`{"":[`, levels/2) + `""` + strings.Repeat(`]}`, levels/2))
	}
	var in any
	require.NoError(t, DecodeBytes(deep(maxDepth), &in))
	require.Error(t, DecodeBytes(deep(maxDepth+2), &in))
}

// Bodies are read into buffers that are used again: nothing that was decoded may be of the next request.
func TestWhatWasDecodedIsNotOverwritten(t *testing.T) {
	type kept struct {
		Text string         `json:"text"`
		Raw  jsontext.Value `json:"raw"`
		More []string       `json:"more"`
	}
	var all []kept
	e := NewEcho(Config{}, Deps{})
	e.POST("/", func(c echo.Context) error {
		var in kept
		if err := Decode(c, &in); err != nil {
			return err
		}
		all = append(all, in)
		return c.NoContent(http.StatusNoContent)
	})
	body := func(letter string) string {
		word := strings.Repeat(letter, 40)
		return `{"text":"` + word + `","raw":["` + word + `"],"more":["` + word + `"]}`
	}
	for _, letter := range []string{"a", "b", "c"} {
		require.Equal(t, http.StatusNoContent, send(e, http.MethodPost, "/", "application/json", body(letter)).Code)
	}
	for i, letter := range []string{"a", "b", "c"} {
		again, err := json.Marshal(all[i])
		require.NoError(t, err)
		assert.Equal(t, body(letter), string(again))
	}
}

func FuzzDecodeNeverPanicsAndAlwaysNames(f *testing.F) {
	f.Add([]byte(`{"title":"x"}`))
	f.Add([]byte(`{"lines":[{"sku":1}]}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		var in sample
		if err := DecodeBytes(body, &in); err != nil {
			require.NotEmpty(t, requireError(t, err).Fields)
		}
	})
}

func TestIdentifiers(t *testing.T) {
	for _, id := range []string{"a", "a.b", ".a", "...", "~", "a%41", strings.Repeat("a", MaxIDBytes), "é", "a b", "☕"} {
		assert.NoError(t, CheckID("id", id), "%q", id)
	}
	for _, id := range []string{"", ".", "..", "a|b", "a/b", "/", " a", "a ", "a\n", "a\x00", "\x7f", "a\xffb", "a\u200b", strings.Repeat("a", MaxIDBytes+1)} {
		assert.Error(t, CheckID("id", id), "%q", id)
	}
}
