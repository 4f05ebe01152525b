package config

import (
	"fmt"
	"strings"

	"github.com/dragoman-gateway/dragoman/internal/near"
)

// advise names the known name that name was meant to be, or else, after the
// words in all, every one.
func advise(name string, known []string, all string) string {
	if meant := nearestName(name, known); meant != "" {
		return fmt.Sprintf("did you mean %q?", meant)
	}
	if len(known) == 0 {
		return ""
	}
	return all + strings.Join(known, ", ")
}

// nearestName is the known name that name is a likely misspelling of; empty if
// there is none.
func nearestName(name string, known []string) string {
	return near.Name(name, known, len(name)/3+1)
}
