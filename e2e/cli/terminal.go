package cli

import "os"

// Terminal tells whether a person watches f, so that a line may be written over, and whether colour is wanted there (https://no-color.org).
func Terminal(f *os.File) (live, colour bool) {
	info, err := f.Stat()
	if err != nil || info.Mode()&os.ModeCharDevice == 0 {
		return false, false
	}
	if null, err := os.Stat(os.DevNull); err == nil && os.SameFile(info, null) {
		return false, false // a character device, too
	}
	dumb := os.Getenv("TERM") == "dumb"
	return !dumb, !dumb && os.Getenv("NO_COLOR") == ""
}
