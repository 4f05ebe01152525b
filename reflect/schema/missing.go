package schema

import (
	"fmt"
	"strings"
)

// MissingFileError is an import that neither the given files nor those built
// into this program have.
type MissingFileError struct {
	// File is the path as it is imported: acme/v1/types.proto.
	File string
	// ImportedBy lists the paths of the files that import it, sorted.
	ImportedBy []string
	// Advice says what to do about it. It may be empty.
	Advice string
}

func (e *MissingFileError) Error() string {
	text := fmt.Sprintf("file %q is missing, imported by %s", e.File, quoted(e.ImportedBy))
	if e.Advice != "" {
		text += ": " + e.Advice
	}
	return text
}

// quoted lists names for a message, and stops after a few.
func quoted(names []string) string {
	const few = 3
	var b strings.Builder
	for i, n := range names {
		if i == few {
			fmt.Fprintf(&b, " and %d more", len(names)-few)
			break
		}
		if i > 0 {
			b.WriteString(", ")
		}
		fmt.Fprintf(&b, "%q", n)
	}
	return b.String()
}
