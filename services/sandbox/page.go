package sandbox

import (
	"bytes"
	"net/http"
	"strconv"
	"time"

	"github.com/labstack/echo/v4"
	g "maragu.dev/gomponents"
	h "maragu.dev/gomponents/html"
)

// pageData is what the page shows.
type pageData struct {
	Switches []pageSwitch
	Modes    []string
	Ledger   []Entry
	Mails    []Mail
	Texts    []Text
	Counts   struct{ Ledger, Mails, Texts int }
}

type pageSwitch struct{ Name, Mode string }

// page shows the newest of everything, and the switches.
func (s *Sandbox) page(c echo.Context) error {
	now := s.faults.get()
	data := pageData{Modes: faultModes, Switches: []pageSwitch{{"payment", now.Payment}, {"mail", now.Mail}, {"sms", now.SMS}}}
	data.Ledger, data.Counts.Ledger = s.provider.book.last()
	data.Mails, data.Counts.Mails = s.mailbox.book.last()
	data.Texts, data.Counts.Texts = s.texts.book.last()
	var page bytes.Buffer
	if err := data.view().Render(&page); err != nil {
		return err
	}
	c.Response().Header().Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; connect-src 'self'; frame-ancestors 'none'")
	return c.HTMLBlob(http.StatusOK, page.Bytes())
}

const pageStyle = `:root{color-scheme:light dark}
body{font:15px/1.5 system-ui,sans-serif;max-width:70rem;margin:2rem auto;padding:0 1rem}
h2{margin:2rem 0 .5rem;font-size:1.15rem}h2 small{font-weight:400;opacity:.6}
table{border-collapse:collapse;width:100%}th,td{text-align:left;padding:.3rem .6rem;border-bottom:1px solid #8884;vertical-align:top}
td.n{font-variant-numeric:tabular-nums;white-space:nowrap}code{font-size:.85em;word-break:break-all}
label{margin-right:1.5rem}.off{color:#c33}details pre{white-space:pre-wrap;max-height:20rem;overflow:auto}
`

// A switch is turned by a JSON request, which a foreign page cannot send.
const pageScript = `for (const s of document.querySelectorAll("select")) s.onchange = async () => {
  await fetch("faults", {method: "POST", headers: {"Content-Type": "application/json"}, body: JSON.stringify({[s.name]: s.value})});
  location.reload();
};
`

// view writes the page; what a mail says stays text, since gomponents escapes it.
func (d pageData) view() g.Node {
	return h.Doctype(h.HTML(h.Lang("en"),
		h.Head(
			h.Meta(h.Charset("utf-8")), h.Meta(h.Name("viewport"), h.Content("width=device-width")),
			h.TitleEl(g.Text("sidecart sandbox")), h.StyleEl(g.Raw(pageStyle)),
		),
		h.Body(
			h.H1(g.Text("sandbox")), h.P(g.Text("Stand-ins for the outside world. Nothing here leaves this machine.")),
			h.P(g.Map(d.Switches, d.choice)),
			headline("Payments", d.Counts.Ledger, "in the ledger"),
			listing(d.Ledger, []string{"at", "what", "amount", "order", "id"}, func(e Entry) []g.Node {
				what := e.Kind
				if e.Method != "" {
					what += " (" + e.Method + ")"
				}
				return []g.Node{clock(e.At), h.Td(g.Text(what)), h.Td(h.Class("n"), g.Text(strconv.FormatInt(e.Amount, 10)+" "+e.Currency)), code(e.OrderID), code(e.ID)}
			}),
			headline("Mail", d.Counts.Mails, "arrived"),
			listing(d.Mails, []string{"at", "to", "subject", "message id"}, func(m Mail) []g.Node {
				return []g.Node{
					clock(m.At), h.Td(g.Map(m.To, func(to string) g.Node { return g.Text(to + " ") })),
					h.Td(h.Details(h.Summary(g.Text(m.Subject)), h.Pre(g.Text(m.Body)))), code(m.MessageID),
				}
			}),
			headline("SMS", d.Counts.Texts, "arrived"),
			listing(d.Texts, []string{"at", "to", "text", "message id"}, func(t Text) []g.Node {
				return []g.Node{clock(t.At), h.Td(g.Text(t.To)), h.Td(g.Text(t.Text)), code(t.ID)}
			}),
			h.Script(g.Raw(pageScript)),
		),
	))
}

func (d pageData) choice(s pageSwitch) g.Node {
	return h.Label(g.Text(s.Name+" "), h.Select(h.Name(s.Name), g.If(s.Mode != "ok", h.Class("off")),
		g.Map(d.Modes, func(mode string) g.Node { return h.Option(g.If(mode == s.Mode, h.Selected()), g.Text(mode)) })))
}

func headline(title string, count int, what string) g.Node {
	return h.H2(g.Text(title+" "), h.Small(g.Text(strconv.Itoa(count)+" "+what+", newest first")))
}

// listing is a table with a row for each item, or one that says that there is none.
func listing[T any](items []T, columns []string, cells func(T) []g.Node) g.Node {
	return h.Table(
		h.Tr(g.Map(columns, func(name string) g.Node { return h.Th(g.Text(name)) })),
		g.Map(items, func(item T) g.Node { return h.Tr(cells(item)...) }),
		g.If(len(items) == 0, h.Tr(h.Td(h.ColSpan(strconv.Itoa(len(columns))), g.Text("none yet")))),
	)
}

func clock(at time.Time) g.Node { return h.Td(h.Class("n"), g.Text(at.Format(time.TimeOnly))) }

func code(text string) g.Node { return h.Td(h.Code(g.Text(text))) }
