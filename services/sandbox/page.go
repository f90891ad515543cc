package sandbox

import (
	"bytes"
	"html/template"
	"net/http"

	"github.com/labstack/echo/v4"
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
	if err := pageTemplate.Execute(&page, data); err != nil {
		return err
	}
	h := c.Response().Header()
	h.Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; connect-src 'self'; frame-ancestors 'none'")
	return c.HTMLBlob(http.StatusOK, page.Bytes())
}

// pageTemplate escapes by context, so that what a mail says stays text. A switch is turned by a JSON request,
// which a foreign page cannot send.
var pageTemplate = template.Must(template.New("page").Parse(`<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>sidecart sandbox</title><style>
:root{color-scheme:light dark}
body{font:15px/1.5 system-ui,sans-serif;max-width:70rem;margin:2rem auto;padding:0 1rem}
h2{margin:2rem 0 .5rem;font-size:1.15rem}h2 small{font-weight:400;opacity:.6}
table{border-collapse:collapse;width:100%}th,td{text-align:left;padding:.3rem .6rem;border-bottom:1px solid #8884;vertical-align:top}
td.n{font-variant-numeric:tabular-nums;white-space:nowrap}code{font-size:.85em;word-break:break-all}
label{margin-right:1.5rem}.off{color:#c33}details pre{white-space:pre-wrap;max-height:20rem;overflow:auto}
</style></head><body>
<h1>sandbox</h1>
<p>Stand-ins for the outside world. Nothing here leaves this machine.</p>
<p>{{$modes := .Modes}}{{range .Switches}}{{$now := .Mode}}<label>{{.Name}} <select name="{{.Name}}"{{if ne .Mode "ok"}} class="off"{{end}}>
{{range $modes}}<option{{if eq . $now}} selected{{end}}>{{.}}</option>{{end}}</select></label>{{end}}</p>
<h2>Payments <small>{{.Counts.Ledger}} in the ledger, newest first</small></h2>
<table><tr><th>at<th>what<th>amount<th>order<th>id</tr>
{{range .Ledger}}<tr><td class="n">{{.At.Format "15:04:05"}}<td>{{.Kind}}{{with .Method}} ({{.}}){{end}}<td class="n">{{.Amount}} {{.Currency}}<td><code>{{.OrderID}}</code><td><code>{{.ID}}</code></tr>
{{else}}<tr><td colspan="5">none yet</tr>{{end}}</table>
<h2>Mail <small>{{.Counts.Mails}} arrived, newest first</small></h2>
<table><tr><th>at<th>to<th>subject<th>message id</tr>
{{range .Mails}}<tr><td class="n">{{.At.Format "15:04:05"}}<td>{{range .To}}{{.}} {{end}}<td><details><summary>{{.Subject}}</summary><pre>{{.Body}}</pre></details><td><code>{{.MessageID}}</code></tr>
{{else}}<tr><td colspan="4">none yet</tr>{{end}}</table>
<h2>SMS <small>{{.Counts.Texts}} arrived, newest first</small></h2>
<table><tr><th>at<th>to<th>text<th>message id</tr>
{{range .Texts}}<tr><td class="n">{{.At.Format "15:04:05"}}<td>{{.To}}<td>{{.Text}}<td><code>{{.ID}}</code></tr>
{{else}}<tr><td colspan="4">none yet</tr>{{end}}</table>
<script>
for (const s of document.querySelectorAll("select")) s.onchange = async () => {
  await fetch("faults", {method: "POST", headers: {"Content-Type": "application/json"}, body: JSON.stringify({[s.name]: s.value})});
  location.reload();
};
</script></body></html>
`))
