package bench

import (
	_ "embed"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// page is the frame of performance.md.
//
//go:embed page.md.txt
var page string

const pageName = "performance.md"

// WritePage puts results into performance.md of a folder, each between the markers of its benchmark, and charts beside it into img/. What
// else is on the page, and the results of other benchmarks, stay. A page that is not there is begun.
func WritePage(dir string, results []Result, s Setting) error {
	path := filepath.Join(dir, pageName)
	raw, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) {
		raw, err = []byte(page), os.MkdirAll(filepath.Join(dir, "img"), 0o755)
	}
	if err != nil {
		return fmt.Errorf("report: %w", err)
	}
	text := string(raw)
	for _, r := range results {
		section := r.Markdown(s)
		if svg := r.Chart(); svg != nil {
			name := "performance-" + r.Name + ".svg"
			if err := os.MkdirAll(filepath.Join(dir, "img"), 0o755); err != nil {
				return fmt.Errorf("report: %w", err)
			}
			if err := os.WriteFile(filepath.Join(dir, "img", name), svg, 0o644); err != nil {
				return fmt.Errorf("report: %w", err)
			}
			section += "\n![" + r.About + "](img/" + name + ")\n"
		}
		if text, err = replace(text, r.Name, section); err != nil {
			return fmt.Errorf("report: %s: %w", path, err)
		}
	}
	return os.WriteFile(path, []byte(text), 0o644)
}

// replace puts a section between the markers of a benchmark.
func replace(text, name, section string) (string, error) {
	begin, end := "<!-- bench:"+name+" -->\n", "<!-- end:"+name+" -->"
	before, rest, ok := strings.Cut(text, begin)
	_, after, closed := strings.Cut(rest, end)
	if !ok || !closed {
		return "", fmt.Errorf("it must have a line %q and after it a line %q", strings.TrimSpace(begin), end)
	}
	return before + begin + section + end + after, nil
}
