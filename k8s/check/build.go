package check

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/api/resmap"
	"sigs.k8s.io/kustomize/kyaml/filesys"
)

// Edit changes a file as kustomize sees it: the one place where Old stands becomes New. The file itself stays as it is.
type Edit struct {
	File     string // relative to the repository's root, with slashes
	Old, New string
}

// build runs kustomize on a folder with the edits made. Each object carries an annotation that says which file it came from.
func build(root, folder string, disk edited) (resmap.ResMap, error) {
	top := filepath.Join(root, filepath.FromSlash(folder))
	text, err := disk.ReadFile(filepath.Join(top, "kustomization.yaml"))
	if err != nil {
		return nil, err
	}
	disk.texts[filepath.Join(top, "kustomization.yaml")] = string(text) + "\nbuildMetadata: [originAnnotations]\n"
	// The options of kubectl: no file outside of its kustomization's folder, no plugins.
	built, err := krusty.MakeKustomizer(krusty.MakeDefaultOptions()).Run(disk, top)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", folder, err)
	}
	return built, nil
}

// edited is the disk with other texts in some files.
type edited struct {
	filesys.FileSystem
	texts map[string]string
}

func newEdited(root string, edits []Edit) (edited, error) {
	disk := edited{FileSystem: filesys.MakeFsOnDisk(), texts: map[string]string{}}
	for _, e := range edits {
		if err := disk.edit(filepath.Join(root, filepath.FromSlash(e.File)), e); err != nil {
			return disk, err
		}
	}
	return disk, nil
}

// ReadFile gives the text that stands for the file.
func (d edited) ReadFile(name string) ([]byte, error) {
	if text, ok := d.texts[filepath.Clean(name)]; ok {
		return []byte(text), nil
	}
	return d.FileSystem.ReadFile(name)
}

func (d edited) edit(path string, e Edit) error {
	text, ok := d.texts[path]
	if !ok {
		read, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		text = string(read)
	}
	if n := strings.Count(text, e.Old); n != 1 {
		return fmt.Errorf("%s: %q stands there %d times, want once", e.File, e.Old, n)
	}
	d.texts[path] = strings.Replace(text, e.Old, e.New, 1)
	return nil
}
