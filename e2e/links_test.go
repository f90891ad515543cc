package e2e

import (
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/sidecart/sidecart/e2e/harness"
)

// TestLinks: every relative link of the README and of docs/ leads to a file of the repository, and its #fragment to a
// heading of that file. Links to elsewhere are not followed.
func TestLinks(t *testing.T) {
	root := harness.Root()
	docs := []string{filepath.Join(root, "README.md")}
	err := filepath.WalkDir(filepath.Join(root, "docs"), func(path string, _ fs.DirEntry, err error) error {
		if filepath.Ext(path) == ".md" {
			docs = append(docs, path)
		}
		return err
	})
	require.NoError(t, err)
	checked := 0
	for _, doc := range docs {
		name, err := filepath.Rel(root, doc)
		require.NoError(t, err)
		for _, target := range linksOf(t, doc) {
			link, err := url.Parse(target)
			if !assert.NoError(t, err, "%s links to %s", name, target) || link.IsAbs() {
				continue
			}
			checked++
			to := doc
			if link.Path != "" {
				to = filepath.Join(filepath.Dir(doc), filepath.FromSlash(link.Path))
			}
			inside, err := filepath.Rel(root, to)
			require.NoError(t, err)
			assert.False(t, strings.HasPrefix(inside, ".."), "%s links to %s, which is outside of the repository", name, target)
			if _, err := os.Stat(to); !assert.NoError(t, err, "%s links to %s", name, target) || link.Fragment == "" {
				continue
			}
			assert.Contains(t, headingsOf(t, to), link.Fragment, "%s links to %s, but there is no such heading", name, target)
		}
	}
	assert.Positive(t, checked, "no link was found: what finds them is broken")
}

var (
	inlineLink = regexp.MustCompile(`\]\(<?([^()<>\s]+)>?\)`)
	codeSpan   = regexp.MustCompile("`[^`]*`")
	notInSlug  = regexp.MustCompile(`[^\p{L}\p{N} _-]`)
)

// prose gives the lines of a document that are not inside a fenced block.
func prose(t *testing.T, path string) []string {
	t.Helper()
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	var out []string
	fenced := false
	for _, line := range strings.Split(string(text), "\n") {
		if strings.HasPrefix(line, "```") {
			fenced = !fenced
		} else if !fenced {
			out = append(out, line)
		}
	}
	return out
}

// linksOf gives the targets of a document's inline links; what stands in code is no link.
func linksOf(t *testing.T, path string) []string {
	t.Helper()
	var out []string
	for _, line := range prose(t, path) {
		for _, m := range inlineLink.FindAllStringSubmatch(codeSpan.ReplaceAllString(line, "code"), -1) {
			out = append(out, m[1])
		}
	}
	return out
}

// headingsOf gives the anchors that GitHub makes of a document's headings.
func headingsOf(t *testing.T, path string) []string {
	t.Helper()
	var out []string
	for _, line := range prose(t, path) {
		if heading, found := strings.CutPrefix(strings.TrimLeft(line, "#"), " "); found && strings.HasPrefix(line, "#") {
			slug := notInSlug.ReplaceAllString(strings.ToLower(strings.TrimSpace(heading)), "")
			out = append(out, strings.ReplaceAll(slug, " ", "-"))
		}
	}
	return out
}
