package observability

import (
	"encoding/json"
	"fmt"
)

// Dashboard is one page of panels. Grafana's own format says the same at twenty times the length; JSON makes it.
type Dashboard struct {
	Name, Title, About string
	Variables          []Variable
	Rows               []Row
}

// Variable is a choice at the top of a page: all values that a label has.
type Variable struct{ Name, Label, Of string }

// Row is a heading with its panels, which stand side by side, three in a line.
type Row struct {
	Title  string
	Panels []Panel
}

// Panel is a graph over time.
type Panel struct {
	Title, About string
	Unit         string // as Grafana names them: "s", "reqps", "percentunit", "short", "bytes"
	Queries      []Query
}

// Query is one set of lines of a panel.
type Query struct{ Expr, Legend string }

// Places on Grafana's grid of 24 columns.
const (
	panelWidth, panelHeight = 8, 8
	panelsInALine           = 3
	gridWidth               = 24
)

type object = map[string]any

// JSON is the dashboard in Grafana's format (schema 39, Grafana 10 and later), for import or provisioning. Which Prometheus is asked is
// chosen in Grafana.
func (d Dashboard) JSON() ([]byte, error) {
	source := object{"type": "prometheus", "uid": "${datasource}"}
	variables := []object{{"name": "datasource", "label": "Prometheus", "type": "datasource", "query": "prometheus"}}
	for _, v := range d.Variables {
		variables = append(variables, object{
			"name": v.Name, "label": v.Name, "type": "query", "datasource": source, "refresh": 2, "includeAll": true, "multi": true,
			"allValue": ".*", "query": object{"query": fmt.Sprintf("label_values(%s, %s)", v.Of, v.Label), "refId": v.Name},
			"current": object{"text": "All", "value": "$__all"},
		})
	}
	var panels []object
	y, id := 0, 0
	for _, row := range d.Rows {
		id++
		panels = append(panels, object{"id": id, "type": "row", "title": row.Title, "collapsed": false, "panels": []object{},
			"gridPos": object{"x": 0, "y": y, "w": gridWidth, "h": 1}})
		y++
		for i, p := range row.Panels {
			id++
			panels = append(panels, p.json(id, i%panelsInALine*panelWidth, y+i/panelsInALine*panelHeight, source))
		}
		y += (len(row.Panels) + panelsInALine - 1) / panelsInALine * panelHeight
	}
	text, err := json.MarshalIndent(object{
		"uid": "sidecart-" + d.Name, "title": d.Title, "description": d.About, "tags": []string{"sidecart"}, "schemaVersion": 39, "version": 1,
		"editable": true, "graphTooltip": 1, "refresh": "30s", "time": object{"from": "now-3h", "to": "now"}, "timezone": "utc",
		"templating": object{"list": variables}, "panels": panels,
	}, "", "  ")
	return append(text, '\n'), err
}

func (p Panel) json(id, x, y int, source object) object {
	var targets []object
	for i, q := range p.Queries {
		targets = append(targets, object{"refId": string(rune('A' + i)), "datasource": source, "expr": q.Expr, "legendFormat": q.Legend})
	}
	return object{
		"id": id, "type": "timeseries", "title": p.Title, "description": p.About, "datasource": source, "targets": targets,
		"gridPos":     object{"x": x, "y": y, "w": panelWidth, "h": panelHeight},
		"fieldConfig": object{"defaults": object{"unit": p.Unit, "min": 0, "custom": object{"fillOpacity": 8, "showPoints": "never"}}, "overrides": []object{}},
		"options":     object{"legend": object{"displayMode": "list", "placement": "bottom"}, "tooltip": object{"mode": "multi", "sort": "desc"}},
	}
}
