package contracts

import (
	"bytes"
	_ "embed" // the style and the first page
	"strings"

	g "maragu.dev/gomponents"
	h "maragu.dev/gomponents/html"
)

//go:embed page.css
var style string

//go:embed index.html
var indexHTML string

// index is the page at "/".
func index() []byte { return []byte(strings.Replace(indexHTML, "{{style}}", style, 1)) }

// render writes the page. Everything that a contract says is text or the value of an attribute to gomponents, which escapes both.
// It is not html/template, because with that in a program the linker keeps every exported method of every type: 6 of 32 MB.
func (p docsPage) render() ([]byte, error) {
	var out bytes.Buffer
	err := h.Doctype(h.HTML(h.Lang("en"),
		h.Head(
			h.Meta(h.Charset("utf-8")),
			h.Meta(h.Name("viewport"), h.Content("width=device-width,initial-scale=1")),
			h.TitleEl(g.Text(p.Title+": the API")),
			h.StyleEl(g.Raw(style)),
		),
		h.Body(h.Div(h.Class("page"), p.navigation(), p.content())),
	)).Render(&out)
	return out.Bytes(), err
}

func (p docsPage) navigation() g.Node {
	return h.Nav(h.Aria("label", "Operations"), h.A(h.Href("/"), g.Text(p.Title)),
		g.Map(p.Groups, func(group docsGroup) g.Node {
			return g.Group{h.H2(g.Text(group.Service)), h.Ul(g.Map(group.Operations, func(o docsOperation) g.Node {
				return h.Li(h.A(h.Href("#"+o.ID), methodMark(o.Method), h.Span(g.Map(o.Steps, func(step string) g.Node {
					return g.Group{h.Wbr(), g.Text(step)}
				}))))
			}))}
		}),
	)
}

func (p docsPage) content() g.Node {
	return h.Main(
		h.H1(g.Text(p.Title)), h.P(h.Class("lead"), g.Text(p.Description)),
		h.P(h.A(h.Href("/openapi.json"), g.Text("OpenAPI document"))),
		g.If(len(p.Missing) > 0, h.P(h.Class("note"), g.Text("Not complete yet: "+strings.Join(p.Missing, ", ")+" did not answer so far."))),
		g.Map(p.Groups, func(group docsGroup) g.Node {
			return g.Group{h.H2(h.Class("service"), g.Text(group.Service)), g.Map(group.Operations, docsOperation.article)}
		}),
	)
}

func (o docsOperation) article() g.Node {
	return h.Article(h.ID(o.ID),
		h.H3(methodMark(o.Method), g.Text(o.Path)),
		g.If(o.Summary != "", h.P(h.Class("summary"), g.Text(o.Summary))),
		g.If(o.Description != "", h.P(h.Class("text"), g.Text(o.Description))),
		scrolling(o.Curl),
		g.If(len(o.Parameters) > 0, g.Group{h.H4(g.Text("Parameters")), fieldTable(o.Parameters)}),
		g.If(len(o.Body) > 0, g.Group{h.H4(g.Text("Body")), fieldTable(o.Body)}),
		h.H4(g.Text("Answers")), g.Map(o.Answers, docsAnswer.details),
	)
}

func (a docsAnswer) details() g.Node {
	return h.Details(g.If(a.Class == "2", g.Attr("open")),
		h.Summary(h.Span(h.Class("s s"+a.Class), g.Text(a.Status)), g.Text(a.Description)),
		g.If(a.Example != "", scrolling(a.Example)),
		g.If(len(a.Fields) > 0, fieldTable(a.Fields)),
	)
}

func fieldTable(fields []docsField) g.Node {
	head := func(text string) g.Node { return h.Th(h.Scope("col"), g.Text(text)) }
	return h.Div(h.Class("wide"), h.Table(
		h.Tr(head("Name"), head("Type"), head("Meaning")),
		g.Map(fields, func(f docsField) g.Node {
			return h.Tr(
				h.Td(g.Text(f.Name), g.If(f.Required, h.Span(h.Class("req"), h.Title("required"), g.Text("*"))),
					g.If(f.In != "", g.Group{g.Text(" "), h.Small(g.Text("(" + f.In + ")"))})),
				h.Td(g.Text(f.Type)), h.Td(g.Text(f.Description)),
			)
		}),
	))
}

func methodMark(method string) g.Node { return h.Span(h.Class("m "+method), g.Text(method)) }

// scrolling is text that keeps its lines; whoever uses a keyboard can scroll it.
func scrolling(text string) g.Node { return h.Pre(h.TabIndex("0"), g.Text(text)) }
