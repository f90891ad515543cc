package security

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/sidecart/sidecart/e2e/harness"
)

var (
	testName   = regexp.MustCompile("`((?:Test|Fuzz)[A-Z]\\w*)`")
	testInCode = regexp.MustCompile(`(?m)^func ((?:Test|Fuzz)[A-Z]\w*)\(`)
)

// TestEveryRiskHasItsTests: each of the ten risks has a row in docs/security.md that names a test.
func TestEveryRiskHasItsTests(t *testing.T) {
	rows := map[string]string{}
	for line := range strings.Lines(document(t)) {
		if risk, ok := strings.CutPrefix(line, "| API"); ok {
			number, _, _ := strings.Cut(risk, " ")
			rows[number] += line
		}
	}
	for i := range 10 {
		number := fmt.Sprintf("%d:2023", i+1)
		assert.Regexp(t, testName, rows[number], "API%s", number)
	}
	assert.Len(t, rows, 10)
}

// TestNamedTestsAreThere: a test that a table of docs names is in the code, under that name.
func TestNamedTestsAreThere(t *testing.T) {
	there := map[string]bool{}
	err := filepath.WalkDir(harness.Root(), func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && strings.HasPrefix(d.Name(), ".") && path != harness.Root() {
			return filepath.SkipDir
		}
		if d.IsDir() || !strings.HasSuffix(path, "_test.go") {
			return nil
		}
		text, err := os.ReadFile(path)
		for _, found := range testInCode.FindAllStringSubmatch(string(text), -1) {
			there[found[1]] = true
		}
		return err
	})
	require.NoError(t, err)
	docs, err := filepath.Glob(filepath.Join(harness.Root(), "docs", "*.md"))
	require.NoError(t, err)
	for _, doc := range docs {
		text, err := os.ReadFile(doc)
		require.NoError(t, err)
		for _, named := range testName.FindAllStringSubmatch(string(text), -1) {
			assert.True(t, there[named[1]], "%s names %s, which no test is called", filepath.Base(doc), named[1])
		}
	}
}
