package daprd

import (
	"bytes"
	"cmp"
	"regexp"
	"strings"
	"sync"

	"github.com/go-json-experiment/json"

	"github.com/sidecart/sidecart/services/kit/telemetry"
)

// maxOutputBytes is how much of the end of daprd's output is kept.
const maxOutputBytes = 64 << 10

// output keeps the end of what daprd writes. It is safe for concurrent use.
type output struct {
	mu   sync.Mutex
	text []byte
}

// Write takes everything.
func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.text = append(o.text, p...)
	if over := len(o.text) - maxOutputBytes; over > 0 {
		o.text = append(o.text[:0], o.text[over:]...)
	}
	return len(p), nil
}

func (o *output) reset() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.text = nil
}

// complaint is the worst line of the output, the last one of its kind: of daprd's JSON log the message of a fatal line,
// else of an error, else of a warning; else the last line. "" if nothing was written.
func (o *output) complaint() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	worst := map[string]string{}
	for line := range bytes.Lines(o.text) {
		var entry struct {
			Level string `json:"level"`
			Msg   string `json:"msg"`
		}
		if err := json.Unmarshal(line, &entry); err == nil && entry.Msg != "" {
			worst[entry.Level] = entry.Msg
		} else if text := strings.TrimSpace(string(line)); text != "" {
			worst[""] = text
		}
	}
	return cmp.Or(worst["fatal"], worst["panic"], worst["error"], worst["warning"], worst[""])
}

// Where secrets stand in the words of drivers: user and password of a URL, and password=… of a connection string, in
// quotes or not. A password in a URL may have slashes and @ in it that should have been escaped: the driver complains of just those.
var (
	inURL     = regexp.MustCompile(`://[^\s"']+@`)
	inKeyword = regexp.MustCompile(`(?i)\b(password|passwd|pwd|secret|token|accesskey|accountkey|secretkey)(\s*[=:]\s*)("[^"]*"|'[^']*'|[^\s;&,"']+)`)
	inMySQL   = regexp.MustCompile(`\b[^\s:@/"']+:[^\s@"']+@(tcp|unix)\(`)
)

// minSecretBytes keeps values that are too short to be a secret from blanking ordinary words.
const minSecretBytes = 6

// withoutSecrets takes out what looks like a secret, and the values of those environment entries whose name says so.
func withoutSecrets(text string, environment []string) string {
	for _, entry := range environment {
		name, value, _ := strings.Cut(entry, "=")
		if telemetry.IsSecret(name) && len(value) >= minSecretBytes {
			text = strings.ReplaceAll(text, value, telemetry.Masked)
		}
	}
	text = inURL.ReplaceAllString(text, "://"+telemetry.Masked+"@")
	text = inMySQL.ReplaceAllString(text, telemetry.Masked+"@${1}(")
	return inKeyword.ReplaceAllString(text, "${1}${2}"+telemetry.Masked)
}
