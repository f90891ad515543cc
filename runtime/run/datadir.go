package run

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"unicode/utf8"
)

const (
	// markerName is the file that says a folder is a data folder of ours, and so may be wiped.
	markerName  = ".sidecart-data"
	lockName    = "run.lock"
	logsName    = "logs"
	markerText  = "This folder holds the data of a sidecart stack. scripts/up --fresh deletes everything in it.\n"
	folderPerm  = 0o750
	privatePerm = 0o600
)

// dataDir is a locked data folder. The lock goes with the process that holds it, however that ends.
type dataDir struct {
	Path string // absolute
	lock *os.File
}

// openDataDir creates and marks the folder if it is absent or empty, and locks it. A folder with something else
// in it is refused: it would later be ours to wipe.
func openDataDir(path string) (*dataDir, error) {
	abs, err := filepath.Abs(path)
	if err != nil {
		return nil, fmt.Errorf("data folder: %w", err)
	}
	if i := strings.IndexFunc(abs, misread); i >= 0 {
		return nil, fmt.Errorf("data folder %q: %q cannot be part of its path: it means something else in the store's address", abs, []rune(abs[i:])[0])
	}
	if err := os.MkdirAll(abs, folderPerm); err != nil {
		return nil, fmt.Errorf("data folder: %w", err)
	}
	if err := checkOurs(abs); err != nil {
		return nil, err
	}
	if err := os.WriteFile(filepath.Join(abs, markerName), []byte(markerText), privatePerm); err != nil {
		return nil, fmt.Errorf("data folder: %w", err)
	}
	lock, err := lockFolder(abs)
	if err != nil {
		return nil, err
	}
	d := &dataDir{Path: abs, lock: lock}
	if err := os.MkdirAll(filepath.Join(abs, logsName), folderPerm); err != nil {
		d.close()
		return nil, fmt.Errorf("data folder: %w", err)
	}
	return d, nil
}

// misread tells of a character that would put the data somewhere else. The path becomes part of SQLite's address, where
// "?" and "#" end a file's name and "%" begins an escape, and of a YAML string, which a quote ends.
func misread(r rune) bool { return strings.ContainsRune(`?#%"`, r) || r < ' ' || r == utf8.RuneError }

func lockFolder(abs string) (*os.File, error) {
	lock, err := os.OpenFile(filepath.Join(abs, lockName), os.O_RDWR|os.O_CREATE, privatePerm)
	if err != nil {
		return nil, fmt.Errorf("data folder: %w", err)
	}
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		holder := make([]byte, 20)
		n, _ := lock.ReadAt(holder, 0)
		_ = lock.Close()
		if errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, fmt.Errorf("data folder %s is in use by another run (process %s)", abs, strings.TrimSpace(string(holder[:n])))
		}
		return nil, fmt.Errorf("data folder %s: lock: %w", abs, err)
	}
	// Only a help for the reader of the message above; the lock itself is what counts.
	_ = lock.Truncate(0)
	_, _ = lock.WriteAt([]byte(strconv.Itoa(os.Getpid())+"\n"), 0)
	return lock, nil
}

// checkOurs accepts an empty folder and one that carries our marker.
func checkOurs(abs string) error {
	entries, err := os.ReadDir(abs)
	if err != nil {
		return fmt.Errorf("data folder: %w", err)
	}
	if len(entries) == 0 {
		return nil
	}
	for _, e := range entries {
		if e.Name() == markerName {
			return nil
		}
	}
	return fmt.Errorf("%s is not empty and not a sidecart data folder (no %s in it)", abs, markerName)
}

func (d *dataDir) close() { _ = d.lock.Close() }

func (d *dataDir) log(process string) string {
	return filepath.Join(d.Path, logsName, process+".log")
}

// WipeData deletes everything in a data folder. It refuses a folder that is in use or that is not a data folder of
// ours; an absent folder is fine.
func WipeData(path string) error {
	abs, err := filepath.Abs(path)
	if err != nil {
		return fmt.Errorf("data folder: %w", err)
	}
	if _, err := os.Stat(abs); errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err := checkOurs(abs); err != nil {
		return fmt.Errorf("refusing to wipe: %w", err)
	}
	lock, err := lockFolder(abs)
	if err != nil {
		return err
	}
	defer func() { _ = lock.Close() }()
	entries, err := os.ReadDir(abs)
	if err != nil {
		return fmt.Errorf("wipe: %w", err)
	}
	for _, e := range entries {
		// The marker and the lock stay, so that the folder is ours at every moment.
		if e.Name() == markerName || e.Name() == lockName {
			continue
		}
		if err := os.RemoveAll(filepath.Join(abs, e.Name())); err != nil {
			return fmt.Errorf("wipe: %w", err)
		}
	}
	return nil
}
