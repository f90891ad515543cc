package mail

import (
	"fmt"
	"io"
	"mime"
	"mime/quotedprintable"
	"net/mail"
	"strings"
	"testing"

	"github.com/dapr/components-contrib/bindings"
	"github.com/dapr/components-contrib/bindings/smtp"
	"github.com/dapr/kit/logger"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// read is what a reader sees of a mail.
type read struct {
	from, to, cc, subject, priority, kind, body string
	envelope                                    []string
}

func reading(t *testing.T, m received) read {
	t.Helper()
	parsed, err := mail.ReadMessage(strings.NewReader(m.text))
	require.NoError(t, err)
	require.Equal(t, "quoted-printable", parsed.Header.Get("Content-Transfer-Encoding"))
	body, err := io.ReadAll(quotedprintable.NewReader(parsed.Body))
	require.NoError(t, err)
	kind, parameters, err := mime.ParseMediaType(parsed.Header.Get("Content-Type"))
	require.NoError(t, err)
	assert.Empty(t, parsed.Header.Get("Bcc"))
	_, err = parsed.Header.Date()
	require.NoError(t, err)
	subject, err := new(mime.WordDecoder).DecodeHeader(parsed.Header.Get("Subject"))
	require.NoError(t, err)
	addresses := func(name string) (seen string) {
		list, err := parsed.Header.AddressList(name)
		if err != nil {
			return parsed.Header.Get(name)
		}
		for _, a := range list {
			seen += a.String() + ";"
		}
		return seen
	}
	return read{
		from: addresses("From"), to: addresses("To"), cc: addresses("Cc"), subject: subject, priority: parsed.Header.Get("X-Priority"),
		kind: kind + strings.ToLower(parameters["charset"]), body: string(body), envelope: append([]string{m.from}, m.to...),
	}
}

// TestAReaderSeesWhatContribWouldSend: the same requests through contrib's mailer and ours.
func TestAReaderSeesWhatContribWouldSend(t *testing.T) {
	long := strings.Repeat("The quick brown fox = jumps over 100 €\n.\n..\n", 40)
	for i, req := range []*bindings.InvokeRequest{
		request("b@example.invalid"),
		request("b@example.invalid;Carla <c@example.invalid>; d@example.invalid", "emailCC", "e@example.invalid;b@example.invalid", "emailBCC", "f@example.invalid"),
		request("b@example.invalid", "subject", "Grüße, "+strings.Repeat("sehr lange ", 20), "priority", "1", "emailFrom", "Shop <s@example.invalid>"),
		request("b@example.invalid", "subject", "a\r\nBcc: evil@example.invalid\r\n\r\n<b>"),
		{Metadata: map[string]string{"emailTo": "b@example.invalid", "subject": "s"}, Data: []byte(`"over HTTP: \"<b>\" \u20ac\nnext"`)},
		{Metadata: map[string]string{"emailTo": "b@example.invalid", "subject": "s"}, Data: []byte("<pre>" + long + strings.Repeat("x", 2000) + "\t \r\n</pre>")},
		{Metadata: map[string]string{"emailTo": "b@example.invalid", "subject": "s"}},
	} {
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			var seen []read
			for _, b := range []bindings.OutputBinding{smtp.NewSMTP(logger.NewLogger("test")), New(logger.NewLogger("test"))} {
				server := new(mailServer).start(t, false, false)
				require.NoError(t, b.Init(t.Context(), server.component()))
				_, err := b.Invoke(t.Context(), req)
				require.NoError(t, err)
				require.NoError(t, b.Close())
				require.Len(t, server.taken(), 1)
				seen = append(seen, reading(t, server.taken()[0]))
			}
			assert.Equal(t, seen[0], seen[1])
		})
	}
}

func TestHeadersOfTheRequest(t *testing.T) {
	server := new(mailServer).start(t, false, false)
	b := server.bind(t)
	_, err := b.Invoke(t.Context(), request("b@example.invalid", "header.X-Trace-Id", "4bf92f3577b34da6a3ce929d0e0e4736",
		"header.message-id", "<6ba7b810-9dad-11d1-80b4-00c04fd430c8@example.invalid>", "header.X-Name", "Grüße", "traceparent", "00-1-2-00"))
	require.NoError(t, err)
	_, err = b.Invoke(t.Context(), request("b@example.invalid"))
	require.NoError(t, err)
	got := server.taken()
	require.Len(t, got, 2)
	first, err := mail.ReadMessage(strings.NewReader(got[0].text))
	require.NoError(t, err)
	assert.Equal(t, "4bf92f3577b34da6a3ce929d0e0e4736", first.Header.Get("X-Trace-Id"))
	assert.Equal(t, []string{"<6ba7b810-9dad-11d1-80b4-00c04fd430c8@example.invalid>"}, first.Header["Message-Id"])
	assert.Equal(t, "=?UTF-8?q?Gr=C3=BC=C3=9Fe?=", first.Header.Get("X-Name"))
	assert.NotContains(t, first.Header, "Traceparent", "metadata without the prefix is none of a mail's")
	second, err := mail.ReadMessage(strings.NewReader(got[1].text))
	require.NoError(t, err)
	assert.NotContains(t, second.Header, "X-Trace-Id", "of the mail before")
	assert.Regexp(t, `^<[A-Z2-7]{26}@example.invalid>$`, second.Header.Get("Message-Id"))
}

// TestNothingIsSmuggledIntoAMail: what a request says cannot become another header, another recipient or a command.
func TestNothingIsSmuggledIntoAMail(t *testing.T) {
	server := new(mailServer).start(t, false, false)
	b := server.bind(t)
	many := make([]string, 0, 2*maxHeaders+2)
	for i := range maxHeaders + 1 {
		many = append(many, fmt.Sprintf("header.X-%d", i), "v")
	}
	for name, c := range map[string]struct {
		more []string
		says string
	}{
		"line end in a value":    {[]string{"header.X-A", "v\r\nBcc: evil@example.invalid"}, "header.X-A has line ends"},
		"carriage return":        {[]string{"header.X-A", "v\rX"}, "header.X-A has line ends"},
		"line feed":              {[]string{"header.X-A", "v\nX"}, "header.X-A has line ends"},
		"NUL":                    {[]string{"header.X-A", "v\x00"}, "header.X-A has line ends"},
		"not UTF-8":              {[]string{"header.X-A", "v\xff"}, "header.X-A has line ends"},
		"line end in a name":     {[]string{"header.X-A\r\nBcc", "v"}, "is not the name of a header"},
		"colon in a name":        {[]string{"header.X-A: v", "v"}, "is not the name of a header"},
		"no name":                {[]string{"header.", "v"}, "is not the name of a header"},
		"a header of the mail":   {[]string{"header.bcc", "evil@example.invalid"}, "header.bcc cannot be set"},
		"the kind of its body":   {[]string{"header.content-type", "text/plain"}, "header.content-type cannot be set"},
		"MIME version":           {[]string{"header.MIME-Version", "2.0"}, "header.MIME-Version cannot be set"},
		"too long":               {[]string{"header.X-A", strings.Repeat("v", maxHeaderBytes)}, "has more than 900 bytes"},
		"twice":                  {[]string{"header.X-A", "v", "header.x-a", "w"}, "is given twice"},
		"too many":               {many, "more than 20 headers"},
		"line end in an address": {[]string{"emailTo", "b@example.invalid>\r\nRCPT TO:<evil@example.invalid"}, "emailTo has what is not an address"},
		"line end in a sender":   {[]string{"emailFrom", "a@example.invalid\r\nDATA"}, "emailFrom is not an address"},
		"no separator":           {[]string{"emailTo", "b@example.invalid evil@example.invalid"}, "emailTo has what is not an address"},
		"two senders":            {[]string{"emailFrom", "a@example.invalid, evil@example.invalid"}, "emailFrom is not an address"},
		"an empty copy":          {[]string{"emailCC", "c@example.invalid;"}, "emailCC has what is not an address"},
		"a priority in words":    {[]string{"priority", "high"}, "priority is not a number"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := b.Invoke(t.Context(), request("b@example.invalid", c.more...))
			require.ErrorContains(t, err, "smtp binding error: ")
			require.ErrorContains(t, err, c.says)
			assert.NotContains(t, err.Error(), "evil@", "an error may be logged")
		})
	}
	assert.Zero(t, server.opened.Load(), "nobody was asked")
}
