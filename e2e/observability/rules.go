package observability

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"

	"go.yaml.in/yaml/v3"

	"github.com/sidecart/sidecart/e2e/harness"
)

// Alert is one rule of observability/alerts.
type Alert struct {
	Name        string            `yaml:"alert"`
	Expr        string            `yaml:"expr"`
	For         string            `yaml:"for"`
	Labels      map[string]string `yaml:"labels"`
	Annotations map[string]string `yaml:"annotations"`
}

// RulesFile is where the alerts are.
func RulesFile() string {
	return filepath.Join(harness.Root(), "observability", "alerts", "sidecart.yaml")
}

// DashboardFile is where a dashboard is.
func DashboardFile(name string) string {
	return filepath.Join(harness.Root(), "observability", "dashboards", name+".json")
}

// Alerts reads every rule.
func Alerts() ([]Alert, error) {
	text, err := os.ReadFile(RulesFile())
	if err != nil {
		return nil, err
	}
	var file struct {
		Groups []struct {
			Name  string  `yaml:"name"`
			Rules []Alert `yaml:"rules"`
		} `yaml:"groups"`
	}
	if err := yaml.Unmarshal(text, &file); err != nil {
		return nil, fmt.Errorf("%s: %w", RulesFile(), err)
	}
	var all []Alert
	for _, g := range file.Groups {
		all = append(all, g.Rules...)
	}
	return all, nil
}

// ours finds names of metrics in a query: those that we or Go's and Prometheus' own collectors make.
var ours = regexp.MustCompile(`\b(?:sidecart|gateway|http|process|go)_[a-z0-9_]+`)

// Metrics are the names of the metrics that a query asks for, each once, in order. The suffixes of histograms are left out.
func Metrics(query string) []string {
	suffix := regexp.MustCompile(`_(?:bucket|sum|count)$`)
	var names []string
	for _, name := range ours.FindAllString(query, -1) {
		names = append(names, suffix.ReplaceAllString(name, ""))
	}
	slices.Sort(names)
	return slices.Compact(names)
}
