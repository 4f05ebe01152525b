package main

import (
	"fmt"
	"io"
	"log/slog"
	"os"
	"time"

	"github.com/lmittmann/tint"
)

// newLog makes the logger for a --log-format: text is for people, in colour on
// a terminal; json is one object a line; auto is text on a terminal and json
// everywhere else.
func newLog(w io.Writer, format string) (*slog.Logger, error) {
	terminal := isTerminal(w)
	switch format {
	case "auto":
		if !terminal {
			return slog.New(slog.NewJSONHandler(w, nil)), nil
		}
		fallthrough
	case "text":
		return slog.New(tint.NewTextHandler(w, &tint.Options{TimeFormat: time.TimeOnly, NoColor: !terminal || os.Getenv("NO_COLOR") != ""})), nil
	case "json":
		return slog.New(slog.NewJSONHandler(w, nil)), nil
	}
	return nil, usageError{fmt.Errorf("--log-format %q: want auto, text or json", format)}
}

func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	if !ok {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}
