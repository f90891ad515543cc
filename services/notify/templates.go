package notify

import (
	"fmt"
	"html"
	"strconv"
	"strings"
	"unicode"

	"github.com/google/uuid"

	"github.com/sidecart/sidecart/services/kit/httpx"
	"github.com/sidecart/sidecart/services/kit/money"
	"github.com/sidecart/sidecart/services/notify/notifyapi"
	"github.com/sidecart/sidecart/services/order/orderapi"
)

// Bounds of a message.
const (
	maxMailTextBytes = 8 << 10
	maxSMSTextBytes  = 300
	maxSubjectBytes  = 300
	maxLinesShown    = 20 // of an order; the rest is counted
)

// The templates: see wordings.
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

// wording is what a message says, on each channel. Every order has one, so they are functions of Go and not templates
// that are interpreted; what comes from outside is made plain first.
type wording struct {
	subject, mail, sms func(f facts) string
}

var wordings = map[string]wording{
	templatePlaced: {
		subject: func(f facts) string { return "We have your order " + f.OrderID },
		mail: func(f facts) string {
			return "Thank you for your order " + f.OrderID + ":\n" + listing(f) + "\nPlease pay by " + f.PayBy + ". After that we release the items.\n"
		},
		sms: func(f facts) string {
			return "Your order " + f.OrderID + " over " + f.Amount.String() + " is placed. Please pay by " + f.PayBy + "."
		},
	},
	templatePaid: {
		subject: func(f facts) string { return "Your order " + f.OrderID + " is paid" },
		mail:    func(f facts) string { return "We have your payment for order " + f.OrderID + ":\n" + listing(f) },
		sms: func(f facts) string {
			return "Your order " + f.OrderID + " is paid: " + f.Amount.String() + ". Thank you."
		},
	},
	templateCancelled: {
		subject: func(f facts) string { return "Your order " + f.OrderID + " is cancelled" },
		mail: func(f facts) string {
			return "Your order " + f.OrderID + " over " + f.Amount.String() + " is cancelled, because " + f.Reason + ".\n\n" +
				"If you have paid, or a payment was under way, you get the money back.\n"
		},
		sms: func(f facts) string { return "Your order " + f.OrderID + " is cancelled, because " + f.Reason + "." },
	},
	templateRefunded: {
		subject: func(f facts) string { return "We refunded your payment for order " + f.OrderID },
		mail:    refunded,
		sms:     func(f facts) string { return strings.TrimSuffix(refunded(f), "\n") },
	},
}

func refunded(f facts) string {
	return "We have sent " + f.Amount.String() + " back to you, for order " + f.OrderID + ".\n"
}

// listing is the order's lines and total.
func listing(f facts) string {
	const perLine, total = 80, 32 // bytes, mostly
	shown := f.Lines[:min(len(f.Lines), maxLinesShown)]
	text := make([]byte, 0, perLine*len(shown)+total)
	for _, l := range shown {
		text = strconv.AppendInt(append(text, "\n  "...), l.Quantity, 10)
		text = append(append(text, " x "...), plain(l.Title)...)
		text = append(append(text, " ("...), plain(l.SKU)...)
		text = append(append(append(text, "), "...), l.UnitPrice.String()...), " each"...)
	}
	if n := len(f.Lines) - len(shown); n > 0 {
		text = fmt.Appendf(text, "\n  and %d more", n)
	}
	text = append(append(text, "\n\nTotal: "...), f.Amount.String()...)
	return string(append(text, '\n'))
}

// plain takes control characters out of what comes from outside: in a subject they would begin a new header.
func plain(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || r == unicode.ReplacementChar {
			return ' '
		}
		return r
	}, s)
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
	add := func(made []notifyapi.Message, channel, address, subject, text string, maxTextBytes int) []notifyapi.Message {
		return append(made, notifyapi.Message{
			ID: messageID(f.OrderID, name+occasion, channel), Channel: channel, Template: name, To: address,
			Subject: cut(subject, maxSubjectBytes), Text: cut(text, maxTextBytes),
		})
	}
	var made []notifyapi.Message
	words, said := wordings[name], f
	said.OrderID = plain(f.OrderID)
	if to.Email != "" {
		made = add(made, notifyapi.ChannelEmail, to.Email, words.subject(said), words.mail(said), maxMailTextBytes)
	}
	if to.Phone != "" {
		made = add(made, notifyapi.ChannelSMS, to.Phone, "", words.sms(said), maxSMSTextBytes)
	}
	return made
}

// mailMetadata goes with a mail to the binding. Our sidecar's makes headers of header.NAME (runtime/daprd/mail), a released Dapr's passes
// over them: what it reads is named in full, so anything else is nothing to it.
func mailMetadata(m notifyapi.Message, from, traceID string) map[string]string {
	domain := from[strings.LastIndexByte(from, '@')+1:] // an id wants one: RFC 5322, 3.6.4
	meta := map[string]string{
		"emailFrom": from, "emailTo": m.To, "subject": plain(m.Subject), "header.Message-ID": "<" + m.ID + "@" + domain + ">",
	}
	if traceID != "" {
		meta["header."+httpx.HeaderTraceID] = traceID
	}
	return meta
}

// mailBody is what the mail binding is given. It sends HTML, so the text is escaped. Behind it stands once more what a released Dapr's
// binding makes no headers of, the message's id and the trace id if there is one: nobody here knows whose binding it is.
func mailBody(m notifyapi.Message, traceID string) string {
	footer := "\n-- \nMessage-ID: " + m.ID
	if traceID != "" {
		footer += "\n" + httpx.HeaderTraceID + ": " + traceID
	}
	return "<pre style=\"font-family:inherit;white-space:pre-wrap\">" + html.EscapeString(m.Text) + footer + "</pre>\n"
}
