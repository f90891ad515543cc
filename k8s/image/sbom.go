package image

import (
	"bytes"
	"slices"
	"strings"
	"time"

	cdx "github.com/CycloneDX/cyclonedx-go"
)

// SBOM lists what the program is made of, as CycloneDX 1.6 in JSON: every Go module that the compiler put into it, with the checksum of
// go.sum, and the standard library. It is read from the program itself and so cannot differ from it.
func SBOM(p Program) ([]byte, error) {
	main := component(cdx.ComponentTypeApplication, p.info.Main.Path, p.Version, "")
	main.Name = "sidecart"
	parts := []cdx.Component{component(cdx.ComponentTypeLibrary, "std", strings.TrimPrefix(p.info.GoVersion, "go"), "")}
	for _, m := range p.info.Deps {
		used := m
		if m.Replace != nil {
			used = m.Replace
		}
		parts = append(parts, component(cdx.ComponentTypeLibrary, used.Path, used.Version, used.Sum))
	}
	refs := make([]string, 0, len(parts))
	for _, c := range parts {
		refs = append(refs, c.BOMRef)
	}
	bom := cdx.NewBOM()
	bom.SpecVersion = cdx.SpecVersion1_6
	bom.Metadata = &cdx.Metadata{
		Timestamp: p.Created.Format(time.RFC3339), Component: &main,
		Properties: &[]cdx.Property{{Name: "vcs.revision", Value: p.Revision}, {Name: "go.arch", Value: p.Arch}},
	}
	bom.Components = &parts
	bom.Dependencies = &[]cdx.Dependency{{Ref: main.BOMRef, Dependencies: &refs}}
	var out bytes.Buffer
	encoder := cdx.NewBOMEncoder(&out, cdx.BOMFileFormatJSON).SetPretty(true)
	if err := encoder.EncodeVersion(bom, cdx.SpecVersion1_6); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}

// component is one part, named by its package URL. Go's paths tell capitals from small letters, so they stay as they are.
func component(kind cdx.ComponentType, path, version, sum string) cdx.Component {
	url := "pkg:golang/" + path + "@" + strings.ReplaceAll(version, "+", "%2B")
	c := cdx.Component{BOMRef: url, Type: kind, Name: path, Version: version, PackageURL: url}
	if sum != "" {
		c.Properties = &[]cdx.Property{{Name: "go.sum", Value: sum}}
	}
	return c
}

// Modules are the paths of the modules in a program, sorted.
func Modules(p Program) []string {
	var paths []string
	for _, m := range p.info.Deps {
		paths = append(paths, m.Path)
	}
	slices.Sort(paths)
	return paths
}
