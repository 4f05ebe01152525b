// Package file reads the files that the configuration of an upstream names: secrets,
// certificates, credentials. It is complete.
package file

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
)

// maxSecret is how many bytes a file with a secret may have.
const maxSecret = 4 << 10

// Path is name as the configuration means it, whose folder is dir.
func Path(dir, name string) string {
	if filepath.IsAbs(name) {
		return name
	}
	return filepath.Join(dir, name)
}

// Read reads a file of at most so many bytes. Whatever else name is, a device or a pipe,
// no more than that is read of it.
func Read(dir, name string, most int) ([]byte, error) {
	f, err := os.Open(Path(dir, name))
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	data, err := io.ReadAll(io.LimitReader(f, int64(most)+1))
	if err != nil {
		return nil, err
	}
	if len(data) > most {
		return nil, fmt.Errorf("file %q has more than %d bytes", name, most)
	}
	return data, nil
}

// Secret is the text of a file without the space around it, as the newline that editors
// leave. An error has nothing of it.
func Secret(dir, name string) (string, error) {
	data, err := Read(dir, name, maxSecret)
	if err != nil {
		return "", err
	}
	text := strings.TrimSpace(string(data))
	if text == "" {
		return "", fmt.Errorf("file %q is empty", name)
	}
	if strings.ContainsAny(text, "\r\n") {
		return "", fmt.Errorf("file %q has more than one line, and should have the secret alone", name)
	}
	return text, nil
}
