package contracts

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestContractsThatOpenTooMuchAreRefused(t *testing.T) {
	for _, path := range []string{"/internal/x", "/v2/x", "/v1/{a}{b}", "/v1/a{b}", "/v1/a%2fb", "/v1/..", "/v1//x", "/v1/*", "/v1/{}"} {
		raw := "openapi: 3.0.3\ninfo: {title: x, version: '1'}\npaths:\n  '" + path + "':\n    get: {responses: {'200': {description: ok}}}\n"
		_, err := Read("x", []byte(raw))
		assert.Error(t, err, path)
	}
	_, err := Read("x", []byte("openapi: 3.0.3\ninfo: {title: x, version: '1'}\npaths: {}\ncomponents: {schemas: {A: {$ref: 'file:///etc/passwd'}}}"))
	assert.Error(t, err)
}

func TestAnAnswerWithoutAStatusIsRefused(t *testing.T) {
	for status, good := range map[string]bool{
		"200": true, "default": true, "4XX": true, "5xx": true,
		"": false, "600": false, "20": false, "2000": false, "4xX": false, "Default": false,
	} {
		raw := "openapi: 3.0.3\ninfo: {title: x, version: '1'}\npaths:\n  /v1/x:\n    get: {responses: {'" + status + "': {description: ok}}}\n"
		_, err := Read("x", []byte(raw))
		if good {
			assert.NoError(t, err, status)
		} else {
			assert.ErrorContains(t, err, "GET /v1/x: answer \""+status+"\"", status)
		}
	}
}
