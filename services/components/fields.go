package components

import (
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/sidecart/sidecart/services/kit/suggest"
)

// fieldErrorf reports a field that is wrong in itself: what else it should say is then not looked at.
func (c *checker) fieldErrorf(line int, field, format string, args ...any) {
	c.errorf(line, field, format, args...)
	c.faulty[field] = true
}

// checkFields compares a component's fields with the catalog.
func (c *checker) checkFields(spec Spec) {
	seen := map[string]int{}
	for _, f := range c.component.Fields {
		if line, twice := seen[f.Name]; twice {
			c.fieldErrorf(f.Line, f.Name, "is also in line %d", line)
			continue
		}
		seen[f.Name] = f.Line
		if spec.Unlisted {
			continue
		}
		known, ok := spec.field(f.Name)
		if !ok {
			c.fieldErrorf(f.Line, f.Name, "is no field of %s %s%s", c.component.Type, c.component.Version, suggest.Ending(f.Name, spec.names()))
			c.faulty[suggest.Nearest(f.Name, spec.names())] = true // so it is not missing
			continue
		}
		if known.Deprecated {
			c.warnf(f.Line, f.Name, "is deprecated")
		}
		c.checkValue(f, known)
	}
	if spec.Unlisted {
		c.warnf(c.component.lines.kind, "spec.type", "Dapr publishes no list of the fields of %s %s: they are not checked", c.component.Type, c.component.Version)
		return
	}
	c.checkRequired(spec)
}

// optionalForUs are fields that a list calls required and that are not: the services give them with each request, only a
// server with a password needs them, or the code does without.
var optionalForUs = map[string][]string{
	"pubsub.jetstream":         {"deliverPolicy"},
	"pubsub.kubemq":            {"authToken"},
	"bindings.mqtt3":           {"caCert", "clientCert", "clientKey"},
	"bindings.smtp":            {"emailTo", "subject", "user", "password"},
	"bindings.twilio.sendgrid": {"emailTo", "subject"},
	"bindings.aws.ses":         {"emailTo", "subject"},
	"bindings.postmark":        {"emailTo", "subject"},
}

// checkRequired checks that what must be there is, and that some way to authenticate is complete.
func (c *checker) checkRequired(spec Spec) {
	missing := func(fields []FieldSpec) []string {
		var names []string
		for _, f := range fields {
			if f.Required && !slices.Contains(optionalForUs[spec.Type], f.Name) && !c.given(f.Name) {
				names = append(names, f.Name)
			}
		}
		return names
	}
	if slices.ContainsFunc(c.component.Fields, func(f Field) bool { return slices.Contains(spec.ReadToo, f.Name) }) {
		return // an old name may stand for what seems to be missing
	}
	line := c.component.lines.fields
	for _, name := range missing(spec.Fields) {
		c.fieldErrorf(line, name, "is missing: %s needs it", c.component.Type)
	}
	if len(spec.Profiles) == 0 {
		return
	}
	var ways, best []string
	for _, p := range spec.Profiles {
		if !c.chosen(p) {
			continue
		}
		m := missing(p.Fields)
		if len(m) == 0 {
			return
		}
		if best == nil || len(m) < len(best) {
			best = m
		}
		if way := strings.Join(m, " and "); !slices.Contains(ways, way) {
			ways = append(ways, way)
		}
	}
	if best != nil {
		c.fieldErrorf(line, best[0], "is missing: %s cannot connect without %s", c.component.Type, strings.Join(ways, ", or "))
	}
}

// chosen tells whether nothing that is given speaks against a way to authenticate: a field that says which way it is.
func (c *checker) chosen(p Profile) bool {
	return !slices.ContainsFunc(p.Fields, func(known FieldSpec) bool {
		f, given := c.component.Field(known.Name)
		return given && f.Value != "" && len(known.Allowed) > 0 && !slices.Contains(known.Allowed, f.Value)
	})
}

// given tells whether the component has a value for the field, from wherever, or something that was to be one.
func (c *checker) given(name string) bool {
	f, ok := c.component.Field(name)
	return c.faulty[name] || ok && (f.Value != "" || f.refers())
}

// Forms of values. A number where a duration is wanted counts in a unit of the component's choice.
var (
	byteSize    = regexp.MustCompile(`^[0-9]+(\.[0-9]+)?(k|M|G|T|P|E|Ki|Mi|Gi|Ti|Pi|Ei)?$`)
	placeholder = regexp.MustCompile(`\{(\w+)\}`)
	// placeholders are what daprd puts values in the place of, in this spelling only.
	placeholders = []string{"{appID}", "{namespace}", "{podName}", "{uuid}"}
)

func (c *checker) checkValue(f Field, known FieldSpec) {
	if f.Value == "" {
		return
	}
	shown := strconv.Quote(f.Value)
	if known.Sensitive || isSecretName(f.Name) || hasPassword(f.Value) {
		shown = "its value"
	}
	for _, used := range placeholder.FindAllString(f.Value, -1) {
		i := slices.IndexFunc(placeholders, func(p string) bool { return strings.EqualFold(p, used) })
		if i >= 0 && placeholders[i] != used {
			c.fieldErrorf(f.valueLine, f.Name, "%s is taken as it stands: daprd knows %s", used, placeholders[i])
			return
		}
	}
	if len(known.Allowed) > 0 && !slices.Contains(known.Allowed, f.Value) {
		c.fieldErrorf(f.valueLine, f.Name, "%s is not allowed%s", shown, suggest.Ending(f.Value, known.Allowed))
		return
	}
	if want := mismatch(known, f.Value); want != "" {
		c.fieldErrorf(f.valueLine, f.Name, "%s is no %s", shown, want)
	}
}

// mismatch says what a value should have been, or nothing.
func mismatch(known FieldSpec, value string) string {
	switch known.Kind {
	case "number":
		if _, err := strconv.ParseFloat(value, 64); err != nil {
			return "number"
		}
	case "bool":
		if _, ok := parseBool(value); !ok {
			return "true or false"
		}
	case "duration":
		_, errNumber := strconv.ParseInt(value, 10, 64)
		if _, err := time.ParseDuration(value); err != nil && errNumber != nil {
			return "duration, as 30s or 5m"
		}
	case "bytesize":
		if !byteSize.MatchString(value) {
			return "size in bytes, as 256Ki or 1M"
		}
	case "":
		if strings.EqualFold(known.Name, "url") || strings.HasSuffix(known.Name, "URL") {
			if u, err := url.Parse(value); err != nil || u.Scheme == "" || u.Host == "" {
				return "URL with scheme and host"
			}
		}
	}
	return ""
}

// parseBool takes the words that Dapr takes for true, and their opposites. Dapr takes every other word for false, which
// hides typing errors.
func parseBool(value string) (on, ok bool) {
	switch strings.ToLower(value) {
	case "true", "yes", "y", "t", "on", "1":
		return true, true
	case "false", "no", "n", "f", "off", "0":
		return false, true
	}
	return false, false
}
