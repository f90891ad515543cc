package notify

import (
	"html"
	"strings"
	"text/template"
	"unicode"

	"github.com/google/uuid"

	"github.com/sidecart/sidecart/services/kit/money"
	"github.com/sidecart/sidecart/services/notify/notifyapi"
	"github.com/sidecart/sidecart/services/order/orderapi"
)

// Bounds of a message.
const (
	maxMailTextBytes = 8 << 10
	maxSMSTextBytes  = 300
	maxLinesShown    = 20 // of an order; the rest is counted
)

// The templates. Each has a subject, a mail and an SMS under its name.
const (
	templatePlaced    = "order_placed"
	templatePaid      = "order_paid"
	templateCancelled = "order_cancelled"
	templateRefunded  = "order_refunded"
)

// facts is what a template may say.
type facts struct {
	OrderID string
	Lines   []orderapi.Line
	Amount  money.Money // the total, or what was refunded
	PayBy   string
	Reason  string
}

// Shown is how many lines are listed.
func (f facts) Shown() []orderapi.Line { return f.Lines[:min(len(f.Lines), maxLinesShown)] }

// Hidden is how many are not.
func (f facts) Hidden() int { return len(f.Lines) - len(f.Shown()) }

// templates are plain text; what they are given is made plain first. Parsing them cannot fail: a test renders all.
var templates = template.Must(template.New("").Funcs(template.FuncMap{"plain": plain}).Parse(`
{{- define "lines"}}{{range .Shown}}
  {{.Quantity}} x {{plain .Title}} ({{plain .SKU}}), {{.UnitPrice}} each{{end}}{{with .Hidden}}
  and {{.}} more{{end}}

Total: {{.Amount}}
{{end}}

{{- define "order_placed/subject"}}We have your order {{plain .OrderID}}{{end}}
{{- define "order_placed/email"}}Thank you for your order {{plain .OrderID}}:
{{template "lines" .}}
Please pay by {{.PayBy}}. After that we release the items.
{{end}}
{{- define "order_placed/sms"}}Your order {{plain .OrderID}} over {{.Amount}} is placed. Please pay by {{.PayBy}}.{{end}}

{{- define "order_paid/subject"}}Your order {{plain .OrderID}} is paid{{end}}
{{- define "order_paid/email"}}We have your payment for order {{plain .OrderID}}:
{{template "lines" .}}{{end}}
{{- define "order_paid/sms"}}Your order {{plain .OrderID}} is paid: {{.Amount}}. Thank you.{{end}}

{{- define "order_cancelled/subject"}}Your order {{plain .OrderID}} is cancelled{{end}}
{{- define "order_cancelled/email"}}Your order {{plain .OrderID}} over {{.Amount}} is cancelled, because {{.Reason}}.

If you have paid, or a payment was under way, you get the money back.
{{end}}
{{- define "order_cancelled/sms"}}Your order {{plain .OrderID}} is cancelled, because {{.Reason}}.{{end}}

{{- define "order_refunded/subject"}}We refunded your payment for order {{plain .OrderID}}{{end}}
{{- define "order_refunded/email"}}We have sent {{.Amount}} back to you, for order {{plain .OrderID}}.
{{end}}
{{- define "order_refunded/sms"}}We have sent {{.Amount}} back to you, for order {{plain .OrderID}}.{{end}}
`))

// plain takes control characters out of what comes from outside: in a subject they would begin a new header.
func plain(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || r == unicode.ReplacementChar {
			return ' '
		}
		return r
	}, s)
}

// render fills in a template; what is over the bound is cut.
func render(name string, f facts, maxBytes int) string {
	var text strings.Builder
	if err := templates.ExecuteTemplate(&text, name, f); err != nil {
		panic("notify: " + err.Error()) // a defect in this file, found by its test
	}
	return cut(text.String(), maxBytes)
}

// cut shortens without splitting a character.
func cut(s string, maxBytes int) string {
	if len(s) <= maxBytes {
		return s
	}
	return strings.ToValidUTF8(s[:maxBytes], "")
}

// namespace of message ids; it must never change, or repeats are sent under new ids.
var namespace = uuid.MustParse("1f0c7d3a-52f7-5d43-9c0b-7f2a0a7c4b11")

// messageID names a message for ever.
func messageID(orderID, template, channel string) string {
	return uuid.NewSHA1(namespace, []byte(orderID+"\x00"+template+"\x00"+channel)).String()
}

// messages makes one message a channel that the contact has. occasion tells apart what can happen to an order
// more than once; it is "" for what cannot.
func messages(name, occasion string, to orderapi.Contact, f facts) []notifyapi.Message {
	var made []notifyapi.Message
	add := func(channel, address string) *notifyapi.Message {
		id := messageID(f.OrderID, name+occasion, channel)
		made = append(made, notifyapi.Message{ID: id, Channel: channel, Template: name, To: address})
		return &made[len(made)-1]
	}
	if to.Email != "" {
		m := add(notifyapi.ChannelEmail, to.Email)
		m.Subject = cut(plain(render(name+"/subject", f, maxSMSTextBytes)), maxSMSTextBytes)
		m.Text = render(name+"/email", f, maxMailTextBytes)
	}
	if to.Phone != "" {
		add(notifyapi.ChannelSMS, to.Phone).Text = render(name+"/sms", f, maxSMSTextBytes)
	}
	return made
}

// mailBody is what the mail binding is given. It sends HTML and sets no Message-ID header, so the text is escaped
// and the id stands in its last line.
func mailBody(m notifyapi.Message) string {
	return "<pre style=\"font-family:inherit;white-space:pre-wrap\">" + html.EscapeString(m.Text) + "\n-- \nMessage-ID: " + m.ID + "</pre>\n"
}
