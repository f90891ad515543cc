package mail

import (
	"bytes"
	"cmp"
	"crypto/rand"
	"errors"
	"fmt"
	"net/mail"
	"net/textproto"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/dapr/components-contrib/bindings"
	"github.com/dapr/components-contrib/bindings/smtp"
	gomail "github.com/wneessen/go-mail"
)

// headerPrefix begins the request metadata that sets headers: the value of
// header.X-Trace-Id becomes that of X-Trace-Id.
const headerPrefix = "header."

// Bounds of these headers. RFC 5322 allows lines of 998 bytes, and a value
// without spaces cannot be folded.
const (
	maxHeaders     = 20
	maxHeaderBytes = 900 // name and value
)

// ours are the headers that the mail has anyway, or that relays write: a
// second one would contradict them. Content-* are ours, too.
var ours = []string{"From", "Sender", "To", "Cc", "Bcc", "Subject", "Date", "X-Priority", "Mime-Version", "Return-Path", "Received"}

// Values of priority, as contrib has them: 1 is the highest.
const (
	highestPriority, usualPriority, lowestPriority = 1, 3, 5
)

// letter is a mail as it goes over the wire.
type letter struct {
	from string   // <address>
	to   []string // <address>, of To, Cc and Bcc, each once
	text []byte   // headers and body
}

// compose makes the mail of a request; what the request does not say is as in
// usually. An error names the field and repeats no address.
func compose(usually smtp.Metadata, req *bindings.InvokeRequest) (letter, error) {
	said := usually
	for field, value := range map[string]*string{
		"emailFrom": &said.EmailFrom, "emailTo": &said.EmailTo, "emailCC": &said.EmailCC, "emailBCC": &said.EmailBCC, "subject": &said.Subject,
	} {
		*value = cmp.Or(req.Metadata[field], *value)
	}
	if text := req.Metadata["priority"]; text != "" {
		var err error
		if said.Priority, err = priority(text); err != nil {
			return letter{}, err
		}
	}
	for _, needed := range []struct{ field, value string }{
		{"emailFrom", said.EmailFrom}, {"emailTo", said.EmailTo}, {"subject", said.Subject},
	} {
		if needed.value == "" {
			return letter{}, fmt.Errorf("%s property not supplied in configuration- or request-metadata", needed.field)
		}
	}
	msg := gomail.NewMsg(gomail.WithNoDefaultUserAgent())
	l, err := address(msg, said)
	if err != nil {
		return letter{}, err
	}
	msg.Subject(said.Subject)
	msg.SetGenHeader("X-Priority", strconv.Itoa(said.Priority))
	if err := setHeaders(msg, req.Metadata); err != nil {
		return letter{}, err
	}
	msg.SetBodyString(gomail.TypeTextHTML, unquoted(req.Data))
	var text bytes.Buffer
	if _, err := msg.WriteTo(&text); err != nil {
		return letter{}, fmt.Errorf("the mail cannot be written: %w", err)
	}
	l.text = text.Bytes()
	return l, nil
}

// address puts sender and recipients on msg and the envelope. Without a
// Message-ID of the request the mail gets one at the sender's domain: the
// library's own would tell strangers this machine's name.
func address(msg *gomail.Msg, said smtp.Metadata) (letter, error) {
	from, err := mail.ParseAddress(said.EmailFrom)
	if err != nil {
		return letter{}, errors.New("emailFrom is not an address") // err may repeat what stands there
	}
	msg.FromMailAddress(from)
	domain := from.Address[strings.LastIndexByte(from.Address, '@')+1:]
	msg.SetMessageIDWithValue(rand.Text() + "@" + domain)
	l := letter{from: bracketed(from)}
	for _, kind := range []struct {
		field, list string
		set         func(...*mail.Address)
	}{{"emailTo", said.EmailTo, msg.ToMailAddress}, {"emailCC", said.EmailCC, msg.CcMailAddress}, {"emailBCC", said.EmailBCC, nil}} {
		if kind.list == "" {
			continue
		}
		var all []*mail.Address
		for _, one := range strings.Split(kind.list, ";") {
			parsed, err := mail.ParseAddress(one)
			if err != nil {
				return letter{}, fmt.Errorf("%s has what is not an address", kind.field)
			}
			all = append(all, parsed)
			if to := bracketed(parsed); !slices.Contains(l.to, to) {
				l.to = append(l.to, to)
			}
		}
		if kind.set != nil {
			kind.set(all...)
		}
	}
	return l, nil
}

// bracketed is a without its display name, as SMTP wants it.
func bracketed(a *mail.Address) string { return (&mail.Address{Address: a.Address}).String() }

// setHeaders puts the headers that meta asks for on msg. Nothing in them can
// begin another header or the body.
func setHeaders(msg *gomail.Msg, meta map[string]string) error {
	seen := map[string]bool{}
	for key, value := range meta {
		name, asked := strings.CutPrefix(key, headerPrefix)
		if !asked {
			continue
		}
		canonical := textproto.CanonicalMIMEHeaderKey(name)
		switch {
		case !isHeaderName(name):
			return fmt.Errorf("%.100q is not the name of a header", key)
		case slices.Contains(ours, canonical), strings.HasPrefix(canonical, "Content-"):
			return fmt.Errorf("%s cannot be set: the mail has its own", key)
		case len(name)+len(value) > maxHeaderBytes:
			return fmt.Errorf("%.100s has more than %d bytes", key, maxHeaderBytes)
		case !utf8.ValidString(value), strings.ContainsFunc(value, unicode.IsControl):
			return fmt.Errorf("%s has line ends, control characters or bytes that are not UTF-8", key)
		case seen[canonical]:
			return fmt.Errorf("%s is given twice", key)
		}
		if seen[canonical] = true; len(seen) > maxHeaders {
			return fmt.Errorf("more than %d headers", maxHeaders)
		}
		if canonical == "Message-Id" {
			name = string(gomail.HeaderMessageID) // in place of the one that address made
		}
		msg.SetGenHeader(gomail.Header(name), value)
	}
	return nil
}

// isHeaderName: RFC 5322, 3.6.8.
func isHeaderName(s string) bool {
	return s != "" && !strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r > '~' || r == ':' })
}

// unquoted is the body. Over Dapr's HTTP API it comes as a JSON string, over
// gRPC as it is.
func unquoted(data []byte) string {
	if text, err := strconv.Unquote(string(data)); err == nil {
		return text
	}
	return string(data)
}

// priority reads a field of that name.
func priority(text string) (int, error) {
	if text == "" {
		return usualPriority, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil {
		return 0, errors.New("priority is not a number")
	}
	if n < highestPriority || n > lowestPriority {
		return 0, fmt.Errorf("priority value must be between %d (highest) and %d (lowest)", highestPriority, lowestPriority)
	}
	return n, nil
}
